"""Many runs: on processes of this machine, or on the workers of any Dask scheduler.

What the workers have in common is the file system: a run is its record there, and all that is sent is its config. So a
worker, the scheduler or the caller can die at any moment and costs the steps since a run's last checkpoint.
"""

import functools
import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genmem.empirics.config import TrainConfig
from genmem.empirics.records import runs
from genmem.empirics.training.checks import check_all
from genmem.empirics.training.cluster import RETRIES, at_once, choose_gpu, connected, gpus, workers_for
from genmem.empirics.training.progress import LINE_SECONDS, MeasuringShare, time_left
from genmem.empirics.training.watching import Watcher
from genmem.shared.errors import Failure, InputError

if TYPE_CHECKING:
    from genmem.empirics.training.estimate import Cost

_REPORT_SECONDS = 0.5
_POLL_SECONDS = 0.2
_FREE_SECONDS = 60

# Runs of one process would share torch's threads.
_one_run_per_process = threading.Lock()


class SweepError(Failure):
    """Some runs failed; the message says which and why. The others finished."""


def sweep(
    configs: Sequence[TrainConfig],
    root: Path | str,
    workers: int | None = None,
    title: str = "training",
    scheduler: str | None = None,
    device: str | None = None,
) -> list[runs.RunRecord]:
    """Train each config in `root/<key>`, one at a time and with one thread in each worker; return the records in order.

    Finished runs are not repeated and stopped ones go on. A run that fails, or whose worker dies, is tried again twice.
    The longest runs start first. An interrupt stops all runs within a step; the same call goes on where they stopped.

        from genmem import TrainConfig, sweep

        if __name__ == "__main__":  # workers are new processes, which import the script that starts them
            records = sweep([TrainConfig(n=n, seed=seed) for n in (32, 64, 128) for seed in (0, 1)], "out/runs")

    Args:
        configs: of the runs.
        root: folder of the runs; if workers are on other machines, on a file system that all share, at the same path.
        workers: processes of this machine; by default two, or one for each GPU if there is one. Several share a GPU if
            there are more of them. Of no meaning with `scheduler`.
        title: of the progress bar, which counts the optimizer steps of all runs.
        scheduler: address of a Dask scheduler, as tcp://host:8786. Its workers need this package. Messages between
            Dask's processes are pickled: connect to a scheduler that you trust.
        device: where each worker trains, as in `train`.

    Raises InputError before the first run if a config is not allowed, its data are not there, do not hold its n images
    or do not fit its network, or if the scheduler does not answer; SweepError if a run failed, after all others have
    finished, or if the scheduler was lost.
    """
    configs = list(configs)
    for config in configs:
        config.check()
    root = Path(root).resolve()
    waiting = [config for config in configs if not ended(root / config.key)]
    workers = workers_for(workers, len(waiting), device)
    failures = {}
    if waiting:
        if scheduler is None:
            _check(waiting, root, device)
        with connected(scheduler, workers) as client:
            if scheduler is not None:
                # The data may be there alone.
                client.submit(_check, waiting, root, device, pure=False).result()
            failures = _submit_and_wait(client, waiting, root, title, device)
    if failures:
        raise SweepError(
            f"{len(failures)} of {len(configs)} runs failed: "
            + "; ".join(f"{key}: {reason}" for key, reason in failures.items())
        )
    return [runs.load(root / config.key) for config in configs]


def measured_costs(
    configs: Sequence[TrainConfig],
    workers: int | None = None,
    scheduler: str | None = None,
    device: str | None = None,
) -> "tuple[list[Cost], int]":
    """The cost of each run, measured where it will be trained, and how many run at a time.

    Where workers of this machine are more than its cores (or GPUs), a run takes as many times longer. Raises InputError
    as `sweep` does.
    """
    if scheduler is None:
        workers = workers_for(workers, len(configs), device)
        factor = workers / at_once(workers, device)
        return [cost.slower(factor) for cost in _checked_costs(configs, device)], workers
    with connected(scheduler, 1) as client:
        costs = client.submit(_checked_costs, configs, device, pure=False).result()
        return costs, min(len(configs), len(client.scheduler_info(n_workers=-1)["workers"]))


