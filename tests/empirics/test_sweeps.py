import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch

from genmem.empirics.data import datasets
from genmem.empirics.records import runs
from genmem.empirics.training import estimate
from genmem.empirics.training.checks import OF_DATA, check_all
from genmem.empirics.training.cluster import at_once, connected, workers_for
from genmem.empirics.training.estimate import Cost
from genmem.empirics.training.loop import train
from genmem.empirics.training.plan import makespan
from genmem.empirics.training.sweeps import RETRIES, SweepError, measured_costs, sweep
from genmem.shared.errors import InputError
from tests.empirics.small import SMALL

CONFIGS = [dataclasses.replace(SMALL, seed=seed, steps=10 + seed) for seed in range(3)]


def test_all_runs_finish_in_order_and_are_not_repeated(tmp_path):
    records = sweep(CONFIGS, tmp_path, workers=2)
    assert [record.config for record in records] == CONFIGS
    assert all(record.status == "finished" and record.facts["threads"] == 1 for record in records)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    sweep(CONFIGS, tmp_path, workers=2)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == before


def test_a_bad_config_stops_the_sweep_before_it_starts(tmp_path):
    with pytest.raises(InputError, match="width"):
        sweep([*CONFIGS, dataclasses.replace(SMALL, width=5)], tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n": 5000}, "n must be at most 1285"),
        ({"data": "folder:nowhere"}, "nowhere"),
        ({"pixels": 1}, "levels must let 1 halvings divide"),
        ({"pixels": 3}, "pixels must"),
        ({"data": "digits", "classes": (11,)}, "classes must"),
    ],
)
def test_data_and_network_of_every_run_are_checked_before_the_first(tmp_path, change, words):
    """Whichever of the runs it is, and on whichever worker its data are read."""
    bad = dataclasses.replace(SMALL, **change)
    with pytest.raises(InputError, match=words):
        sweep([*CONFIGS, bad], tmp_path / "runs", workers=1)
    with pytest.raises(InputError, match=words):
        measured_costs([*CONFIGS, bad])
    assert not (tmp_path / "runs").exists()


def test_a_worker_elsewhere_checks_the_data_that_it_has(tmp_path, inside):
    with pytest.raises(InputError, match="n must be at most 1285"):
        sweep([dataclasses.replace(SMALL, n=5000)], tmp_path / "runs", scheduler=inside)
    assert not (tmp_path / "runs").exists()


def test_the_fields_on_which_data_depend_are_all_known():
    """What `of_config` looks at; n, the seed and the like say which of the images are trained on."""
    seen = set()

    class Watched:
        def __getattr__(self, name):
            seen.add(name)
            return getattr(dataclasses.replace(SMALL, pixels=4, grey=True, classes=(1, 2), center=True), name)

    datasets.of_config(Watched())
    assert {"data", "pixels"} < seen - {"n", "seed", "half", "balanced"} <= set(OF_DATA)


