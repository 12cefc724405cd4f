"""transformers 5 beside mmpretrain 1.2."""

from __future__ import annotations

from .importing import before_import


def await_multimodal() -> None:
    """Have mmpretrain leave its multimodal models out where transformers has not what they are made of.

    transformers 5 has moved functions that mmpretrain/models/multimodal/blip/language_model.py imports; what that falls
    back to cannot be subclassed, so that `import mmpretrain.models` fails, for backbones that need no transformers,
    and mmdet's import with it.
    """
    before_import('mmpretrain.models', _leave_out)


def _leave_out() -> None:
    from mmpretrain.utils import dependency

    if not dependency.WITH_MULTIMODAL:
        return
    try:
        from transformers.modeling_utils import (  # noqa: F401
            PreTrainedModel,
            apply_chunking_to_forward,
            find_pruneable_heads_and_indices,
            prune_linear_layer,
        )
    except ImportError:
        dependency.WITH_MULTIMODAL = False
