"""A bidirectional Transformer: evidence (B, length, symbols), levels (B,) to logits of the same shape.

Torch's own encoder layers, LayerNorm before each part, GELU, four times the width inside; places are learned. What is
masked is known from the evidence, so that the network is not told the time (Ou et al., arXiv:2406.03736).
"""

import math

import torch
from torch import nn


def build(config, shape: tuple[int, int]):
    """The config's network for strings of this shape (length, symbols)."""
    return Transformer(*shape, config.width, config.blocks, config.dropout)


class Transformer(nn.Module):
    """length, symbols: of the strings; width: a multiple of 4; layers: how many. Heads of 64 channels, or four."""

    def __init__(self, length: int, symbols: int, width: int, layers: int, dropout: float = 0.0):
        super().__init__()
        self.mean, self.spread = 1 / symbols, math.sqrt(1 / symbols * (1 - 1 / symbols))
        self.enter = nn.Linear(symbols, width)
        self.places = nn.Parameter(0.02 * torch.randn(length, width))
        # Each made by itself: torch's TransformerEncoder would copy the weights of one.
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width,
                max(4, width // 64),
                4 * width,
                dropout,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, symbols)

    def forward(self, evidence, levels):
        x = self.enter((evidence - self.mean) / self.spread) + self.places
        for layer in self.layers:
            x = layer(x)
        return self.leave(self.norm(x))
