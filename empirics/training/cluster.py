"""The processes of a sweep: of this machine, or the workers of any Dask scheduler."""

import contextlib
import logging
import os
import signal
from collections.abc import Iterator

from genmem.shared.errors import InputError, count

RETRIES = 2
_CONNECT_SECONDS = 10
# On the processor, unless told.
_WORKERS = 2


def workers_for(workers: int | None, runs: int, device: str | None = None) -> int:
    """How many processes of this machine train `runs` runs: as asked, but no more than there are runs.

    None: two, or one for each GPU that `device` allows, if there is one. Raises InputError if `workers` is no number of
    processes.
    """
    if workers is None:
        workers = gpus(device) or _WORKERS
    return min(count("workers", workers), max(runs, 1))


def at_once(workers: int, device: str | None = None) -> int:
    """How many runs go at full speed: no more than there are processor cores or, if there is one, GPUs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(workers, gpus(device) or cores)


def gpus(device: str | None = None) -> int:
    """How many GPUs torch sees, if `device` (as in device.py) is not another."""
    import torch

    return torch.cuda.device_count() if device in (None, "auto", "cuda") else 0


@contextlib.contextmanager
def connected(scheduler: str | None, workers: int) -> Iterator:
    """A client of the scheduler at that address, or of one with `workers` processes that live as long as this context.

    Raises InputError if the scheduler does not answer.
    """
    import dask
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError(
                "scheduler must be the address of a running Dask scheduler, as tcp://host:8786, but "
                f"{scheduler!r} was given: {error}"
            ) from None
        with client:
            yield client
        return
    settings = {
        "distributed.scheduler.allowed-failures": RETRIES,
        # It would look into the training thread a hundred times a second.
        "distributed.worker.profile.enabled": False,
        "distributed.worker.preload": [__name__],
    }
    local = {
        "n_workers": workers,
        "threads_per_worker": 1,
        # Dask's manager would kill workers by their share of the memory, of which it knows less than the system.
        "memory_limit": None,
        "dashboard_address": "127.0.0.1:0",
        # It warns of workers that take some seconds to unload torch, and of those that an interrupt takes away. What a
        # run died of comes back with its future.
        "silence_logs": logging.CRITICAL,
    }
    with (
        dask.config.set(settings),
        LocalCluster(**local) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def dask_setup(worker) -> None:
    """Called by Dask in each new worker of this machine: an interrupt from the keyboard is its parent's business.

    It reaches all processes of the terminal. The parent closes its workers, which then leave without a traceback each.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def choose_gpu(worker) -> None:
    """In a thread of a worker of this machine: its share of the GPUs. Workers elsewhere see the one they use."""
    import torch

    # Workers of this machine are numbered; others have an address or a name of their own.
    if isinstance(worker.name, int) and torch.cuda.is_available():
        torch.cuda.set_device(worker.name % torch.cuda.device_count())
