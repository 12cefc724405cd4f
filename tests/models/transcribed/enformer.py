"""EnFormer, step by step.

Shapes: B images, H×W positions, C channels, e heads of D channels, M centers; maps are B×C×H×W.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

SMALL = {3: [(1, 1)], 5: [(3, 1), (3, 2)], 7: [(5, 1), (3, 2), (3, 3)]}


class EnFormer:
    """The outputs of a released state dict.

    Args:
        state: Released names and weights.
        heads: Of each stage.
        agents: Of each stage, 0: none.
        training: Whether batch norms take the batch's statistics, and the choice is by Gumbel noise.
    """

    def __init__(
        self, state: Mapping[str, Tensor], heads: list[int], agents: list[int], training: bool = False
    ) -> None:
        self.state, self.heads, self.agents, self.training = state, heads, agents, training

    def __call__(self, images: Tensor) -> list[Tensor]:
        w, (B, _, H, W) = self.state, images.shape
        row = (torch.arange(H, dtype=torch.float32) - 0.5) / (H - 1)
        col = (torch.arange(W, dtype=torch.float32) - 0.5) / (W - 1)
        points = torch.stack([row[:, None].expand(H, W), col.expand(H, W)]).to(images.dtype)
        x = torch.cat([images, points.expand(B, -1, -1, -1)], 1)
        x = F.silu(self.norm('stem.norm1', self.strided('stem.aggregate1', x)))
        x = self.norm('stem.norm2', self.strided('stem.aggregate2', x))
        outputs, stages = [], 1 + max(int(key.split('.')[1]) for key in w if key.startswith('stages.'))
        for i in range(stages):
            blocks = 1 + max(int(key.split('.')[3]) for key in w if key.startswith(f'stages.{i}.blocks.'))
            for k in range(blocks):
                name = f'stages.{i}.blocks.{k}.'
                x = x + self.cluster(name + 'cluster.', self.norm(name + 'norm1', x), self.heads[i], self.agents[i])
                x = x + self.ffn(name + 'ffn.ffn_layers.', self.norm(name + 'norm2', x))
            if f'post_norm{i}.weight' in w:
                outputs.append(self.norm(f'post_norm{i}', x))
            if i + 1 < stages:
                x = self.norm(f'stages.{i}.down.norm', self.strided(f'stages.{i}.down.aggregate', x))
        if 'classifier_pre_norm.weight' in w:
            mean = x.mean((2, 3))
            outputs.append(F.layer_norm(mean, mean.shape[1:], *self.both('classifier_pre_norm'), 1e-6))
        return outputs

    def both(self, name: str) -> tuple[Tensor, Tensor]:
        return self.state[f'{name}.weight'], self.state[f'{name}.bias']

    def strided(self, name: str, x: Tensor) -> Tensor:
        return F.conv2d(x, *self.both(name), stride=2, padding=1)

    def norm(self, name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2], *self.both(name), 1e-6).permute(0, 3, 1, 2)

    def linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x.permute(0, 2, 3, 1), *self.both(name)).permute(0, 3, 1, 2)

    def batch_norm(self, name: str, x: Tensor) -> Tensor:
        mean, var = self.state[f'{name}.running_mean'], self.state[f'{name}.running_var']
        if self.training:
            return F.batch_norm(x, None, None, *self.both(name), training=True)
        return F.batch_norm(x, mean, var, *self.both(name))

    def ffn(self, name: str, x: Tensor) -> Tensor:
        kernel = self.state[name + '0.conv.weight']
        y = self.batch_norm(name + '0.bn', self.depthwise(x, kernel, 1))
        for j, (_, dilation) in enumerate(SMALL[kernel.shape[-1]]):
            z = self.depthwise(x, self.state[f'{name}0.conv_{j}.weight'], dilation)
            y = y + self.batch_norm(f'{name}0.bn_{j}', z)
        x = F.silu(self.linear(name + '1.linear.1', self.batch_norm(name + '0.norm', y)))
        return self.linear(name + '3.linear.0', x) * self.state[name + '3.gamma'][:, None, None]

    def depthwise(self, x: Tensor, weight: Tensor, dilation: int) -> Tensor:
        padding = (weight.shape[-1] - 1) * dilation // 2
        return F.conv2d(x, weight, padding=padding, dilation=dilation, groups=x.shape[1])

    def cluster(self, name: str, x: Tensor, heads: int, agents: int) -> Tensor:
        w, (B, _, H, W) = self.state, x.shape
        maps = self.linear(name + 'proj.linear.1', x).chunk(5, 1)
        p, k1, v1, k2, v2 = (t.reshape(B * heads, -1, H, W) for t in maps)
        sides = [round(len(w[f'{name}cluster_module_{i}.sim_alpha']) ** 0.5) for i in range(2)]
        c1, m1, c2, m2 = (
            F.adaptive_avg_pool2d(t, side).flatten(2).transpose(1, 2)
            for t, side in ((k1, sides[0]), (v1, sides[0]), (k2, sides[1]), (v2, sides[1]))
        )
        if agents:
            p, k1, v1, k2, v2 = (F.adaptive_avg_pool2d(t, agents) for t in (p, k1, v1, k2, v2))
        h, width = p.shape[2:]
        p, k1, v1, k2, v2 = (t.flatten(2).transpose(1, 2) for t in (p, k1, v1, k2, v2))
        member = self.score(name + 'cluster_module_0', c1, k1).softmax(1)
        rep1 = (m1 + member @ v1) / (member.sum(2, keepdim=True) + 1e-7)
        score = self.score(name + 'cluster_module_1', c2, k2)
        mask = self.choice(score)
        rep2 = (m2 + (score.sigmoid() * mask) @ v2) / (1 + mask.sum(2, keepdim=True))
        rep = torch.cat([rep1, rep2], 1)
        y = self.score(name.rstrip('.'), rep, p).softmax(1).transpose(1, 2) @ rep
        y = y.transpose(1, 2).reshape(B, -1, h, width)
        if agents:
            y = F.interpolate(y, (H, W), mode='bilinear', align_corners=False)
        return self.linear(name + 'proj2.linear.1', y) * w[name + 'proj2.gamma'][:, None, None]

    def score(self, name: str, centers: Tensor, keys: Tensor) -> Tensor:
        cosine = F.normalize(centers, dim=-1) @ F.normalize(keys, dim=-1).transpose(1, 2)
        return self.state[f'{name}.sim_alpha'][:, None] * cosine + self.state[f'{name}.sim_beta'][:, None]

    def choice(self, score: Tensor) -> Tensor:
        if self.training:
            return F.gumbel_softmax(score, dim=1, hard=True)
        soft = score.softmax(1)
        return torch.zeros_like(score).scatter_(1, score.argmax(1, keepdim=True), 1) - soft.detach() + soft
