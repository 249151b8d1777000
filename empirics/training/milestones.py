"""What is recorded of a network at one moment of its training."""

import numpy as np

from genmem.empirics.config import TrainConfig
from genmem.empirics.data.duplicates import training_groups
from genmem.empirics.processes.process import Process
from genmem.empirics.randomness import generator
from genmem.empirics.training.batches import Batches

_BATCH = 512


class Probe:
    """Measures a network with the same data and the same noise each time, so that curves in training time are smooth.

    Args:
        config: of the run.
        process: of the run.
        training: tensor (n, ...), the training data.
        held_out: tensor (N, ...).
        batches: of the training, all on the device of the network.
        density_known: whether the law is known from which the data were drawn; if so, that of the samples is recorded.
    """

    def __init__(
        self, config: TrainConfig, process: Process, training, held_out, batches: Batches, density_known: bool = False
    ):
        self.config = config
        self.process = process
        self.batches = batches
        self.training = training
        self.groups = duplicate_groups(training)
        self.held_out = held_out
        self.test = held_out[: config.test_images]
        self.loss_levels = [process.level(t) for t in config.loss_times]
        self.density_known = density_known and config.samples > 0

    def measure(self, network) -> dict[str, np.ndarray]:
        """The record of this moment.

        - train_loss (T, n), test_loss (T, N): each datum's loss at each of the config's T times, mean over the draws;
        - train_average (n,), test_average (N,): the loss averaged over all levels, stratified over the draws (with a
          train_time: over that one);
        - copies_loss (n,), if the noise copies are fixed: the loss on them, which is what the optimizer lowers;
        - log_density (S,), if the data's density is known: of the samples under the law that the network generates;
        - samples (S, ...), as the process packs them;
        - d1, d2 (S,) distances to the two nearest training data, index (S,) of the nearest, where the second is no
          duplicate of the first (see genmem.empirics.data.duplicates); d_held_out (S,) distance to the nearest held-out
          datum.
        """
        import torch

        process = self.process
        network.eval()
        with torch.no_grad():
            record = {}
            for split, data in (("train", self.training), ("test", self.test)):
                at_times = [self._losses(network, data, level, split) for level in self.loss_levels]
                record[f"{split}_loss"] = torch.stack(at_times)
                record[f"{split}_average"] = (
                    at_times[0] if self.config.train_time else self._losses(network, data, None, split)
                )
            if self.config.copies:
                record["copies_loss"] = self._copies_losses(network)
            samples = self._samples(network)
            record["d1"], record["d2"], record["index"] = process.distances(samples, self.training, self.groups)
            record["d_held_out"] = process.distances(samples, self.held_out)[0]
            log_density = self._log_density(network) if self.density_known else None
            if log_density is not None:
                record["log_density"] = log_density
            record["samples"] = process.packed(samples)
        network.train()
        return {name: tensor.cpu().numpy() for name, tensor in record.items()}

    def _losses(self, network, data, level, split: str):
        return losses(self.process, network, data, level, self.config.loss_draws, self.config.seed, split)

    def _copies_losses(self, network):
        """Loss (n,) of each training datum, mean over its noise copies."""
        n = self.config.n
        copies = zip(*(part.split(n) for part in self.batches.copies), strict=True)
        return sum(_errors(self.process, network, self.training, *copy) for copy in copies) / self.config.copies

    def _samples(self, network):
        if not self.config.samples:
            return self.training[:0]
        return generated(self.process, network, self._start(), self.config.sampling_steps)

    def _log_density(self, network):
        """log density (S,), or None where the process does not know it."""
        import torch

        steps = self.config.sampling_steps
        parts = [self.process.log_density(network, batch, steps) for batch in self._start().split(_BATCH)]
        return None if any(part is None for part in parts) else torch.cat(parts)

    def _start(self):
        config = self.config
        seed = config.noise_seed
        return sampling_start(self.process, seed, config.samples, self.training, config.sampling_steps)


def losses(
    process: Process, network, data, level: float | None, draws: int, seed: int, split: str, batch_size: int = _BATCH
):
    """Loss (N,) of each of the data (N, ...), mean over `draws` draws of noise that are the same at each call.

    level: of the noise; None: all levels, stratified over the draws. seed, split: what the noise is drawn from. Leaves
    torch's global generator as it is. batch_size: data in one call of the network.
    """
    import torch

    total = torch.zeros(len(data), device=data.device)
    for number in range(draws):
        random = generator(seed, f"loss {split} {level}", number, data.device)
        draw = process.draw_noise(data.shape, random)
        if level is None:
            share = (number + torch.rand(len(data), generator=random, device=data.device)) / draws
            levels = process.levels(share)
        else:
            levels = torch.full((len(data),), level, device=data.device)
        total += _errors(process, network, data, levels, draw, batch_size)
    return total / draws


def sampling_start(process: Process, seed: int, count: int, data, steps: int):
    """What `count` samples like the data (N, ...) start from, on their device."""
    return process.draw_start(count, data.shape[1:], steps, generator(seed, "samples", device=data.device))


def generated(process: Process, network, start, steps: int, batch_size: int = _BATCH):
    """Samples (S, ...) generated from `start` in `steps` steps, in batches."""
    import torch

    return torch.cat([process.sample(network, batch, steps) for batch in start.split(batch_size)])


def _errors(process: Process, network, data, levels, draw, batch_size=_BATCH):
    import torch

    parts = zip(data.split(batch_size), levels.split(batch_size), draw.split(batch_size), strict=True)
    return torch.cat([process.errors(network, *part) for part in parts])


def duplicate_groups(training):
    """The groups (n,) of duplicates among training data, a tensor on their device; None if there are no duplicates."""
    import torch

    groups = training_groups(training.cpu().numpy())
    return None if groups is None else torch.from_numpy(groups).to(training.device)
