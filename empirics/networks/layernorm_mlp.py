"""The residual MLP of Bonnaire et al. (arXiv:2505.17638) as in their released code, for the Gaussian mixture.

Noised vectors (B, C, H, W) and DDPM steps (B,) to `.sample`, the predicted noise (B, C, H, W).
"""

import math

import torch
from torch import nn

from genmem.empirics.networks.prediction import Prediction
from genmem.empirics.processes.diffusion import STEPS

# The longest period of the embedding is 2 pi over it.
_LEAST_FREQUENCY = 1e-4


def build(config, shape: tuple[int, ...]) -> "LayerNormMLP":
    """The config's MLP for data of this shape."""
    return LayerNormMLP(math.prod(shape), config.width, config.blocks)


class LayerNormMLP(nn.Module):
    """Blocks h -> LayerNorm(h + B GELU(A (h + e_k))) between two linear maps; e_k is the embedding of step k.

    Three blocks of width 128 are published; the embedding has frequencies 1e-4^(2j/width), j = 0 ... width/2 - 1, each
    with its cosine and sine side by side.
    """

    def __init__(self, d: int, width: int, blocks: int):
        super().__init__()
        self.enter, self.leave = nn.Linear(d, width), nn.Linear(width, d)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {"first": nn.Linear(width, width), "second": nn.Linear(width, width), "norm": nn.LayerNorm(width)}
            )
            for _ in range(blocks)
        )
        frequencies = _LEAST_FREQUENCY ** (2 * (torch.arange(width, dtype=torch.float64) // 2) / width)
        angles = torch.arange(STEPS)[:, None] * frequencies
        embedding = torch.where(torch.arange(width) % 2 == 0, angles.cos(), angles.sin()).float()
        # Part of the schedule, not of the network.
        self.register_buffer("embedding", embedding, persistent=False)

    def forward(self, x, k):
        hidden, time = self.enter(x.flatten(1)), self.embedding[k]
        for block in self.blocks:
            inner = nn.functional.gelu(block["first"](hidden + time))
            hidden = block["norm"](hidden + block["second"](inner))
        return Prediction(self.leave(hidden).view_as(x))
