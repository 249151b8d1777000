"""Strings of two symbols for the tests, and a network of them, as anybody would add them: one line in each table.

The strings repeat one of two patterns, so that a symbol tells its neighbours, and the law of the data is known.
"""

import numpy as np
from torch import nn

from genmem.empirics.data import datasets
from genmem.empirics.networks.table import NETWORKS, Network

PROCESSES = ("masked", "uniform")


class Guesser(nn.Module):
    """Logits (B, L, 2) of each symbol from all others."""

    def __init__(self, length, width):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * length, width), nn.SiLU(), nn.Linear(width, 2 * length))

    def forward(self, evidence, levels):
        return self.layers(evidence.flatten(1)).view(evidence.shape)


def strings() -> datasets.Dataset:
    """010101 or 000111, the first symbol of either flipped with probability one half."""
    random = np.random.default_rng(0)
    kinds = random.integers(2, size=400)
    data = np.array([[0, 1, 0, 1, 0, 1], [0, 0, 0, 1, 1, 1]])[kinds]
    data[:, 0] = random.integers(2, size=400)
    parts = data[:300], kinds[:300], data[300:], kinds[300:]
    return datasets.Dataset("strings", *parts, bound=None, processes=PROCESSES, symbols=2)


def register(monkeypatch) -> None:
    guesser = Network(lambda config, shape: Guesser(shape[0], config.width), processes=PROCESSES)
    monkeypatch.setitem(NETWORKS, "guesser", guesser)
    monkeypatch.setitem(datasets.NAMED, "strings", strings)
