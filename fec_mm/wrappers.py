"""Models inside of what mmengine wraps around them."""

from __future__ import annotations

from typing import Any

from mmengine.model import BaseTTAModel, is_model_wrapper


def unwrap(model: Any) -> Any:
    """The model inside of data parallel, averaging and test-time-augmentation wrappers, however many there are."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model
