"""Masked diffusion on strings of two symbols: a process, a data set and a network, as anybody would add them.

Noise at time t replaces each symbol by a mask with probability t; the network guesses the symbols behind the masks. The
strings repeat one of two patterns, so that a symbol tells its neighbours, and the law of the data is known.
"""

import numpy as np
import torch
from torch import nn

from genmem.empirics.data import datasets
from genmem.empirics.networks.table import NETWORKS, Network
from genmem.empirics.processes.process import Process
from genmem.empirics.processes.table import PROCESSES
from genmem.shared.errors import InputError

LENGTH, MASK = 6, 2


class Masked(Process):
    """q(x_t | x): each symbol of x (B, L), 0 or 1, is 2 with probability t, independently; levels are times t in (0,
    1).

    loss(x) = E_t 1/t sum over masked symbols of -log p(symbol | x_t), divided by L (arXiv:2406.07524, eq. 11).
    """

    @classmethod
    def check(cls, config):
        for t in config.loss_times:
            if not 0 < t < 1:
                raise InputError(f"loss_times must lie between 0 and 1, but {t!r} was given")

    def clean(self, array):
        return torch.from_numpy(array).long()

    def level(self, t):
        return float(t)

    def levels(self, share):
        return share.clamp(min=0.01)

    def draw_levels(self, count, random):
        return self.levels(torch.rand(count, generator=random, device=random.device))

    def draw_noise(self, shape, random):
        return torch.rand(shape, generator=random, device=random.device)

    def noise(self, clean, levels, draw):
        return torch.where(draw < levels[:, None], MASK, clean)

    def errors(self, network, clean, levels, draw):
        noised = self.noise(clean, levels, draw)
        guesses = network(noised, levels).float().log_softmax(-1).gather(2, clean[:, :, None])[:, :, 0]
        return -(guesses * (noised == MASK)).sum(1) / levels / clean.shape[1]

    def draw_start(self, count, shape, steps, random):
        """Two uniform numbers for each symbol: when it appears, and which it is."""
        return torch.rand((count, 2, *shape), generator=random, device=random.device)

    def sample(self, network, start, steps):
        appears, which = start.unbind(1)
        strings = torch.full(appears.shape, MASK, device=start.device)
        for step in range(steps):
            t = torch.full((len(start),), 1 - step / steps, device=start.device)
            ones = network(strings, t).float().softmax(-1)[:, :, 1]
            now = (strings == MASK) & (appears < (step + 1) / steps)
            strings = torch.where(now, (which < ones).long(), strings)
        return strings

    def distances(self, samples, training, groups=None):
        """Hamming."""
        apart = (samples[:, None] != training[None]).sum(2).float()
        near, index = apart.topk(2, largest=False)
        return near[:, 0], near[:, 1], index[:, 0]

    def packed(self, samples):
        return samples.to(torch.uint8)


class Guesser(nn.Module):
    """Logits (B, L, 2) of each symbol from all others."""

    def __init__(self, length, width):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3 * length, width), nn.SiLU(), nn.Linear(width, 2 * length))

    def forward(self, x, t):
        return self.layers(nn.functional.one_hot(x, 3).float().flatten(1)).view(*x.shape, 2)


def strings() -> datasets.Dataset:
    """010101 or 000111, the first symbol of either flipped with probability one half."""
    random = np.random.default_rng(0)
    kinds = random.integers(2, size=400)
    data = np.array([[0, 1, 0, 1, 0, 1], [0, 0, 0, 1, 1, 1]])[kinds]
    data[:, 0] = random.integers(2, size=400)
    return datasets.Dataset(
        "strings", data[:300], kinds[:300], data[300:], kinds[300:], bound=None, processes=("masked",), symbols=2
    )


def register(monkeypatch) -> None:
    """One line in each of the three tables."""
    monkeypatch.setitem(PROCESSES, "masked", Masked)
    guesser = Network(lambda config, shape: Guesser(shape[0], config.width), process="masked")
    monkeypatch.setitem(NETWORKS, "guesser", guesser)
    monkeypatch.setitem(datasets.NAMED, "strings", strings)
