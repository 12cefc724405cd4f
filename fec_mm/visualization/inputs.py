"""From an image file to the input of a backbone, by the test pipeline of a config of any of the toolboxes.

Shapes: a batch is 1×3×H×W, normalised and padded; a picture H'×W'×3 (RGB, uint8) is its upper left part, before that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from fec_mm.datasets.named_samples import about_an_image
from fec_mm.errors import UserError, shown


class UnreadableImage(UserError):
    """One image among many, which can be skipped."""


class TestPipeline:
    """Loads images as the config's test loader does, without annotations.

    Args:
        cfg: With `test_dataloader` and `default_scope`, whose toolbox is imported.

    Raises:
        UserError: The pipeline is not to be found.
    """

    __test__ = False  # not a test, whatever pytest takes its name for

    def __init__(self, cfg: Config) -> None:
        init_default_scope(cfg.default_scope)
        dataset = cfg.test_dataloader.dataset
        while 'pipeline' not in dataset and 'dataset' in dataset:
            dataset = dataset.dataset
        if 'pipeline' not in dataset:
            raise UserError(f'{cfg.filename}: test_dataloader has no pipeline to load images with')
        # Annotations belong to the data set, not to just any image.
        self.transform = Compose([step for step in dataset.pipeline if 'Annotations' not in str(step['type'])])

    def load(self, path: str) -> dict[str, Any]:
        """One image, packed as the toolbox does: `inputs` and `data_samples`.

        Raises:
            UnreadableImage: The file is no readable image, or does not exist.
        """
        try:
            packed: dict[str, Any] = self.transform(dict(img_path=path, img_id=0))
        except FileNotFoundError as error:
            raise UnreadableImage(f'image {shown(path)} does not exist: correct the path') from error
        except Exception as error:
            line = about_an_image(error)
            if line is None:
                raise
            raise UnreadableImage(line) from error
        return packed

    def __call__(self, path: str, model: nn.Module) -> tuple[np.ndarray, Tensor]:
        """The picture and the batch of one image; `model` is one of the toolboxes', with its `data_preprocessor`.

        Raises:
            UnreadableImage: As `load`.
            UserError: The pipeline makes no picture of it.
        """
        packed = self.load(path)
        inputs = packed['inputs']
        preprocess: Any = model.data_preprocessor
        batch = preprocess(dict(inputs=[inputs], data_samples=[packed['data_samples']]), False)['inputs']
        if inputs.dtype != torch.uint8 or len(inputs) != 3:
            raise UserError(
                f'{shown(path)}: the test pipeline yields {inputs.dtype} with {len(inputs)} channels, which is no '
                'picture: normalise in data_preprocessor, and load in colour'
            )
        return inputs.numpy()[::-1].transpose(1, 2, 0).copy(), batch  # all three toolboxes load BGR
