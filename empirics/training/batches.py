"""What an optimizer step sees: training images, the diffusion step of each, and the noise on it."""

import functools

import numpy as np

from genmem.empirics.config import TrainConfig
from genmem.empirics.processes.diffusion import STEPS, step_of_time
from genmem.empirics.randomness import derived_seed, generator


class Batches:
    """The batches of a run, each a pure function of the config and the step.

    Args:
        config: of the run.
        images: tensor (n, C, H, W), the training images, on the device of the network.
    """

    def __init__(self, config: TrainConfig, images):
        self.config = config
        self.images = images
        self.step_of_training = step_of_time(config.train_time) if config.train_time else None
        if config.copies:
            shape = (config.copies * len(images), *images.shape[1:])
            self.copies = self._draw("copies", 0, shape)

    def __getitem__(self, step: int):
        """Images (B, C, H, W), their diffusion steps (B,) and their noise (B, C, H, W) of batch number `step`."""
        import torch

        config = self.config
        index = torch.from_numpy(batch_indices(config, step)).to(self.images.device)
        batch = self.images[index % config.n]
        if config.copies:
            k, noise = (part[index] for part in self.copies)
        else:
            k, noise = self._draw("step", step, batch.shape)
        if config.flip:
            random = generator(config.seed, "flip", step, batch.device)
            mirrored = torch.rand(len(batch), generator=random, device=batch.device) < 0.5
            batch = torch.where(mirrored.view(-1, 1, 1, 1), batch.flip(3), batch)
        return batch, k, noise

    def _draw(self, purpose: str, index: int, shape):
        import torch

        device = self.images.device
        random = generator(self.config.seed, purpose, index, device)
        if self.step_of_training is None:
            k = torch.randint(STEPS, shape[:1], generator=random, device=device)
        else:
            k = torch.full(shape[:1], self.step_of_training, device=device)
        return k, torch.randn(shape, generator=random, device=device)


def batch_indices(config: TrainConfig, step: int) -> np.ndarray:
    """What batch number `step` holds: training image i with its noise copy j as i + n j (B,), and j = 0 if noise is fresh.

    Batches are cut from an endless row of epochs, each a permutation of its own, so that every image (every copy) is
    seen equally often whether or not B divides their number. If B exceeds it, they come several times.
    """
    points, size = config.n * max(config.copies, 1), config.batch_size
    start, stop = step * size, (step + 1) * size
    row = [_epoch(config.seed, points, epoch) for epoch in range(start // points, (stop - 1) // points + 1)]
    return np.concatenate(row)[start % points : start % points + size]


@functools.lru_cache(maxsize=2)
def _epoch(seed: int, points: int, epoch: int) -> np.ndarray:
    return np.random.default_rng(derived_seed(seed, "epoch", epoch)).permutation(points)
