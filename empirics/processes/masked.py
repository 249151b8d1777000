"""Masked diffusion of strings: at time t each symbol is hidden with probability t, and the network guesses it.

    q(x_t | x): each symbol is the mask with probability t,    errors = 1/(t length) sum over masks of -log p(x_i | x_t)

whose mean over t in (0, 1) is the continuous-time bound on -log p(x), divided by the length (Shi et al., MD4,
arXiv:2406.04329, and Sahoo et al., arXiv:2406.07524, eq. 11, with alpha = 1 - t). With the exact posteriors the bound
is -log p(x) itself.
"""

import math

from genmem.empirics.processes.discrete import TINY, Discrete, drawn
from genmem.shared.errors import InputError

# Levels below it have no masks to learn from, and weights without bound.
LEAST = 1e-3
_LOWEST = math.log(TINY)


class Masked(Discrete):
    """Levels are times t; the mask is the integer `symbols`."""

    name = "masked"

    def level(self, t: float) -> float:
        if not 0 < t < 1:
            raise InputError(f"t must lie between 0 and 1 for the process masked, but {t!r} was given")
        return float(t)

    def levels(self, share):
        return LEAST + (1 - LEAST) * share

    def draw_levels(self, count: int, random):
        """Stratified, as MD4 has it: less noise in the gradient."""
        import torch

        order = torch.randperm(count, generator=random, device=random.device)
        return self.levels((order + torch.rand(count, generator=random, device=random.device)) / count)

    def draw_noise(self, shape: tuple[int, ...], random):
        import torch

        return torch.rand(shape, generator=random, device=random.device)

    def noise(self, clean, levels, draw):
        import torch

        return torch.where(draw < levels[:, None], self.symbols, clean)

    def evidence(self, noised, levels):
        import torch

        ones = torch.nn.functional.one_hot(noised.clamp(max=self.symbols - 1), self.symbols).float()
        return torch.where((noised == self.symbols)[..., None], 1 / self.symbols, ones)

    def errors(self, network, clean, levels, draw):
        noised = self.noise(clean, levels, draw)
        logits = network(self.evidence(noised, levels), levels).float()
        guesses = logits.log_softmax(-1).gather(2, clean[:, :, None])[:, :, 0].clamp(min=_LOWEST)
        return -(guesses * (noised == self.symbols)).sum(1) / (levels * clean.shape[1])

    def draw_start(self, count: int, shape: tuple[int, ...], steps: int, random):
        """Two uniform numbers for each symbol: when it appears, and which it is."""
        import torch

        return torch.rand((count, 2, *shape), generator=random, device=random.device)

    def sample(self, network, start, steps: int):
        """Ancestral, on an even grid of times: the symbols that appear in one step are drawn independently.

        The network is called for the strings alone in which a symbol appears.
        """
        import torch

        appears, which = start.unbind(1)
        strings = torch.full(appears.shape, self.symbols, device=start.device)
        for step in range(steps):
            now = (strings == self.symbols) & (appears < (step + 1) / steps)
            rows = now.any(1).nonzero()[:, 0]
            if not len(rows):
                continue
            t = torch.full((len(rows),), 1 - step / steps, device=start.device)
            symbols = drawn(self.predicted(network, strings[rows], t), which[rows])
            strings[rows] = torch.where(now[rows], symbols, strings[rows])
        return strings