def _checked_costs(configs: Sequence[TrainConfig], device: str | None) -> "list[Cost]":
    from genmem.empirics.training import estimate

    _check(configs, None, device)
    return estimate.costs(configs, device)


def _check(configs: Sequence[TrainConfig], root: Path | None, device: str | None) -> None:
    """Raise InputError, where the runs will be trained, if one of them cannot be."""
    from genmem.empirics.training.device import device_named

    device_named(device)
    check_all(configs, root)


def ended(directory: Path) -> bool:
    """Whether the run recorded there is finished, stopped early or diverged."""
    return (directory / "run.json").exists() and runs.load(directory).status != "running"


def _submit_and_wait(
    client, configs: Sequence[TrainConfig], root: Path, title: str, device: str | None
) -> dict[str, str]:
    """Train the configs and show how they get on; the reasons of those that failed, by key."""
    # Two sweeps that share a scheduler and a run wait for the same task.
    topic = "genmem-" + hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
    waiting = {config.key: config for config in sorted(configs, key=lambda config: -config.steps)}
    futures = {
        key: client.submit(
            train_in_worker,
            config,
            root / key,
            topic,
            device,
            key=f"{topic}-{key}",
            retries=RETRIES,
            priority=config.steps,
        )
        for key, config in waiting.items()
    }
    failures = {}
    with _Bars(list(waiting.values()), title) as bars:
        client.subscribe_topic(topic, bars.report)
        while waiting:
            time.sleep(_POLL_SECONDS)
            bars.draw()
            for key in [key for key in waiting if futures[key].status != "pending"]:
                future, config = futures[key], waiting.pop(key)
                if future.status not in ("finished", "error"):
                    raise SweepError(
                        f"the scheduler {client.scheduler.address} was lost and {len(waiting) + 1} runs "
                        "are not finished; the same command goes on where they stopped"
                    )
                if future.status == "error":
                    failures[key] = _reason(future.exception())
                elif not ended(root / key):
                    failures[key] = f"its worker left no record in {root}, which all workers must share"
                bars.end(config, failures.get(key, "done"))
    return failures


class _Bars:
    """Progress of the whole sweep in optimizer steps, and of each run that is being trained; on a terminal.

    Elsewhere, a line a minute about the whole sweep. clock: seconds.
    """

    def __init__(self, configs: Sequence[TrainConfig], title: str, clock: Callable[[], float] = time.monotonic):
        from tqdm.auto import tqdm

        self._new = functools.partial(tqdm, unit="step", disable=None)
        self._length = {config.key: config.steps for config in configs}
        self._label = {config.key: label(config) for config in configs}
        self._steps = dict.fromkeys(self._length, 0)
        self._all = self._new(total=sum(self._length.values()), desc=title)
        self._of_run = {}
        self._words, self._losses, self._ended = {}, {}, 0
        self._title, self._clock = title, clock
        self._begun = self._shown = clock()
        self._first = {}  # steps done before this sweep

    def report(self, event) -> None:
        """A worker's message; called in Dask's own thread."""
        key, step, loss, note = event[1]
        if key in self._steps and self._steps[key] < self._length[key]:
            self._steps[key] = step
            self._first.setdefault(key, step)
            self._words[key] = ", ".join([*([] if loss is None else [f"loss {loss:.4f}"]), *([note] if note else [])])
            if loss is not None:
                self._losses[key] = loss

    def draw(self) -> None:
        for key, step in self._steps.items():
            if 0 < step < self._length[key]:
                if key not in self._of_run:
                    self._of_run[key] = self._new(total=self._length[key], desc=self._label[key], leave=False)
                self._of_run[key].set_postfix_str(self._words.get(key, ""), refresh=False)
                self._of_run[key].n = step
                self._of_run[key].refresh()
        done = sum(self._steps.values())
        self._all.update(done - self._all.n)
        now = self._clock()
        if self._all.disable and now - self._shown >= LINE_SECONDS:
            self._shown = now
            taken = done - sum(tuple(self._first.values()))
            losses = sorted(self._losses.values())
            between = [f"loss {losses[0]:.4f}" + (f" to {losses[-1]:.4f}" if len(losses) > 1 else "")] if losses else []
            words = [
                f"step {done} of {self._all.total}",
                *between,
                f"{self._ended} of {len(self._length)} runs ended",
                time_left(now - self._begun, taken, self._all.total - done),
            ]
            print(f"{self._title}: {', '.join(words)}", file=sys.stderr, flush=True)

    def end(self, config: TrainConfig, outcome: str) -> None:
        # A run that diverged or stopped early is over before its last step.
        self._steps[config.key] = self._length[config.key]
        self._losses.pop(config.key, None)
        self._ended += 1
        if config.key in self._of_run:
            self._of_run.pop(config.key).close()
        self._all.write(f"{self._label[config.key]}: {outcome}", file=sys.stderr)
        self.draw()

    def __enter__(self) -> "_Bars":
        return self

    def __exit__(self, *error) -> None:
        for bar in (*self._of_run.values(), self._all):
            bar.close()


