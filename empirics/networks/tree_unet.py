"""A U-Net with the shape of a grammar's tree: evidence (B, length, symbols), levels (B,) to logits of the same shape.

As Favero et al. (arXiv:2505.16959, released code) have it, without biases: a layer from symbols to width; then `levels`
times down, each time s neighbours become one; then as many times up, on what is there and the features of that level on
the way down; and a read-out of both. Channel LayerNorm and GELU after each. Weights are drawn from N(0, 1) and
divided by the square root of their fan-in where they are used, the read-out's by the fan-in. The level of the noise
is known from the evidence.

A convolution whose stride is its kernel is a matrix on s neighbours at a time, and so it is computed.
"""

import math

import torch
from torch import nn

from genmem.shared.errors import InputError


def build(config, shape: tuple[int, int]):
    """The config's network for strings of this shape (length, symbols): s^levels symbols each."""
    length, symbols = shape
    s = round(length ** (1 / config.levels))
    if s < 2 or s**config.levels != length:
        raise InputError(
            f"levels must make the length {length} of the strings a power s^levels, but {config.levels} was given"
        )
    return TreeUNet(symbols, config.width, s, config.levels)


class Scaled(nn.Module):
    """A matrix of N(0, 1) numbers, divided by the square root of its fan-in, or by the fan-in, when it is applied."""

    def __init__(self, fan_in: int, fan_out: int, power: float = 0.5):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(fan_out, fan_in))
        self.scale = fan_in**-power

    def forward(self, x):
        return nn.functional.linear(x * self.scale, self.weight)


class TreeUNet(nn.Module):
    """See the module. symbols: of the strings; s: neighbours that become one; levels: how often."""

    def __init__(self, symbols: int, width: int, s: int, levels: int):
        super().__init__()
        self.s = s
        # The mean and spread of clean evidence.
        self.mean, self.spread = 1 / symbols, math.sqrt(1 / symbols * (1 - 1 / symbols))
        self.enter = Scaled(symbols, width)
        self.down = nn.ModuleList(Scaled(s * width, width) for _ in range(levels))
        self.up = nn.ModuleList(Scaled(width if level == 0 else 2 * width, s * width) for level in range(levels))
        self.norms = nn.ModuleList(nn.LayerNorm(width, bias=False) for _ in range(2 * levels))
        self.leave = Scaled(2 * width, symbols, power=1)

    def forward(self, evidence, levels):
        x = nn.functional.gelu(self.enter((evidence - self.mean) / self.spread))
        there = []
        for layer, norm in zip(self.down, self.norms, strict=False):
            there.append(x)
            x = nn.functional.gelu(norm(layer(x.reshape(len(x), -1, self.s * x.shape[2]))))
        for layer, norm in zip(self.up, self.norms[len(self.down) :], strict=True):
            x = nn.functional.gelu(norm(layer(x).reshape(len(x), -1, norm.normalized_shape[0])))
            x = torch.cat([x, there.pop()], dim=2)
        return self.leave(x)
