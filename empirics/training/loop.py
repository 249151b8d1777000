"""The training loop: denoising score matching, measured at log-spaced steps.

No EMA, no warm-up, no dropout, no augmentation unless the config asks: each moves the times that are measured.
"""

import contextlib
import dataclasses
import importlib.metadata
import math
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from genmem.empirics.config import TrainConfig
from genmem.empirics.data import datasets
from genmem.empirics.randomness import derived_seed
from genmem.empirics.records import runs
from genmem.empirics.training import checkpoints
from genmem.shared.errors import InputError, count

CHECKPOINT_SECONDS = 60.0
_DIVERGENCE_CHECK = 100


def train(
    config: TrainConfig, directory: Path | str, on_step: Callable[[int], None] | None = None, threads: int | None = None
) -> runs.RunRecord:
    """Train the run of `config` in `directory`, or go on with it there, and return its record.

    A run that is stopped at any moment and started again ends with the numbers of one that was not: on the CPU, with
    the same number of threads, to the last bit. A finished run is returned as it is. A loss that is no longer finite
    ends the run with status 'diverged', and the config's `stop` with 'stopped early'; both are results. With `stop`,
    the weights with the lowest test loss before copies are kept in `best.safetensors` (see stopping.py).

    Args:
        config: of the run.
        directory: of the record; made if needed.
        on_step: called with the number of completed steps after each of them, and once at the start.
        threads: of the arithmetic; as many as torch uses in this process if None. On the CPU the last bits depend on it.

    Raises InputError if a value is not allowed, if n exceeds the data set, if the directory cannot be written, belongs
    to another config or is in use, if the data have changed since the run began, or if the disk is full; after the last
    the run goes on from its checkpoint.
    """
    import torch

    config.check()
    directory = Path(directory)
    data = datasets.of_config(config)
    images = datasets.training_images(config, data)
    before = torch.get_num_threads()
    with runs.open_for_writing(directory, config):
        digest = datasets.digest(images, data.held_out)
        if (directory / "run.json").exists():
            record = runs.load(directory)
            if record.status != "running":
                return record
            if record.facts.get("data_digest", digest) != digest:
                raise InputError(f"data must be what it was when the run in {directory} began, but the images of "
                                 f"{config.data!r} have changed")
        try:
            torch.set_num_threads(before if threads is None else count("threads", threads))
            _train(config, directory, images, data, digest, on_step or (lambda step: None))
        finally:
            torch.set_num_threads(before)
    return runs.load(directory)


def _train(
    config: TrainConfig, directory: Path, images: np.ndarray, data: datasets.Dataset, digest: str, on_step
) -> None:
    import torch
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    from genmem.empirics.training.batches import Batches
    from genmem.empirics.training.milestones import Probe
    from genmem.empirics.training.networks import network_of
    from genmem.empirics.training.stopping import StopBeforeMemorization, check_of

    # Accelerate keeps one precision per process; the run's own config decides.
    AcceleratorState._reset_state()
    accelerator = Accelerator(mixed_precision="bf16" if config.precision == "bf16" else "no")
    device = accelerator.device
    network = network_of(config, images.shape[1:])
    average = _average(config, network, device)
    network = accelerator.prepare_model(network)
    # Not wrapped by accelerate, which looks for optional packages at each step; without a gradient scaler it adds nothing.
    optimizer = make_optimizer(config, network)
    plain = accelerator.unwrap_model(network)
    measured = accelerator.prepare_model(average.module, evaluation_mode=True) if average else network
    images = torch.from_numpy(images).to(device)
    batches = Batches(config, images)
    held_out = torch.from_numpy(data.held_out).to(device)
    probe = Probe(config, images, held_out, batches, data.bound)
    stopper = None
    if config.stop:
        stopper = StopBeforeMemorization(images, held_out, directory / "best.safetensors", risk=config.stop)

    step, elapsed = checkpoints.restore(directory / "checkpoints", config.key, plain, optimizer, average, stopper)
    facts = {
        "key": config.key,
        "config": dataclasses.asdict(config),
        "status": "running",
        "wall_time": elapsed,
        "data_digest": digest,
        "parameters": sum(p.numel() for p in plain.parameters()),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "threads": torch.get_num_threads(),
        "git_commit": git_commit(),
        "versions": {name: importlib.metadata.version(name) for name in ("genmem", "torch", "diffusers", "accelerate")},
    }
    runs.write_facts(directory, facts)

    started = time.monotonic()

    def spent() -> float:
        return elapsed + time.monotonic() - started

    def close(status: str) -> None:
        runs.write_facts(directory, facts | {"status": status, "wall_time": spent()})

    def save(step: int) -> None:
        checkpoints.save(directory / "checkpoints", config.key, step, spent(), plain, optimizer, average, stopper)

    def record(step: int) -> bool:
        """Measure, unless the losses are no longer finite; says whether they are."""
        milestone = probe.measure(measured)
        if not all(np.isfinite(milestone[name]).all() for name in ("train_loss", "test_loss", "d1")):
            return False
        runs.write_milestone(directory, step, milestone)
        if stopper:
            losses = (milestone[name][0] for name in ("train_loss", "test_loss"))
            check = check_of(step, *losses, milestone["d1"], milestone["d2"])
            stopper.judge(check, average.module if average else plain)
        save(step)
        return True

    milestones = set(config.milestone_steps())
    if step == 0:
        record(0)
    on_step(step)
    saved = time.monotonic()
    while step < config.steps and not (stopper and stopper.reason):
        loss = train_step(config, network, optimizer, batches, step)
        if average:
            average.update_parameters(plain)
        step += 1
        if step % _DIVERGENCE_CHECK == 0 and not math.isfinite(loss):
            return close("diverged")
        if step in milestones:
            if not record(step):
                return close("diverged")
            saved = time.monotonic()
        elif time.monotonic() - saved > CHECKPOINT_SECONDS:
            save(step)
            saved = time.monotonic()
        on_step(step)
    if stopper:
        facts |= {"stop_reason": stopper.outcome.reason, "best_step": stopper.outcome.best_step}
    close("finished" if step == config.steps else "stopped early")


def train_step(config: TrainConfig, network, optimizer, batches, step: int):
    """One optimizer step on the batch number `step`; returns the loss before it, a tensor ()."""
    from genmem.empirics.processes.diffusion import denoising_errors

    if config.warmup:
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * min(1, (step + 1) / config.warmup)
    with _dropout_noise(config, step):
        loss = denoising_errors(network, *batches[step]).mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.detach()


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


def make_optimizer(config: TrainConfig, network):
    """The config's torch optimizer."""
    import torch

    if config.optimizer == "sgd":
        return torch.optim.SGD(network.parameters(), lr=config.learning_rate, momentum=config.momentum)
    return torch.optim.Adam(network.parameters(), lr=config.learning_rate, fused=True)


def git_commit() -> str | None:
    """The commit of the code that runs, or None outside a git checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
