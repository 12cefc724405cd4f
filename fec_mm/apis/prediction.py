"""What a model finds in an image, in one form for all tasks.

Shapes: images and masks are H×W of the file; boxes are x1, y1, x2, y2 in its pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from fec_mm.toolboxes.bands import three_band_pictures
from fec_mm.toolboxes.table import TOOLBOXES
from fec_mm.visualization.inputs import TestPipeline

from .models import get_model

MOST = 5  # classes of a classifier


@dataclass
class Prediction:
    """What is found in an image.

    Attributes:
        task: Classification, detection or segmentation.
        image: H×W×3, RGB, uint8: the file as people see it.
        found: For each class or object a dict with `id` and `label` and, of classes and objects, `score`, of objects
            `box`, of a segmenter's classes and of panoptic segments `share` of the pixels. The best first.
        masks: Of objects and panoptic segments, in the order of `found`, N×H×W booleans; None without.
        labels: Of a segmenter, the class ids of the pixels, H×W; otherwise None.
    """

    task: str
    image: np.ndarray
    found: list[dict[str, Any]] = field(default_factory=list)
    masks: np.ndarray | None = None
    labels: np.ndarray | None = None

    def as_json(self, path: str) -> dict[str, Any]:
        """The same as plain values; masks are run lengths as COCO has them.

        Args:
            path: Of the image.
        """
        found = [dict(each) for each in self.found]
        if self.masks is not None:
            from pycocotools import mask as coco

            for each, mask in zip(found, self.masks):
                runs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
                each['mask'] = {'size': list(map(int, runs['size'])), 'counts': runs['counts'].decode()}
        height, width = self.image.shape[:2]
        return {'image': path, 'width': width, 'height': height, 'task': self.task, 'predictions': found}


class Predictor:
    """A model to call with image files.

    Args:
        cfg: Of one of the toolboxes, with `test_dataloader`.
        checkpoint: Read weights-only and loaded strictly.
        device: Default: an accelerator if there is one.
        threshold: Objects with a lower score are left out. Default: 0.3.

    Raises:
        UserError: As `get_model`.
    """

    def __init__(self, cfg: Config, checkpoint: str, device: str | None = None, threshold: float = 0.3) -> None:
        self.scope, self.threshold = cfg.default_scope, threshold
        self.model = get_model(cfg, checkpoint, device)
        self.classes = [str(name) for name in self.model.dataset_meta.get('classes') or ()]
        self.pipeline = TestPipeline(cfg)

    @torch.no_grad()
    def __call__(self, path: str) -> Prediction:
        """Run the model.

        Args:
            path: An image file.

        Raises:
            fec_mm.visualization.inputs.UnreadableImage: It is none.
        """
        with DefaultScope.overwrite_default_scope(self.scope):
            packed = self.pipeline.load(path)
            batch = {key: [packed[key]] for key in ('inputs', 'data_samples')}
            sample = self.model.test_step(batch)[0].cpu()
        result = Prediction(TOOLBOXES[self.scope].task, read_picture(path))
        if 'pred_instances' in sample:
            self._objects(result, sample.pred_instances)
        elif 'pred_panoptic_seg' in sample:
            self._segments(result, sample.pred_panoptic_seg.sem_seg[0].numpy())
        elif 'pred_sem_seg' in sample:
            self._pixels(result, sample.pred_sem_seg.data[0].numpy())
        else:
            scores, ids = sample.pred_score.topk(min(MOST, sample.pred_score.numel()))
            result.found = [{**self._class(i), 'score': s} for i, s in zip(ids.tolist(), scores.tolist())]
        return result

    def _objects(self, result: Prediction, instances: Any) -> None:
        kept = instances[instances.scores >= self.threshold]
        kept = kept[kept.scores.argsort(descending=True)]
        result.found = [
            {**self._class(i), 'score': score, 'box': [round(side, 2) for side in box]}
            for i, score, box in zip(kept.labels.tolist(), kept.scores.tolist(), kept.bboxes.tolist())
        ]
        if 'masks' in kept:
            result.masks = np.asarray(kept.masks, dtype=bool)

    def _segments(self, result: Prediction, segments: np.ndarray) -> None:
        from mmdet.evaluation import INSTANCE_OFFSET  # a segment's number is its class and so many times its instance

        ids, counts = np.unique(segments, return_counts=True)
        known = ids % INSTANCE_OFFSET < len(self.classes)  # others are void
        ids, counts = ids[known], counts[known]
        order = np.argsort(-counts, kind='stable')
        result.masks = segments == ids[order][:, None, None]
        result.found = [
            {**self._class(int(ids[i] % INSTANCE_OFFSET)), 'share': float(counts[i] / segments.size)} for i in order
        ]

    def _pixels(self, result: Prediction, labels: np.ndarray) -> None:
        ids, counts = np.unique(labels, return_counts=True)
        order = np.argsort(-counts, kind='stable')
        result.labels = labels
        result.found = [{**self._class(int(ids[i])), 'share': float(counts[i] / labels.size)} for i in order]

    def _class(self, label: int) -> dict[str, Any]:
        return {'id': label, 'label': self.classes[label] if label < len(self.classes) else str(label)}


def read_picture(path: str) -> np.ndarray:
    """An image file as people see it, H×W×3, RGB, uint8; three bands of one with more."""
    import mmcv

    with three_band_pictures():
        image = mmcv.imfrombytes(Path(path).read_bytes())
    return np.ascontiguousarray(image[..., ::-1])