def test_a_launcher_that_starts_several_processes_is_told_what_to_use(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for call in (lambda: train(SMALL, tmp_path / "run"), lambda: sweep(CONFIGS, tmp_path / "run")):
        with pytest.raises(InputError, match="a run must have one process, but 2 .* genmem sweep"):
            call()
    assert not (tmp_path / "run").exists()
    monkeypatch.setenv("WORLD_SIZE", "1")
    check_all(CONFIGS)


@pytest.mark.parametrize(("asked", "runs", "given"), [(1, 3, 1), (3, 5, 3), (3, 2, 2), (None, 5, 2)])
def test_there_are_as_many_workers_as_asked_for_and_runs_to_do(asked, runs, given):
    assert workers_for(asked, runs) == given


def test_each_gpu_has_one_worker_unless_more_are_asked_for(monkeypatch):
    monkeypatch.setattr("genmem.empirics.training.cluster.gpus", lambda *_: 4)
    assert workers_for(None, 9) == 4 and workers_for(8, 9) == 8
    assert at_once(8) == 4 and at_once(3) == 3


@pytest.mark.parametrize("number", [1, 3])
def test_the_processes_of_this_machine_are_counted(number):
    with connected(None, number) as client:
        pids = client.run(lambda: (os.getpid(), signal.getsignal(signal.SIGINT) == signal.SIG_IGN))
        assert len(pids) == number == len(set(pids.values())) and os.getpid() not in dict(pids.values())
        assert all(deaf for _, deaf in pids.values())
        assert list(client.nthreads().values()) == [1] * number


def test_a_sweep_trains_and_is_timed_on_the_device_it_is_given(tmp_path, inside, monkeypatch):
    used = []

    def named(name):
        used.append(name)
        return torch.device("cpu")

    monkeypatch.setattr("genmem.empirics.training.device.device_named", named)
    estimate._step_seconds.cache_clear()
    measured_costs([SMALL], 1, device="mps")
    assert used == ["mps", "mps"]  # checked, timed
    measured_costs([SMALL], 1, inside, device="cuda")
    assert used[2:] == ["cuda", "cuda"]
    sweep([SMALL], tmp_path, scheduler=inside, device="mps")
    assert used[4:] == ["mps", "mps"]  # checked, trained
    estimate._step_seconds.cache_clear()


def test_a_device_that_is_not_there_is_refused_before_the_runs(tmp_path):
    with pytest.raises(InputError, match="device must be"):
        sweep([SMALL], tmp_path / "runs", device="tpu")
    assert not (tmp_path / "runs").exists()


def test_the_processor_has_two_workers_whatever_gpus_there_are(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    assert workers_for(None, 9, "cpu") == 2 and workers_for(None, 9, "cuda") == workers_for(None, 9) == 4
    assert at_once(10**6, "cpu") == os.cpu_count() or at_once(10**6, "cpu") == len(os.sched_getaffinity(0))
    assert at_once(10**6, "auto") == 4


def test_more_workers_than_cores_make_each_run_slower(monkeypatch):
    monkeypatch.setattr("genmem.empirics.training.sweeps.at_once", lambda workers, device: min(workers, 2))
    cost = Cost(45, 15, 1, 1)
    monkeypatch.setattr("genmem.empirics.training.estimate.costs", lambda configs, device: [cost] * len(configs))
    configs = [dataclasses.replace(SMALL, seed=seed) for seed in range(8)]
    for asked, seconds in ((1, 60), (2, 60), (4, 120), (16, 240)):
        costs, workers = measured_costs(configs, asked)
        assert workers == min(asked, 8) and {cost.seconds for cost in costs} == {seconds}
        assert makespan(costs, workers) == 480 / min(workers, 2)


SWEEP = """
import dataclasses, sys
from genmem.empirics.training.sweeps import sweep
from tests.empirics.small import SMALL
if __name__ == "__main__":
    sweep([dataclasses.replace(SMALL, seed=seed, steps=10**6) for seed in (0, 1)], sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_do_not_outlive_their_sweep(tmp_path, how):
    script = tmp_path / "sweep.py"
    script.write_text(SWEEP)
    root = tmp_path / "runs"
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    with subprocess.Popen([sys.executable, script, root], env=environment, start_new_session=True) as sweep:
        deadline = time.monotonic() + 120
        while len({path.parts[-3] for path in root.glob("*/milestones/*.safetensors")}) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        os.kill(sweep.pid, how)
        sweep.wait(30)
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(sweep.pid, 0)  # raises once the last process of the session has ended
            time.sleep(0.1)
    for seed in (0, 1):
        assert runs.load(root / dataclasses.replace(SMALL, seed=seed, steps=10**6).key).status == "running"


@pytest.fixture
def inside():
    """A scheduler with a worker in this process, so that a test can replace what it runs."""
    from distributed import LocalCluster

    with LocalCluster(1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0") as cluster:
        yield cluster.scheduler_address


def test_a_failed_run_is_named_and_the_others_finish(tmp_path, inside, monkeypatch):
    monkeypatch.setattr("genmem.empirics.training.sweeps._FREE_SECONDS", 0)
    config = CONFIGS[1]
    with runs.open_for_writing(tmp_path / config.key, config):
        with pytest.raises(SweepError, match=f"1 of 3 runs failed: {config.key}.*in use by another process"):
            sweep(CONFIGS, tmp_path, scheduler=inside)
    assert [runs.load(tmp_path / CONFIGS[i].key).status for i in (0, 2)] == ["finished", "finished"]


def test_a_run_in_use_is_waited_for(tmp_path, inside):
    lock = contextlib.ExitStack()
    lock.enter_context(runs.open_for_writing(tmp_path / SMALL.key, SMALL))
    threading.Timer(3, lock.close).start()
    assert sweep([SMALL], tmp_path, scheduler=inside)[0].status == "finished"


def failing(monkeypatch, failures, error):
    """Training that raises `error` the first times it is called; the calls so far."""
    from genmem.empirics.training.loop import train

    calls = []

    def flaky(*arguments, **options):
        calls.append(arguments[0].key)
        if len(calls) <= failures:
            raise error
        return train(*arguments, **options)

    monkeypatch.setattr("genmem.empirics.training.loop.train", flaky)
    return calls


def test_a_run_that_fails_is_tried_again_twice(tmp_path, inside, monkeypatch):
    calls = failing(monkeypatch, RETRIES, OSError(28, "No space left on device"))
    (record,) = sweep([SMALL], tmp_path, scheduler=inside)
    assert record.status == "finished" and calls == [SMALL.key] * 3


def test_a_run_that_fails_each_time_is_given_up_until_the_next_call(tmp_path, inside, monkeypatch):
    calls = failing(monkeypatch, RETRIES + 1, OSError(28, "No space left on device"))
    with pytest.raises(SweepError, match=f"1 of 1 runs failed: {SMALL.key}: OSError: .*No space left"):
        sweep([SMALL], tmp_path, scheduler=inside)
    assert len(calls) == 3
    assert sweep([SMALL], tmp_path, scheduler=inside)[0].status == "finished"


def test_a_worker_with_two_threads_trains_one_run_at_a_time(tmp_path, inside, monkeypatch):
    from genmem.empirics.training.loop import train

    inside_train, most = [], []

    def counted(*arguments, **options):
        inside_train.append(1)
        most.append(len(inside_train))
        try:
            return train(*arguments, **options)
        finally:
            inside_train.pop()

    monkeypatch.setattr("genmem.empirics.training.loop.train", counted)
    sweep(CONFIGS, tmp_path, scheduler=inside)
    assert most == [1, 1, 1]


def test_a_worker_on_another_file_system_is_noticed(tmp_path, inside, monkeypatch):
    monkeypatch.setattr("genmem.empirics.training.loop.train", lambda *arguments, **options: None)
    with pytest.raises(SweepError, match="left no record in .*, which all workers must share"):
        sweep([SMALL], tmp_path, scheduler=inside)


def test_a_diverged_run_is_a_result(tmp_path, inside):
    config = dataclasses.replace(SMALL, optimizer="sgd", learning_rate=1e9, steps=200)
    assert sweep([config], tmp_path, scheduler=inside)[0].status == "diverged"
    # And is not repeated: nobody is asked.
    assert sweep([config], tmp_path, scheduler="tcp://127.0.0.1:1")[0].status == "diverged"


def test_the_costs_are_measured_where_the_runs_go(inside):
    costs, workers = measured_costs([SMALL, CONFIGS[1]], 5, inside)
    assert len(costs) == 2 and costs[0].seconds > 0 and workers == 1
