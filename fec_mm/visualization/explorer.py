"""The explorer: one HTML file, which needs nothing else, in which one looks at clusters with a pointer.

The page gets what the layers assigned (uint8 or uint16, base64) and composes it itself: some bytes per position of a
map rather than per pixel and level. Its parts are in `explorer_page/`.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import cv2
import numpy as np
import torch

from fec_mm.clusters.hierarchy import STEM_STRIDE
from fec_mm.errors import shown

from .look import Look

MAX_GROUPS = 12
TOP_CLASSES = 5
SURE = 65_535  # a membership of 1


def explorer_page(looks: Sequence[Look], title: str, classes: Sequence[str] | None = None) -> str:
    """The page for some images.

    Args:
        looks: One per image.
        title: Of the page: which model.
        classes: Names of the classes, for a classifier.
    """
    scripts = ('maps.js', 'view.js', 'chain.js', 'controls.js', 'sharing.js')
    # In JSON, `<` occurs in strings alone: escaped there, no name can end the script element.
    data = json.dumps([explorer_entry(look, classes) for look in looks], separators=(',', ':')).replace('<', '\\u003c')
    filling = {name.split('.')[0]: _part(name) for name in ('style.css', *scripts)}
    return _filled(_part('page.html'), dict(filling, title=html.escape(shown(title)), data=data))


def explorers_beside(pages: Sequence[str], title: str) -> str:
    """One page with those of several models side by side: image, view and pointer of one are those of all.

    Args:
        pages: Of `explorer_page`, of the same images in the same order.
        title: Of the page.
    """
    frames = [f'<iframe srcdoc="{html.escape(page)}"></iframe>' for page in pages]
    return _filled(_part('beside.html'), dict(title=html.escape(shown(title)), frames='\n'.join(frames)))


def _part(name: str) -> str:
    return files(__package__).joinpath('explorer_page', name).read_text(encoding='utf-8')


def _filled(page: str, filling: dict[str, str]) -> str:
    return re.sub(r'\{\{(\w+)\}\}', lambda match: filling[match[1]], page)


def explorer_entry(look: Look, classes: Sequence[str] | None = None) -> dict[str, Any]:
    """What the page gets of one image, as JSON."""
    height, width = look.image.shape[:2]
    levels, pools, encodes = look.levels(), look.record.pools, look.record.encodes
    ok, png = cv2.imencode('.png', look.image[..., ::-1])
    assert ok
    return dict(
        name=shown(look.name),
        width=width,
        height=height,
        png=base64.b64encode(png.tobytes()).decode(),
        stem=list(look.record.stem_size),
        stride=1 if look.record.stem_size == look.record.image_size else STEM_STRIDE,
        pools=[_pack(ids[0, 0].cpu().numpy()) for ids in pools],
        last=list(look.features.shape[2:]),
        layers=[_layer(look, name) for name in encodes],
        groups=_groups(look) if levels else [],
        classifier=_classifier(look, classes),
    )


def _layer(look: Look, name: str) -> dict[str, Any]:
    """An encode layer's assignments and, of soft ones, how large their memberships are, from 0 to `SURE`."""
    packed = dict(name=_layer_name(name), **_pack(look.record.encodes[name][0].cpu().numpy()))
    if name in look.record.confidences:
        shares = look.record.confidences[name][0].float().cpu().numpy()
        packed['confidence'] = _pack((SURE * shares).round().astype(np.int64))
    return packed


def _groups(look: Look) -> list[dict[str, Any]]:
    """Of every number of groups from 2 on, the group of each position of the last map."""
    labels = look.levels()[-1]
    packed = []
    for count in range(2, min(MAX_GROUPS, len(labels.unique())) + 1):
        group = torch.zeros(look.features[0, 0].numel(), dtype=torch.long, device=labels.device)
        group[labels.flatten()] = look.groups(count).flatten()
        packed.append(_pack(group.cpu().numpy()))
    return packed


def _classifier(look: Look, classes: Sequence[str] | None) -> dict[str, Any] | None:
    if look.shares is None or look.logits is None:
        return None
    top = look.logits.topk(min(TOP_CLASSES, len(look.logits))).indices
    shares = look.shares[top].flatten(1).float().cpu().numpy()
    return dict(
        names=[str(classes[k]) if classes else f'class {k}' for k in top.tolist()],
        logits=look.logits[top].tolist(),
        probabilities=look.logits.softmax(0)[top].tolist(),
        shares=[base64.b64encode(row.astype('<f4').tobytes()).decode() for row in shares],
    )


def _pack(ids: np.ndarray) -> dict[str, Any]:
    """Non-negative integers in as few bytes as hold them."""
    kind = next(kind for kind in ('u1', 'u2', 'u4') if ids.max() <= np.iinfo(kind).max)
    return dict(shape=list(ids.shape), kind=kind, data=base64.b64encode(ids.astype(f'<{kind}').tobytes()).decode())


def _layer_name(name: str) -> str:
    """`stages.2.0.mixer` as a reader counts: stage 3, block 1."""
    match = re.search(r'stages\.(\d+)\.(\d+)\.mixer\.?(.*)', name)
    if match is None:
        return name
    return f'stage {int(match[1]) + 1}, block {int(match[2]) + 1}' + (f', {match[3]}' if match[3] else '')
