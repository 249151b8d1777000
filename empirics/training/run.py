"""A network in training: weights and their average, optimizer, the rule that may stop it, and the steps done."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from genmem.empirics.config import TrainConfig
from genmem.empirics.randomness import derived_seed
from genmem.empirics.training import checkpoints
from genmem.empirics.training.batches import Batches
from genmem.empirics.training.device import compiled, in_precision
from genmem.empirics.training.networks import network_of
from genmem.empirics.training.stopping import StopBeforeMemorization


class Run:
    """All that a checkpoint holds.

    Args:
        config: of the run.
        shape: of one datum.
        device: torch's, where the network is trained.
        stopper: watches the run, if its config asks for that.
    """

    def __init__(
        self, config: TrainConfig, shape: tuple[int, ...], device, stopper: StopBeforeMemorization | None = None
    ):
        self.config = config
        self.step = 0
        self.network = network_of(config, shape)
        self.average = _average(config, self.network, device)
        self.network = in_precision(config, _laid_out(config, self.network.to(device)), device)
        self._called = compiled(config, self.network, device)
        if self.average:
            in_precision(config, self.average.module, device)
        self.optimizer = make_optimizer(config, self.network)
        self.stopper = stopper

    @property
    def measured(self):
        """The network that is measured and kept: the average of the weights, if there is one."""
        return self.average.module if self.average else self.network

    @property
    def over(self) -> bool:
        """Whether no step is left, or none is wanted."""
        return self.step >= self.config.steps or bool(self.stopper and self.stopper.reason)

    def advance(self, batches: Batches):
        """Take one step; returns the loss before it, a tensor ()."""
        import torch

        if self.config.compile:
            # The memory of the last step's graph may be written again.
            torch.compiler.cudagraph_mark_step_begin()
        loss = train_step(self.config, self._called, self.optimizer, batches, self.step)
        if self.average:
            self.average.update_parameters(self.network)
        self.step += 1
        return loss

    def save(self, directory: Path, elapsed: float) -> None:
        """Write a checkpoint; elapsed: training time so far in seconds."""
        checkpoints.save(directory, self.config.key, self.step, elapsed, *self._parts)

    def restore(self, directory: Path) -> float:
        """Go on from the newest checkpoint, if there is one; returns the seconds of training that led to it."""
        self.step, elapsed = checkpoints.restore(directory, self.config.key, *self._parts)
        return elapsed

    @property
    def _parts(self):
        return self.network, self.optimizer, self.average, self.stopper


def _laid_out(config: TrainConfig, network):
    """The network with its weights in the order that the config asks for."""
    import torch

    return network.to(memory_format=torch.channels_last) if config.channels_last else network


def train_step(config: TrainConfig, network, optimizer, batches: Batches, step: int):
    """One optimizer step on the batch number `step`; returns the loss before it, a tensor ()."""
    if config.warmup:
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * min(1, (step + 1) / config.warmup)
    with _dropout_noise(config, step):
        loss = batches.process.errors(network, *batches[step]).mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.detach()


def make_optimizer(config: TrainConfig, network):
    """The config's torch optimizer."""
    import torch

    if config.optimizer == "sgd":
        return torch.optim.SGD(network.parameters(), lr=config.learning_rate, momentum=config.momentum)
    return torch.optim.Adam(network.parameters(), lr=config.learning_rate, fused=True)


@contextlib.contextmanager
def _dropout_noise(config: TrainConfig, step: int) -> Iterator[None]:
    """Dropout draws from torch's global generator: seeded for this step, and left as it was."""
    import torch

    if not config.dropout:
        yield
        return
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(config.seed, "dropout", step))
        yield


def _average(config: TrainConfig, network, device):
    """The moving average of the weights, started at the first step's, or None."""
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    return AveragedModel(network, device, multi_avg_fn=get_ema_multi_avg_fn(config.ema)) if config.ema else None
