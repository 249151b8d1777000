"""A residual MLP: noised vectors (B, C, H, W) and DDPM steps (B,) to `.sample`, the predicted noise (B, C, H, W)."""

import math

import torch
from torch import nn

from genmem.empirics.networks.prediction import Prediction
from genmem.empirics.processes.diffusion import STEPS


def build(config, shape: tuple[int, ...]) -> "ResidualMLP":
    """The config's MLP for data of this shape."""
    return ResidualMLP(math.prod(shape), config.width, config.blocks)


class ResidualMLP(nn.Module):
    """Residual blocks of constant width, each told the diffusion step, for low-dimensional data.

    Bonnaire et al. (arXiv:2505.17638) use three blocks of width 128 for the Gaussian mixture; the step enters as a
    sinusoidal embedding.
    """

    def __init__(self, d: int, width: int, blocks: int):
        super().__init__()
        self.width = width
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU())
        self.enter = nn.Linear(d, width)
        self.blocks = nn.ModuleList(
            nn.ModuleDict({part: nn.Linear(width, width) for part in ("time", "first", "second")})
            for _ in range(blocks)
        )
        self.leave = nn.Linear(width, d)

    def forward(self, x, k):
        time = self.time(_sinusoids(k, self.width))
        hidden = self.enter(x.flatten(1))
        for block in self.blocks:
            inner = block["first"](nn.functional.silu(hidden)) + block["time"](time)
            hidden = hidden + block["second"](nn.functional.silu(inner))
        return Prediction(self.leave(nn.functional.silu(hidden)).view_as(x))


def _sinusoids(k, width: int):
    """Cosines and sines (B, width) of the diffusion steps, with periods from 2 pi to 2 pi * 1000 steps."""
    half = width // 2
    frequencies = STEPS ** (-torch.arange(half, device=k.device) / half)
    angles = k[:, None] * frequencies
    return nn.functional.pad(torch.cat([angles.cos(), angles.sin()], dim=1), (0, width - 2 * half))
