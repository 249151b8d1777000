"""The training loop: any process on any data, measured at log-spaced steps.

No EMA, no warm-up, no dropout, no augmentation unless the config asks: each moves the times that are measured.
"""

import dataclasses
import importlib.metadata
import math
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genmem.empirics.config import TrainConfig
from genmem.empirics.data import datasets, duplicates
from genmem.empirics.processes.table import PROCESSES
from genmem.empirics.records import runs
from genmem.empirics.training.checks import one_process
from genmem.empirics.training.extension import continue_shorter
from genmem.empirics.training.memory import keep_freed_memory
from genmem.empirics.training.watching import Watcher, calls_told
from genmem.shared.errors import InputError, count

if TYPE_CHECKING:
    import torch

    from genmem.empirics.training.batches import Batches
    from genmem.empirics.training.milestones import Probe
    from genmem.empirics.training.run import Run

CHECKPOINT_SECONDS = 60.0
_DIVERGENCE_CHECK = 100


def train(
    config: TrainConfig,
    directory: Path | str,
    on_step: Callable[[int], None] | None = None,
    threads: int | None = None,
    device: str | None = None,
    watchers: Sequence[Watcher] = (),
) -> runs.RunRecord:
    """Train the run of `config` in `directory`, or go on with it there, and return its record.

    A run that is stopped at any moment and started again ends with the numbers of one that was not: on the CPU, with
    the same number of threads, to the last bit. A finished run is returned as it is, and one of more steps, all else
    equal, goes on from it if both lie in one folder (see extension.py). A loss that is no longer finite
    ends the run with status 'diverged', and the config's `stop` with 'stopped early'; both are results. With `stop`,
    the weights with the lowest test loss before copies are kept in `best.safetensors` (see stopping.py).

    Args:
        config: of the run.
        directory: of the record; made if needed.
        on_step: called with the number of completed steps after each of them, and once at the start.
        threads: of the arithmetic; as many as torch uses in this process if None. On the CPU the last bits depend on
            it.
        device: cpu, cuda, mps, or auto, which None is too: the best that this machine has. No part of the key.
        watchers: told of losses and milestones too, without waiting for the device at each step (see watching.py).

    Raises InputError if a value is not allowed, if n exceeds the data set, if the directory cannot be written, belongs
    to another config or is in use, if the data have changed since the run began, or if the disk is full; after the last
    the run goes on from its checkpoint.
    """
    import torch

    from genmem.empirics.training.device import arithmetic, device_named

    one_process()
    config.check()
    keep_freed_memory()
    place = device_named(device)
    directory = Path(directory)
    data = datasets.of_config(config, runs.data_path(directory))
    images = datasets.training_images(config, data)
    if not config.deduplicate:
        duplicates.warn(config.data, data.pool, data.held_out)
    before = torch.get_num_threads()
    with runs.open_for_writing(directory, config):
        digest = datasets.digest(images, data.held_out)
        carried = {}
        if (directory / "run.json").exists():
            record = runs.load(directory)
            if record.status != "running":
                return record
            if record.facts.get("data_digest", digest) != digest:
                raise InputError(
                    f"data must be what it was when the run in {directory} began, but the images of "
                    f"{config.data!r} have changed"
                )
            carried = {name: record.facts[name] for name in ("continued",) if name in record.facts}
        else:
            carried = continue_shorter(config, directory, digest)
        try:
            torch.set_num_threads(before if threads is None else count("threads", threads))
            facts = carried | {"data_digest": digest}
            told = [*watchers, *([_Steps(on_step)] if on_step else [])]
            with arithmetic(config):
                _train(config, directory, images, data, facts, place, told)
        finally:
            torch.set_num_threads(before)
    return runs.load(directory)


