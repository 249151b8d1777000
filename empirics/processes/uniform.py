"""Uniform diffusion of strings (D3PM; Austin et al., arXiv:2107.03006): a symbol that loses its value gets any other.

    q(x_k | x_{k-1}): each symbol is drawn anew, uniformly, with probability
                        beta_k = 0.001 + 0.099 k/200,  k = 1 ... 200
    errors = 200 KL( q(x_{k-1} | x_k, x) | p(x_{k-1} | x_k) ) per symbol, mean over k: the variational bound

with p(x_{k-1} | x_k) the mean of q(x_{k-1} | x_k, x) over the network's guesses at x. Schedule and loss are those of
Favero et al. (arXiv:2505.16959) in their released code; the factor 200, which changes nothing that is learned, makes
losses comparable with those of other processes. x_200 keeps 4e-5 of x, and its distance from uniform is left out.
"""

import functools

import numpy as np

from genmem.empirics.processes.discrete import TINY, Discrete, drawn
from genmem.shared.errors import InputError

STEPS = 200


@functools.cache
def kept() -> np.ndarray:
    """alphabar (201,): the probability with which a symbol was not drawn anew up to step k."""
    return np.cumprod(1 - np.concatenate([[0.0], 0.001 + 0.099 * np.arange(1, STEPS + 1) / STEPS]))


class Uniform(Discrete):
    """Levels are steps k = 1 ... 200; the step of a time t is the one with 1 - alphabar nearest to it."""

    name = "uniform"

    @classmethod
    def check(cls, config) -> None:
        super().check(config)
        if config.sampling_steps > STEPS:
            raise InputError(
                f"sampling_steps must be at most {STEPS} for the process uniform, but {config.sampling_steps!r} was "
                "given"
            )

    def level(self, t: float) -> int:
        if not 0 < t < 1:
            raise InputError(f"t must lie between 0 and 1 for the process uniform, but {t!r} was given")
        return 1 + int(np.abs(1 - kept()[1:] - t).argmin())

    def levels(self, share):
        return 1 + (share * STEPS).long().clamp(max=STEPS - 1)

    def draw_levels(self, count: int, random):
        import torch

        return torch.randint(1, STEPS + 1, (count,), generator=random, device=random.device)

    def draw_noise(self, shape: tuple[int, ...], random):
        """Two uniform numbers for each symbol: whether it is drawn anew, and which it is then."""
        import torch

        return torch.rand((shape[0], 2, *shape[1:]), generator=random, device=random.device)

    def noise(self, clean, levels, draw):
        import torch

        anew, which = draw.unbind(1)
        return torch.where(anew < self._kept(levels)[:, None], clean, self._any(which))

    def evidence(self, noised, levels):
        return self._likelihood(noised, self._kept(levels)[:, None])

    def errors(self, network, clean, levels, draw):
        import torch

        noised = self.noise(clean, levels, draw)
        truth = torch.nn.functional.one_hot(clean, self.symbols).float()
        exact = self.before(noised, truth, levels, levels - 1)
        guessed = self.before(noised, self.predicted(network, noised, levels), levels, levels - 1)
        apart = torch.xlogy(exact, exact) - exact * guessed.clamp(min=TINY).log()
        return STEPS * apart.sum((1, 2)) / clean.shape[1]

    def before(self, noised, guess, levels, earlier):
        """P(x_earlier | x_level = noised), shape (B, length, symbols), the mean over a guess (B, length, symbols) at x.

        By Bayes, q(x_earlier = b | x_level = j, x = a) = q(j | b) q(b | a) / q(j | a).
        """
        late, early = self._kept(levels)[:, None, None], self._kept(earlier)[:, None, None]
        weights = guess / self._likelihood(noised, late[..., 0])
        forward = early * weights + (1 - early) / self.symbols * weights.sum(-1, keepdim=True)
        return forward * self._likelihood(noised, (late / early)[..., 0])

    def draw_start(self, count: int, shape: tuple[int, ...], steps: int, random):
        """A uniform number for each symbol at each step, the first for the noise at the start."""
        import torch

        return torch.rand((count, steps + 1, *shape), generator=random, device=random.device)

    def sample(self, network, start, steps: int):
        """Ancestral, on an even grid of steps."""
        import torch

        strings = self._any(start[:, 0])
        grid = np.rint(np.linspace(STEPS, 0, steps + 1)).astype(int).tolist()
        for late, early, which in zip(grid[:-1], grid[1:], start[:, 1:].unbind(1), strict=True):
            levels, earlier = (torch.full((len(strings),), level, device=start.device) for level in (late, early))
            guess = self.predicted(network, strings, levels)
            strings = drawn(self.before(strings, guess, levels, earlier), which)
        return strings

    def _kept(self, levels):
        import torch

        return torch.from_numpy(kept()).float().to(levels.device)[levels]

    def _likelihood(self, noised, kept):
        """q(noised | symbol), shape (B, length, symbols), of symbols kept with the probability (B, 1)."""
        import torch

        same = torch.nn.functional.one_hot(noised, self.symbols).float()
        return kept[..., None] * same + (1 - kept[..., None]) / self.symbols

    def _any(self, which):
        return (which * self.symbols).long().clamp(max=self.symbols - 1)
