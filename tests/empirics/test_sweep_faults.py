"""Sweeps on a real scheduler and real workers on loopback, and what is left when one of them is killed."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from genmem.empirics.records.runs import find
from genmem.empirics.training.loop import train
from genmem.empirics.training.sweeps import SweepError, sweep
from genmem.shared.errors import InputError
from tests.empirics.small import SMALL

pytestmark = pytest.mark.slow
# Long enough to be caught in the middle; milestones, which are checkpoints too, at 2, 6, 20, 63 and 200.
LONG = [dataclasses.replace(SMALL, seed=seed, steps=200, samples=4) for seed in range(2)]


@contextlib.contextmanager
def dask(*arguments):
    """A process of Dask; killed at the end."""
    environment = os.environ | {"PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "dask", *map(str, arguments)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def free_port():
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def a_scheduler():
    port = free_port()
    with dask("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard", "--no-jupyter") as process:
        address = f"tcp://127.0.0.1:{port}"
        wait_for(lambda: answers(port))
        yield address, process


def answers(port):
    import socket

    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def a_worker(address, *options):
    return dask("worker", address, "--nthreads", 1, "--no-nanny", "--no-dashboard", "--memory-limit", 0, *options)


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def recorded(root):
    """When each milestone was written, up to the last checkpoint of its run."""
    return {
        path: path.stat().st_mtime_ns
        for checkpoint in root.glob("*/checkpoints/*.safetensors")
        for path in (checkpoint.parents[1] / "milestones").glob("*.safetensors")
        if path.stem <= checkpoint.stem
    }


def started(root):
    return any(int(path.stem) == 20 for path in recorded(root))


class Sweep(threading.Thread):
    """sweep in a thread; `finish` waits for it and returns its records or raises its error."""

    def __init__(self, root, address):
        super().__init__(daemon=True)
        self.root, self.address, self.records, self.error = root, address, None, None
        self.start()

    def run(self):
        try:
            self.records = sweep(LONG, self.root, scheduler=self.address)
        except Exception as error:
            self.error = error

    def finish(self):
        self.join(180)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error
        return self.records


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The runs that nobody stopped."""
    root = tmp_path_factory.mktemp("plain")
    return [train(config, root / config.key) for config in LONG]


def assert_same(records, plain):
    for record, undisturbed in zip(records, plain, strict=True):
        assert record.status == "finished" and record.key == undisturbed.key
        assert np.array_equal(record.steps, undisturbed.steps)
        assert np.array_equal(record.loss(0.1), undisturbed.loss(0.1))
        for step in record.steps:
            assert np.array_equal(record.distances(step), undisturbed.distances(step))


def test_a_killed_worker_costs_the_steps_since_the_last_checkpoint(tmp_path, plain):
    root = tmp_path / "runs"
    with a_scheduler() as (address, _), a_worker(address) as worker:
        sweep = Sweep(root, address)
        wait_for(lambda: started(root))
        worker.kill()
        worker.wait()
        kept = recorded(root)
        with a_worker(address):
            records = sweep.finish()
    # What was recorded before the kill was not computed again.
    assert kept.items() <= recorded(root).items()
    assert_same(records, plain)


def test_a_killed_scheduler_ends_the_sweep_and_the_same_call_goes_on(tmp_path, plain):
    root = tmp_path / "runs"
    with a_scheduler() as (address, scheduler), a_worker(address) as worker:
        sweep = Sweep(root, address)
        wait_for(lambda: started(root))
        scheduler.kill()
        with pytest.raises(SweepError, match="scheduler .* was lost .*the same command goes on"):
            sweep.finish()
        # Its worker ends too, and so frees the runs.
        worker.wait(60)
        kept = recorded(root)
    with a_scheduler() as (address, _), a_worker(address):
        records = Sweep(root, address).finish()
    assert kept.items() <= recorded(root).items()
    assert_same(records, plain)


def test_a_worker_that_is_retired_hands_its_run_to_another(tmp_path, plain):
    """As a batch system does at the end of a job; it is no failure of the run."""
    from distributed import Client

    root = tmp_path / "runs"
    with a_scheduler() as (address, _), a_worker(address, "--name", "old") as old:
        sweep = Sweep(root, address)
        wait_for(lambda: started(root))
        with a_worker(address), Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
            client.retire_workers(names=["old"])
            old.wait(60)
            assert_same(sweep.finish(), plain)


CALLER = """
import sys
from genmem.empirics.training.sweeps import sweep
from tests.empirics.test_sweep_faults import LONG
if __name__ == "__main__":
    sweep(LONG, sys.argv[1], scheduler=sys.argv[2])
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_without_its_caller_a_worker_stops_the_run_and_is_free_for_the_next_sweep(tmp_path, how, plain):
    root = tmp_path / "runs"
    with a_scheduler() as (address, _), a_worker(address):
        environment = os.environ | {"PYTHONPATH": os.getcwd()}
        with subprocess.Popen(
            [sys.executable, "-c", CALLER, root, address], env=environment, stderr=subprocess.DEVNULL
        ) as caller:
            wait_for(lambda: started(root))
            os.kill(caller.pid, how)
        records = Sweep(root, address).finish()
    assert_same(records, plain)


def test_a_worker_that_dies_each_time_is_a_failed_run(tmp_path, monkeypatch):
    """How often is the scheduler's own setting; here, once."""
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    root = tmp_path / "runs"
    with a_scheduler() as (address, _), a_worker(address) as worker:
        sweep = Sweep(root, address)
        wait_for(lambda: started(root))
        worker.kill()
        with a_worker(address):
            with pytest.raises(SweepError, match="of 2 runs failed: .*its worker died each time"):
                sweep.finish()


def test_an_address_where_nobody_answers_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("genmem.empirics.training.cluster._CONNECT_SECONDS", 1)
    for address in (f"tcp://127.0.0.1:{free_port()}", "nonsense://x"):
        with pytest.raises(InputError, match="scheduler must be the address of a running Dask scheduler"):
            sweep(LONG, tmp_path, scheduler=address)


def test_ctrl_c_in_a_terminal_ends_a_sweep_in_one_sentence_and_the_same_command_goes_on(tmp_path, plain):
    """The terminal sends the signal to the command, its nannies and its workers at once."""
    command = [sys.executable, "-m", "genmem", "sweep", "--ns", "16", "--seeds", "0", "1", "--workers", "2"]
    command += ["--steps", "150", "--width", "4", "--levels", "1", "--blocks", "1", "--batch-size", "16"]
    command += ["--test-images", "32", "--samples", "4", "--sampling-steps", "5", "--out", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, start_new_session=True, **pipes) as process:
        wait_for(lambda: any(tmp_path.glob("*/milestones/*.safetensors")) or process.poll() is not None)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "genmem: interrupted; the same command goes on where it stopped"
    assert "Traceback" not in said and "asyncio" not in said and "CancelledError" not in said, said
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert [record.status for record in find(tmp_path)] == ["finished", "finished"]
