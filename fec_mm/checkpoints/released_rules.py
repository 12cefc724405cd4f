"""The released names of every tensor of a backbone.

1×1 convolutions there are linear layers here, and the norm of a classifier's only output has no number there.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from torch import nn

# Our names and the released ones. The first rule that fits counts.
Rules = list[tuple[str, str | Callable[[re.Match[str]], str]]]


def _block(prefix: str) -> Callable[[str], Callable[[re.Match[str]], str]]:
    """Names of a block's parts: 'network.0.1.' or, where blocks are in a list of their own, 'network.0.blocks.1.'."""

    def of(part: str) -> Callable[[re.Match[str]], str]:
        return lambda m: f'network.{2 * int(m[1])}.{prefix}{m[2]}.' + m.expand(part)

    return of


def _halving(part: str) -> Callable[[re.Match[str]], str]:
    return lambda m: f'network.{2 * int(m[1]) + 1}.' + m.expand(part)


NORMS: Rules = [(r'norm(\d)\.', lambda m: f'norm{2 * int(m[1])}.')]
OWN = r'stages\.(\d)\.(\d+)\.'
_of, _in = _block(''), _block('blocks.')
FEC_RULES: Rules = [
    (r'stem\.proj\.', 'patch_embed.proj.'),
    (OWN + r'mixer\.(alpha|beta)', _of(r'token_mixer.sim_\3')),
    (OWN + r'mixer\.', _of('token_mixer.')),
    (OWN + r'layer_scale', _of('layer_scale_')),
    (OWN, _of('')),
    (r'downsamples\.(\d)\.norm\.', _halving('norm2.')),
    (r'downsamples\.(\d)\.(f|v|skip)\.', _halving(r'conv_\2.')),
    (r'downsamples\.(\d)\.', _halving('proj.')),
    *NORMS,
]
CLUENET_RULES: Rules = [
    (r'stem\.(proj|norm)\.', r'patch_embed.\1.'),
    (r'stem\.position\.', 'pos_embed.proj.0.'),
    (OWN + r'mixer\.(alpha|beta)', _in(r'token_mixer.sim_\3')),
    (OWN + r'mixer\.log_temperature', _in('token_mixer.attn_alpha')),
    (OWN + r'mixer\.gate\.(weight|bias)(\d)', _in(r'token_mixer.gate.fc\4.\3')),
    (OWN + r'mixer\.', _in('token_mixer.')),
    (OWN + r'mlp\.conv\.', _in('mlp.dwconv.dwconv.')),
    (OWN, _in('')),
    (r'downsamples\.(\d)\.(f|skip)\.', _halving(r'conv_\2.')),
    (r'downsamples\.(\d)\.v1\.', _halving('conv_v.0.')),
    (r'downsamples\.(\d)\.v2\.', _halving('conv_v.2.')),
    (r'downsamples\.(\d)\.', _halving('')),
    *NORMS,
]
BLOCK = r'stages.\1.blocks.\2.'
ENFORMER_RULES: Rules = [
    (r'stem\.proj\.', 'stem.aggregate1.'),
    (r'stem\.proj2\.', 'stem.aggregate2.'),
    (r'stem\.', 'stem.'),
    (OWN + r'mixer\.fuzzy\.', BLOCK + 'cluster.cluster_module_0.sim_'),
    (OWN + r'mixer\.hard\.', BLOCK + 'cluster.cluster_module_1.sim_'),
    (OWN + r'mixer\.consensus\.', BLOCK + 'cluster.sim_'),
    (OWN + r'mixer\.proj_in\.', BLOCK + 'cluster.proj.linear.1.'),
    (OWN + r'mixer\.proj\.', BLOCK + 'cluster.proj2.linear.1.'),
    (OWN + r'layer_scale1', BLOCK + 'cluster.proj2.gamma'),
    (OWN + r'layer_scale2', BLOCK + 'ffn.ffn_layers.3.gamma'),
    (OWN + r'mlp\.depthwise\.(conv|bn)s\.(\d)\.', BLOCK + r'ffn.ffn_layers.0.\3_\4.'),
    (OWN + r'mlp\.depthwise\.', BLOCK + 'ffn.ffn_layers.0.'),
    (OWN + r'mlp\.fc1\.', BLOCK + 'ffn.ffn_layers.1.linear.1.'),
    (OWN + r'mlp\.fc2\.', BLOCK + 'ffn.ffn_layers.3.linear.0.'),
    (OWN, BLOCK),
    (r'downsamples\.(\d)\.conv\.', r'stages.\1.down.aggregate.'),
    (r'downsamples\.(\d)\.', r'stages.\1.down.'),
    (r'norm(\d)\.', r'post_norm\1.'),
]
# By the name of the family.
RULES = {'FEC': FEC_RULES, 'ContextCluster': FEC_RULES, 'CLUENet': CLUENET_RULES, 'EnFormer': ENFORMER_RULES}
# What the norm of a classifier is called, by what it would be called as one of several.
ONLY_NORM = {'norm6.': 'norm.', 'post_norm3.': 'classifier_pre_norm.'}


def released_keys(backbone: nn.Module) -> dict[str, str]:
    """Our name of each tensor of a backbone, by its released name."""
    rules = RULES[type(backbone).__name__]
    keys = {}
    for name in backbone.state_dict():
        for pattern, replacement in rules:
            key, fits = re.subn(f'^{pattern}', replacement, name)
            if not fits:
                continue
            if backbone.out_indices == (3,):
                key = next((only + key[len(one) :] for one, only in ONLY_NORM.items() if key.startswith(one)), key)
            keys[key] = name
            break
    return keys
