"""What an optimizer step sees: training data, the noise level of each, and the noise on it."""

import functools

import numpy as np

from genmem.empirics.config import TrainConfig
from genmem.empirics.processes.process import Process
from genmem.empirics.randomness import derived_seed, generator


class Batches:
    """The batches of a run, each a pure function of the config and the step.

    Args:
        config: of the run.
        process: what is drawn for each datum.
        data: tensor (n, ...), the training data, on the device of the network.
    """

    def __init__(self, config: TrainConfig, process: Process, data):
        self.config = config
        self.process = process
        self.data = data
        self.level_of_training = process.level(config.train_time) if config.train_time else None
        if config.copies:
            self.copies = self._draw("copies", 0, (config.copies * len(data), *data.shape[1:]))

    def __getitem__(self, step: int):
        """Clean data (B, ...), their levels (B,) and what the noise on them is made of (B, ...), of batch `step`."""
        import torch

        config = self.config
        index = torch.from_numpy(batch_indices(config, step)).to(self.data.device)
        batch = self.data[index % config.n]
        if config.copies:
            levels, draw = (part[index] for part in self.copies)
        else:
            levels, draw = self._draw("step", step, batch.shape)
        if config.flip:
            random = generator(config.seed, "flip", step, batch.device)
            mirrored = torch.rand(len(batch), generator=random, device=batch.device) < 0.5
            batch = torch.where(mirrored.view(-1, 1, 1, 1), batch.flip(3), batch)
        return batch, levels, draw

    def _draw(self, purpose: str, index: int, shape):
        import torch

        random = generator(self.config.seed, purpose, index, self.data.device)
        if self.level_of_training is None:
            levels = self.process.draw_levels(shape[0], random)
        else:
            levels = torch.full(shape[:1], self.level_of_training, device=self.data.device)
        return levels, self.process.draw_noise(shape, random)


def batch_indices(config: TrainConfig, step: int) -> np.ndarray:
    """What batch number `step` holds: training datum i with its noise copy j as i + n j (B,); j = 0 if noise is fresh.

    Batches are cut from an endless row of epochs, each a permutation of its own, so that every datum (every copy) is
    seen equally often whether or not B divides their number. If B exceeds it, they come several times.
    """
    points, size = config.n * max(config.copies, 1), config.batch_size
    start, stop = step * size, (step + 1) * size
    row = [_epoch(config.seed, points, epoch) for epoch in range(start // points, (stop - 1) // points + 1)]
    return np.concatenate(row)[start % points : start % points + size]


@functools.lru_cache(maxsize=2)
def _epoch(seed: int, points: int, epoch: int) -> np.ndarray:
    return np.random.default_rng(derived_seed(seed, "epoch", epoch)).permutation(points)
