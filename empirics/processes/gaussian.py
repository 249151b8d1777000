"""Gaussian noise on numbers, by default on images (B, C, H, W): the DDPM, learned by predicting the noise.

    x_k = sqrt(alphabar(k)) x + sqrt(1 - alphabar(k)) noise,    errors = mean over pixels of |noise - network(x_k, k)|^2

Levels are DDPM steps k = 0 ... 999; the Ornstein-Uhlenbeck time of a step is t = -1/2 log alphabar(k) (diffusion.py).
Samples are DDIM's, distances Euclidean.
"""

import numpy as np

from genmem.empirics.processes.diffusion import (
    STEPS,
    ddim,
    ddim_log_density,
    denoising_errors,
    noised,
    step_of_time,
)
from genmem.empirics.processes.neighbours import nearest_two
from genmem.empirics.processes.process import Process
from genmem.shared.errors import InputError


class Gaussian(Process):
    """bound: to which samples are clipped, and 1 for pixels in [-1, 1], of which samples are recorded with 8 bits.
    lowest: the lowest step that is trained, and over which losses are averaged. grid: of DDIM (see diffusion.py).
    """

    def __init__(self, bound: float | None = None, symbols: int | None = None, lowest: int = 0, grid: str = "trailing"):
        super().__init__(bound, symbols)
        self.lowest, self.grid = lowest, grid

    @classmethod
    def of(cls, config, bound: float | None = None, symbols: int | None = None) -> "Gaussian":
        return cls(bound, symbols, config.lowest_step, config.ddim_grid)

    @classmethod
    def check(cls, config) -> None:
        for t in (*config.loss_times, *([config.train_time] if config.train_time else [])):
            step_of_time(t)
        if config.sampling_steps > STEPS:
            raise InputError(f"sampling_steps must be at most {STEPS}, but {config.sampling_steps!r} was given")
        if config.lowest_step >= STEPS:
            raise InputError(f"lowest_step must be below {STEPS}, but {config.lowest_step!r} was given")
        if config.ddim_grid == "linear" and config.sampling_steps < 2:
            raise InputError(
                f"sampling_steps must be at least 2 on a linear grid, which has two ends, but "
                f"{config.sampling_steps!r} was given"
            )

    def clean(self, array: np.ndarray):
        import torch

        return torch.from_numpy(array).float()

    def level(self, t: float) -> int:
        return step_of_time(t)

    def levels(self, share):
        return (self.lowest + share * (STEPS - self.lowest)).long().clamp(max=STEPS - 1)

    def draw_levels(self, count: int, random):
        import torch

        return torch.randint(self.lowest, STEPS, (count,), generator=random, device=random.device)

    def draw_noise(self, shape: tuple[int, ...], random):
        import torch

        return torch.randn(shape, generator=random, device=random.device)

    def noise(self, clean, levels, draw):
        return noised(clean, levels, draw)

    def errors(self, network, clean, levels, draw):
        return denoising_errors(network, clean, levels, draw)

    def draw_start(self, count: int, shape: tuple[int, ...], steps: int, random):
        return self.draw_noise((count, *shape), random)

    def sample(self, network, start, steps: int):
        return ddim(network, start, steps, self.bound, self.grid)

    def distances(self, samples, training, groups=None):
        return nearest_two(samples, training, groups)

    def log_density(self, network, start, steps: int):
        """By the change of variables, and so only of samples that are not clipped."""
        return ddim_log_density(network, start, steps, self.grid) if self.bound is None else None

    def packed(self, samples):
        import torch

        return ((samples.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8) if self.bound == 1 else samples

    @classmethod
    def unpacked(cls, samples: np.ndarray) -> np.ndarray:
        return samples.astype(np.float32) / 127.5 - 1 if samples.dtype == np.uint8 else samples
