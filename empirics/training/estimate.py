"""How long runs will take and how much disk, from a few optimizer steps on the machine that will train them."""

import dataclasses
import functools
import math
import time
from collections.abc import Sequence

from genmem.empirics.config import TrainConfig
from genmem.empirics.processes.table import PROCESSES
from genmem.empirics.training.device import arithmetic

# A network at its largest batch may be far too slow to try; then time is extrapolated from smaller batches.
_TRIAL_SECONDS = 1.0
_FORWARD_SHARE = 1 / 3  # of a training step: the backward pass takes about twice as long as the forward pass
_FORWARD_BATCH = 512  # of the images measured at a milestone


@dataclasses.dataclass(frozen=True)
class Cost:
    """Of one run, alone on a device, or on one processor core."""

    training_seconds: float
    """Of the optimizer steps."""
    milestone_seconds: float
    """Of the losses and samples at milestones."""
    bytes: int
    parameters: int
    """Trainable numbers of the network."""

    @property
    def seconds(self) -> float:
        return self.training_seconds + self.milestone_seconds

    @property
    def milestone_share(self) -> float:
        """Part of the time that milestones take, between 0 and 1."""
        return self.milestone_seconds / self.seconds if self.seconds else 0.0

    def slower(self, factor: float) -> "Cost":
        """The cost where all takes that many times longer."""
        return dataclasses.replace(
            self, training_seconds=factor * self.training_seconds, milestone_seconds=factor * self.milestone_seconds
        )

    def after(self, step: int, config: TrainConfig) -> "Cost":
        """The cost of what is left of a run after `step` steps; its disk is counted as a whole."""
        planned = config.milestone_steps()
        left = sum(milestone > step for milestone in planned) / len(planned) if step else 1
        return dataclasses.replace(
            self,
            training_seconds=(1 - step / config.steps) * self.training_seconds,
            milestone_seconds=left * self.milestone_seconds,
        )


def costs(configs: Sequence[TrainConfig], device: str | None = None, threads: int = 1) -> list[Cost]:
    """The cost of each run, measured on this machine; a second or two for each network.

    device, threads: as those of `train`, of which a worker of a sweep uses one.

    A step on a batch of B images is taken to last a + b B, where a and b are measured with blank images under noise.
    Time is that of the steps and of the milestones, which generate images and compute losses.
    """
    import torch

    from genmem.empirics.training.memory import keep_freed_memory

    keep_freed_memory()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return [_cost(config, device, threads) for config in configs]
    finally:
        torch.set_num_threads(before)


def _cost(config: TrainConfig, device: str | None, threads: int) -> Cost:
    shape, symbols, held_out = _data(config.process, config.data, config.pixels, config.grey, config.classes)
    # What neither a step's time nor the network's size depends on.
    trial = dataclasses.replace(
        config,
        n=2,
        seed=0,
        half="all",
        balanced=False,
        center=False,
        classes=(),
        range="symmetric",
        learning_rate=1e-3,
        warmup=0,
        momentum=0.5,
        copies=0,
        batch_size=1,
        steps=10**9,
        milestones=2,
        first_milestone=1,
        milestone_grid="log",
    )
    with arithmetic(config):
        fixed, per_image, parameters = _step_seconds(trial, shape, symbols, config.batch_size, device, threads)
    milestones = len(config.milestone_steps())
    losses = (config.n + min(config.test_images, held_out)) * config.loss_draws * (len(config.loss_times) + 1)
    images = losses + config.samples * config.sampling_steps
    calls = images / _FORWARD_BATCH + config.sampling_steps
    pixels = math.prod(shape)
    numbers = (config.n + min(config.test_images, held_out)) * (len(config.loss_times) + 1) + 4 * config.samples
    # The two checkpoints that are kept, and the one being written: weights and moments, maybe averages, the best
    # weights.
    copies = 1 + (2 if config.optimizer == "adam" else bool(config.momentum)) + bool(config.ema) + bool(config.stop)
    return Cost(
        training_seconds=config.steps * (fixed + per_image * config.batch_size),
        milestone_seconds=milestones * _FORWARD_SHARE * (calls * fixed + images * per_image),
        bytes=milestones * (config.samples * pixels + 4 * numbers) + 3 * copies * 4 * parameters,
        parameters=parameters,
    )


@functools.cache
def _data(
    process: str, name: str, pixels: int, grey: bool, classes: tuple[int, ...]
) -> tuple[tuple[int, ...], int | None, int]:
    """Shape of one datum, (C, H, W) for images, its symbols if it is a string, and how many are held out.

    CIFAR-10 is not fetched for an estimate.
    """
    from genmem.empirics.data import datasets

    if name == "cifar10":
        side = pixels or 32
        return (1 if grey else 3, side, side), None, 10_000
    data = datasets.of_config(TrainConfig(process=process, data=name, pixels=pixels, grey=grey, classes=classes))
    return data.pool.shape[1:], data.symbols, len(data.held_out)


@functools.cache
def _step_seconds(
    config: TrainConfig, shape: tuple[int, ...], symbols: int | None, batch_size: int, device: str | None, threads: int
) -> tuple[float, float, int]:
    """The fixed time of an optimizer step, its time for each image, and the network's parameters.

    threads: those that torch uses already; here they only tell one measurement from another.
    """
    import numpy as np

    from genmem.empirics.training.batches import Batches
    from genmem.empirics.training.device import compiled, device_named
    from genmem.empirics.training.run import Run, train_step

    place = device_named(device)
    run = Run(config, shape if symbols is None else (*shape, symbols), place)
    network, optimizer = compiled(config, run.network, place), run.optimizer
    parameters = sum(p.numel() for p in network.parameters())
    process = PROCESSES[config.process].of(config, symbols=symbols)

    def seconds(size: int) -> float:
        trial = dataclasses.replace(config, batch_size=size)
        batches = Batches(trial, process, process.clean(np.zeros((trial.n, *shape), np.float32)).to(place))
        # The first step allocates; the number of the loss waits for the device.
        float(train_step(trial, network, optimizer, batches, 0))
        times, start = [], time.perf_counter()
        while not times or (time.perf_counter() - start < _TRIAL_SECONDS / 2 and len(times) < 20):
            begun = time.perf_counter()
            float(train_step(trial, network, optimizer, batches, len(times) + 1))
            times.append(time.perf_counter() - begun)
        # The fastest, as whatever else the machine does only adds.
        return min(times)

    small = seconds(1)
    large_size = max(2, min(batch_size, int(_TRIAL_SECONDS / small)))
    large = seconds(large_size)
    per_image = max(0.0, (large - small) / (large_size - 1))
    return max(0.0, large - per_image * large_size), per_image, parameters
