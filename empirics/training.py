"""The training loop: denoising score matching, measured at log-spaced steps.

No EMA, no warm-up, no dropout, no augmentation: each would move the times that are measured.
"""

import dataclasses
import importlib.metadata
import math
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from empirics import checkpoints, datasets, runs
from empirics.config import TrainConfig
from empirics.randomness import derived_seed

CHECKPOINT_SECONDS = 60.0
_DIVERGENCE_CHECK = 100


def train(config: TrainConfig, directory: Path | str, on_step: Callable[[int], None] | None = None) -> runs.RunRecord:
    """Train the run of `config` in `directory`, or go on with it there, and return its record.

    A run that is stopped at any moment and started again ends with the numbers of one that was not: on the CPU, with
    the same number of threads, to the last bit. A finished run is returned as it is. A loss that is no longer finite
    ends the run with status 'diverged', which is a result.

    Args:
        config: of the run.
        directory: of the record; made if needed.
        on_step: called with the number of completed steps after each of them, and once at the start.

    Raises InputError if a value is not allowed, if n exceeds the data set, or if the directory cannot be written, belongs to another config or is
    in use.
    """
    config.check()
    directory = Path(directory)
    data = datasets.load(config.data)
    images, _ = data.subset(config.n, config.seed)
    with runs.open_for_writing(directory, config):
        if (directory / "run.json").exists() and runs.load(directory).status != "running":
            return runs.load(directory)
        _train(config, directory, images, data.held_out, on_step or (lambda step: None))
    return runs.load(directory)


def _train(config: TrainConfig, directory: Path, images: np.ndarray, held_out: np.ndarray, on_step) -> None:
    import torch
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    from empirics.milestones import Probe
    from empirics.networks import unet

    # Accelerate keeps one precision per process; the run's own config decides.
    AcceleratorState._reset_state()
    accelerator = Accelerator(mixed_precision="bf16" if config.precision == "bf16" else "no")
    device = accelerator.device
    network = unet(config.width, images.shape[1], images.shape[2], config.levels, config.blocks, config.seed)
    network, optimizer = accelerator.prepare(network, make_optimizer(config, network))
    plain = accelerator.unwrap_model(network)
    images = torch.from_numpy(images).to(device)
    probe = Probe(config, images, torch.from_numpy(held_out).to(device))

    step, elapsed = checkpoints.restore(directory / "checkpoints", config.key, plain, optimizer)
    facts = {
        "key": config.key,
        "config": dataclasses.asdict(config),
        "status": "running",
        "wall_time": elapsed,
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

    def record(step: int) -> bool:
        """Measure, unless the losses are no longer finite; says whether they are."""
        milestone = probe.measure(network)
        if not all(np.isfinite(milestone[name]).all() for name in ("train_loss", "test_loss", "d1")):
            return False
        runs.write_milestone(directory, step, milestone)
        checkpoints.save(directory / "checkpoints", config.key, step, spent(), plain, optimizer)
        return True

    milestones = set(config.milestone_steps())
    if step == 0:
        record(0)
    on_step(step)
    saved = time.monotonic()
    while step < config.steps:
        loss = train_step(config, accelerator, network, optimizer, images, step)
        step += 1
        if step % _DIVERGENCE_CHECK == 0 and not math.isfinite(loss):
            return close("diverged")
        if step in milestones:
            if not record(step):
                return close("diverged")
            saved = time.monotonic()
        elif time.monotonic() - saved > CHECKPOINT_SECONDS:
            checkpoints.save(directory / "checkpoints", config.key, step, spent(), plain, optimizer)
            saved = time.monotonic()
        on_step(step)
    close("finished")


def train_step(config: TrainConfig, accelerator, network, optimizer, images, step: int):
    """One optimizer step on the batch number `step`; returns the loss before it, a tensor ()."""
    import torch

    from empirics.diffusion import STEPS, denoising_errors
    from empirics.randomness import generator

    batch = images[batch_indices(config, step)]
    random = generator(config.seed, "step", step, images.device)
    k = torch.randint(STEPS, (len(batch),), generator=random, device=images.device)
    noise = torch.randn(batch.shape, generator=random, device=images.device)
    loss = denoising_errors(network, batch, k, noise).mean()
    accelerator.backward(loss)
    optimizer.step()
    optimizer.zero_grad()
    return loss.detach()


def batch_indices(config: TrainConfig, step: int) -> np.ndarray:
    """Indices (B,) of the training images in batch number `step`.

    Batches are cut from an endless row of epochs, each a permutation of its own, so that every image is seen equally
    often whether or not B divides n. If B exceeds n, images come several times, each time with noise of its own.
    """
    n, size = config.n, config.batch_size
    start, stop = step * size, (step + 1) * size
    row = [
        np.random.default_rng(derived_seed(config.seed, "epoch", epoch)).permutation(n)
        for epoch in range(start // n, (stop - 1) // n + 1)
    ]
    return np.concatenate(row)[start % n : start % n + size]


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
