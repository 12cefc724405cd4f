"""What is wrong with an image or a label map is said when it is loaded, with the name of its file.

Shapes: images are H×W×3, label maps H×W, of class numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image

from fec_mm.errors import UserError


class CheckSample:
    """A step of a pipeline, behind those that load.

    - The image has the size that its annotation says: boxes of a resized copy would be somewhere else.
    - The label map has the size of the image and one channel, and every label in it is a class of the data set, or
    ignored.
      (Resizing would hide the one, and metrics pass over the other.)

    Args:
        classes: How many the data set has; None: label maps are not looked at.
        ignored: Labels of pixels that do not count.
    """

    def __init__(self, classes: int | None = None, ignored: Iterable[int] = (255,)) -> None:
        self.classes, self.ignored = classes, sorted(set(ignored))

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pass the results on.

        Raises:
            UserError: Naming the file.
        """
        shape = tuple(results['ori_shape'][:2]) if 'ori_shape' in results else None
        said = results.get('height'), results.get('width')
        if shape and None not in said and said != shape:
            raise UserError(
                f'{results["img_path"]} has {shape[1]}×{shape[0]} pixels and its annotation says '
                f'{said[1]}×{said[0]}: annotate the image as it is, turned as its EXIF says'
            )
        if self.classes is not None and results.get('gt_seg_map') is not None:
            self._check_map(
                results['gt_seg_map'], str(results['seg_map_path']), shape, bool(results.get('reduce_zero_label'))
            )
        return results

    def _check_map(self, labels: np.ndarray, path: str, shape: tuple[int, ...] | None, reduced: bool) -> None:
        if labels.ndim != 2:
            raise UserError(f'{path} has {labels.shape[-1]} channels: a label map has one, of class numbers')
        if shape and labels.shape != shape:
            raise UserError(
                f'{path} has {labels.shape[1]}×{labels.shape[0]} pixels and its image {shape[1]}×{shape[0]}: '
                'make the label map of this image'
            )
        assert self.classes is not None
        top = _top(path, labels)
        if top >= self.classes:  # perhaps of the ignored label alone
            wrong = labels[(labels >= self.classes) & ~np.isin(labels, self.ignored)]
            if wrong.size or top > np.iinfo(labels.dtype).max:
                found = top if top > np.iinfo(labels.dtype).max else int(wrong[0]) + reduced
                raise UserError(
                    f'{path} has the label {found}, and the classes are {int(reduced)} to '
                    f'{self.classes - 1 + reduced} (ignored: {", ".join(map(str, self.ignored))}): '
                    'correct the labels or metainfo.classes'
                )

    def __repr__(self) -> str:
        return f'{type(self).__name__}(classes={self.classes}, ignored={self.ignored})'


def _top(path: str, labels: np.ndarray) -> int:
    """The highest label; of a file with more than 8 bits that of the file, as mmseg keeps the lower 8 alone."""
    if '://' not in path:
        try:
            with Image.open(path) as file:
                if file.mode not in ('1', 'L', 'P'):
                    return int(np.asarray(file).max())
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            pass  # not one of Pillow's formats, or too large for it: whatever read the labels read all of them
    return int(labels.max())


def check_samples(dataset: Any, ignored: Iterable[int] = ()) -> None:
    """Put a `CheckSample` behind the loading steps of a built data set of one of the toolboxes; once, however often
    called."""
    steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', None)
    if not steps or any(isinstance(step, CheckSample) for step in steps):
        return
    loading = [i for i, step in enumerate(steps) if type(step).__name__.startswith('Load')]
    classes = getattr(dataset, 'metainfo', {}).get('classes') or ()
    if loading:
        is_segmentation = classes and hasattr(dataset, 'ignore_index')
        check = CheckSample(len(classes), {dataset.ignore_index, *ignored}) if is_segmentation else CheckSample()
        steps.insert(loading[-1] + 1, check)


def check_reduced_zero(leaf: Any) -> None:
    """Make sure that a data set of mmseg and the step that loads its label maps agree on what 0 is, which mmseg
    asserts.

    Raises:
        UserError: They do not. Which of them to follow is a matter of the label maps: both ways train.
    """
    said = getattr(leaf, 'reduce_zero_label', None)
    for step in getattr(getattr(leaf, 'pipeline', None), 'transforms', ()):
        wanted = getattr(step, 'reduce_zero_label', None) if hasattr(step, '_load_seg_map') else None
        if None not in (said, wanted) and wanted != said:
            raise UserError(
                f'{type(step).__name__}(reduce_zero_label={wanted}) in the pipeline and {type(leaf).__name__}'
                f'(reduce_zero_label={said}) differ: where 0 is a class, as in label maps of your own, leave it out '
                f'of {type(step).__name__} in train_pipeline and test_pipeline; where 0 is to be ignored and classes '
                'begin at 1, give it to the data set too'
            )