class _Reports(Watcher):
    """Tells the step, the loss and what else is done, if not training, now and then."""

    def __init__(self, tell: Callable[[int, float | None, str | None], None]):
        self._tell, self._share, self._loss, self._reported = tell, MeasuringShare(), None, -float("inf")

    def begin(self, step: int) -> None:
        self._report(step, None)

    def after_step(self, step: int, loss) -> None:
        self._loss = loss
        self._report(step, None)

    def measuring(self, step: int, calls: int) -> None:
        self._report(step, self._share.words(step, calls))

    def _report(self, step: int, note: str | None) -> None:
        if time.monotonic() - self._reported > _REPORT_SECONDS:
            self._reported = time.monotonic()
            self._tell(step, None if self._loss is None else float(self._loss), note)


def label(config: TrainConfig) -> str:
    """What tells a run from the others of a sweep, in few words."""
    return (
        f"n = {config.n}, W = {config.width}, B = {config.batch_size}, learning rate {config.learning_rate:g}, "
        f"seed {config.seed}"
    )


def _reason(error: BaseException) -> str:
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return "its worker died each time (is the memory enough?)"
    return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"


def train_in_worker(
    config: TrainConfig, directory: Path, topic: str, device: str | None, watchers: Sequence[Watcher] = ()
) -> None:
    """In a worker: train, tell the step now and then, and stop when the task was cancelled or the worker is to end.

    topic: under which Dask's messages go to whoever listens. watchers: besides the one that tells.
    """
    from distributed import Reschedule, get_worker

    from genmem.empirics.training.loop import train

    worker = get_worker()
    if gpus(device):
        choose_gpu(worker)
    task = worker.get_current_task()

    def stop_if_unwanted() -> None:
        # Dask cannot stop a thread; a cancelled task, whose client interrupted or died, is no longer 'executing'.
        state = worker.state.tasks.get(task)
        if state is None or state.state != "executing" or worker.status.name != "running":
            raise Reschedule

    def tell(step: int, loss: float | None, note: str | None) -> None:
        stop_if_unwanted()
        worker.log_event(topic, (config.key, step, loss, note))

    with _one_run_per_process:
        deadline = time.monotonic() + _FREE_SECONDS
        while True:
            try:
                train(config, directory, threads=1, device=device, watchers=[_Reports(tell), *watchers])
                return
            except runs.InUse:
                # By the worker that had it before, which may be in the middle of a milestone.
                if time.monotonic() > deadline:
                    raise
                stop_if_unwanted()
                time.sleep(_REPORT_SECONDS)
