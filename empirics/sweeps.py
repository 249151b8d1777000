"""Many runs on the processes of this machine."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from pathlib import Path

from empirics import runs
from empirics.config import TrainConfig

_POLL_SECONDS = 0.2


class SweepError(RuntimeError):
    """Some runs failed; the message says which and why. The others finished."""


def run_all(
    configs: Sequence[TrainConfig], root: Path | str, workers: int = 2, title: str = "training"
) -> list[runs.RunRecord]:
    """Train each config in `root/<key>` with `workers` processes of one thread each; return the records in that order.

    Finished runs are not repeated and stopped ones go on. The progress bar counts optimizer steps of all runs; the
    longest runs start first. An interrupt stops all runs within a step. Raises InputError before the first run if a
    config is not allowed; SweepError, after all others have finished, if a run failed.
    """
    from tqdm.auto import tqdm

    for config in configs:
        config.check()
    root = Path(root)
    context = multiprocessing.get_context("spawn")
    progress = context.Array("q", len(configs))
    stop = context.Event()
    order = sorted(range(len(configs)), key=lambda i: -configs[i].steps)
    done = {i: configs[i].steps for i in order if _finished(root / configs[i].key)}
    with ProcessPoolExecutor(workers, context, _begin, (progress, stop)) as executor:
        futures = {i: executor.submit(_run, i, configs[i], root / configs[i].key) for i in order if i not in done}
        try:
            with tqdm(total=sum(c.steps for c in configs), desc=title, unit="step", disable=None) as bar:
                pending: set[Future] = set(futures.values())
                while True:
                    # A diverged run is over before its last step.
                    done |= {i: configs[i].steps for i, future in futures.items() if future.done()}
                    bar.update(sum(done.get(i, progress[i]) for i in order) - bar.n)
                    if not pending:
                        break
                    pending = wait(pending, timeout=_POLL_SECONDS).not_done
        except BaseException:
            stop.set()
            executor.shutdown(cancel_futures=True)
            raise
    failures = [f"{configs[i].key}: {future.exception()!r}" for i, future in futures.items() if future.exception()]
    if failures:
        raise SweepError(f"{len(failures)} of {len(configs)} runs failed: " + "; ".join(failures))
    return [runs.load(root / config.key) for config in configs]


def _finished(directory: Path) -> bool:
    return (directory / "run.json").exists() and runs.load(directory).status != "running"


def _begin(progress, stop) -> None:
    """In each worker: one thread (the networks are small), and the means to report and to be stopped."""
    import torch

    global _report
    torch.set_num_threads(1)
    # An interrupt reaches the whole process group; the parent passes it on through `stop`.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A killed parent passes on nothing. Runs can be cut at any moment, so its workers just end.
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def _report(run: int, step: int) -> None:
        progress[run] = step
        if stop.is_set():
            raise KeyboardInterrupt


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _run(run: int, config: TrainConfig, directory: Path) -> None:
    from empirics.training import train

    train(config, directory, on_step=lambda step: _report(run, step))