def _train(
    config: TrainConfig,
    directory: Path,
    images: np.ndarray,
    data: datasets.Dataset,
    facts: dict,
    device,
    watchers: Sequence[Watcher],
) -> None:
    import torch

    from genmem.empirics.training.batches import Batches
    from genmem.empirics.training.milestones import Probe
    from genmem.empirics.training.run import Run
    from genmem.empirics.training.stopping import StopBeforeMemorization

    process = PROCESSES[config.process].of(config, data.bound, data.symbols)
    training, held_out = (process.clean(array).to(device) for array in (images, data.held_out))
    batches = Batches(config, process, training)
    probe = Probe(config, process, training, held_out, batches, data.log_density is not None)
    stopper = None
    if config.stop:
        best = directory / "best.safetensors"
        stopper = StopBeforeMemorization(training, held_out, best, risk=config.stop, process=process)
    run = Run(config, data.shape, device, stopper)
    elapsed = run.restore(directory / "checkpoints")
    facts |= {
        "key": config.key,
        "config": dataclasses.asdict(config),
        "data_source": datasets.source(config.data, runs.data_path(directory)),
        "parameters": sum(p.numel() for p in run.network.parameters()),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "threads": torch.get_num_threads(),
        "git_commit": git_commit(),
        "versions": {name: importlib.metadata.version(name) for name in ("genmem", "torch", "diffusers")},
    }
    _run_to_the_end(run, batches, probe, _Journal(directory, facts, elapsed), watchers)


def _run_to_the_end(
    run: "Run", batches: "Batches", probe: "Probe", journal: "_Journal", watchers: Sequence[Watcher]
) -> None:
    """Train, measure at the milestones, and write down what there is."""
    milestones = set(run.config.milestone_steps())
    journal.status("running")
    for watcher in watchers:
        watcher.begin(run.step)
    if run.step == 0:
        _record(run, probe, journal, watchers)
    for loss in _training(run, batches):
        if run.step % _DIVERGENCE_CHECK == 0 and not math.isfinite(loss):
            return journal.status("diverged")
        if run.step in milestones:
            if not _record(run, probe, journal, watchers):
                return journal.status("diverged")
        elif time.monotonic() - journal.saved > CHECKPOINT_SECONDS:
            journal.save(run)
        for watcher in watchers:
            watcher.after_step(run.step, loss)
    if run.stopper:
        outcome = run.stopper.outcome
        journal.facts |= {"stop_reason": outcome.reason, "best_step": outcome.best_step}
    journal.status("finished" if run.step == run.config.steps else "stopped early")


def _training(run: "Run", batches: "Batches") -> "Iterator[torch.Tensor]":
    """One optimizer step after the other until the run is over; yields the loss before each, once it is taken."""
    while not run.over:
        yield run.advance(batches)


def _record(run: "Run", probe: "Probe", journal: "_Journal", watchers: Sequence[Watcher]) -> bool:
    """Measure, unless the losses are no longer finite; says whether they are."""
    from genmem.empirics.training.stopping import by_chance, check_of

    with calls_told(run.measured, watchers, run.step):
        milestone = probe.measure(run.measured)
    if not all(np.isfinite(milestone[name]).all() for name in ("train_loss", "test_loss", "d1")):
        return False
    runs.write_milestone(journal.directory, run.step, milestone)
    if run.stopper:
        losses = (milestone[name][0] for name in ("train_loss", "test_loss"))
        held_out = len(run.stopper.held_out)
        chance = by_chance(run.stopper.process, milestone["d_held_out"], run.config.n, held_out)
        run.stopper.judge(check_of(run.step, *losses, milestone["d1"], milestone["d2"], chance), run.measured)
    journal.save(run)
    for watcher in watchers:
        watcher.milestone(run.step, milestone)
    return True


class _Steps(Watcher):
    """Of a function that is called with the number of completed steps."""

    def __init__(self, on_step: Callable[[int], None]):
        self._on_step = on_step

    def begin(self, step: int) -> None:
        if step:
            self._on_step(step)

    def milestone(self, step: int, record) -> None:
        # A run that starts is told once what there is before training is recorded.
        if not step:
            self._on_step(step)

    def after_step(self, step: int, loss) -> None:
        self._on_step(step)


class _Journal:
    """What is written of a run besides its milestones, and the clock that goes on over restarts."""

    def __init__(self, directory: Path, facts: dict, elapsed: float):
        self.directory = directory
        self.facts = facts
        self.saved = time.monotonic()
        self._elapsed, self._started = elapsed, time.monotonic()

    @property
    def spent(self) -> float:
        return self._elapsed + time.monotonic() - self._started

    def status(self, status: str) -> None:
        runs.write_facts(self.directory, self.facts | {"status": status, "wall_time": self.spent})

    def save(self, run: "Run") -> None:
        run.save(self.directory / "checkpoints", self.spent)
        self.saved = time.monotonic()


def git_commit() -> str | None:
    """The commit of the code that runs, or None outside a git checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
