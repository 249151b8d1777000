"""What a sweep says before it starts, and how far it has come."""

import dataclasses
import re

import pytest

from genmem.empirics.records import runs
from genmem.empirics.records.overview import overview, progress_of
from genmem.empirics.training import estimate, plan
from genmem.empirics.training.estimate import Cost
from genmem.empirics.training.loop import train
from genmem.empirics.training.presets import PRESETS
from genmem.shared.errors import InputError
from tests.empirics.small import SMALL


def cost(seconds, size=0):
    return Cost(0.75 * seconds, 0.25 * seconds, size, 1000)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    config = dataclasses.replace(SMALL, steps=100, samples=32)
    return train(config, tmp_path_factory.mktemp("run"))


def test_the_estimated_disk_holds_the_run_and_little_more(record):
    size = sum(path.stat().st_size for path in record.directory.rglob("*.safetensors"))
    (estimated,) = estimate.costs([record.config])
    # Three checkpoints are counted, as one is written before the oldest of two is dropped. Headers are left out.
    assert 0.9 * size < estimated.bytes < 2 * size
    assert estimated.parameters == record.facts["parameters"]


def test_the_estimated_time_is_that_of_the_run(record):
    (estimated,) = estimate.costs([record.config])
    # The machine of a test may be busier at one time than at the other.
    assert 0.2 * record.wall_time < estimated.seconds < 5 * record.wall_time


def test_more_steps_and_a_bigger_batch_cost_more():
    small, long, big = estimate.costs(
        [
            dataclasses.replace(SMALL, steps=1000),
            dataclasses.replace(SMALL, steps=4000),
            dataclasses.replace(SMALL, steps=1000, batch_size=1200),
        ]
    )
    assert long.seconds > 2.5 * small.seconds and big.seconds > 5 * small.seconds
    assert small.bytes == big.bytes


def test_cifar10_is_not_fetched_for_an_estimate(monkeypatch):
    def refuse():
        raise AssertionError("fetched")

    monkeypatch.setattr("genmem.empirics.data.datasets.NAMED", {"cifar10": refuse})
    config = dataclasses.replace(PRESETS["marion-wu-cifar10"][0], width=8, batch_size=2, samples=10)
    assert estimate.costs([config])[0].seconds > 0


def test_workers_share_the_runs():
    assert plan.makespan([cost(3), cost(3), cost(2), cost(2), cost(2)], workers=2) == 7
    assert plan.makespan([cost(5)], workers=4) == 5


def test_the_plan_has_a_line_for_each_setting_and_the_sum():
    configs = [dataclasses.replace(SMALL, n=n, seed=seed) for n in (8, 16) for seed in (0, 1, 2)]
    lines = plan.plan_table(configs, [cost(60, 10**6)] * 6, workers=2).splitlines()
    assert len(lines) == 4 and [line.split()[0] for line in lines[1:3]] == ["3", "3"]
    assert lines[-1] == "6 runs: about 3.0 min with 2 at a time, 25% of it at milestones, at most 6.0 MB of disk"


@pytest.mark.parametrize(
    ("seconds", "text"), [(3, "3 s"), (89, "89 s"), (600, "10 min"), (7200, "2.0 h"), (86400 * 20, "20 d")]
)
def test_durations_are_read_at_a_glance(seconds, text):
    assert plan.duration(seconds) == text


def test_a_disk_too_small_is_refused_before_the_runs(tmp_path):
    plan.check_disk(tmp_path / "new", [cost(1, 10)])
    with pytest.raises(InputError, match=r"out must be on a disk with 1000 TB to spare, but .* are free"):
        plan.check_disk(tmp_path / "new", [cost(1, 10**15)])


def test_the_overview_tells_running_from_stopped(tmp_path):
    class Stopped(Exception):
        pass

    def stop(step):
        if step == 20:
            raise Stopped

    config = dataclasses.replace(SMALL, seed=7)
    directory = tmp_path / config.key
    with pytest.raises(Stopped):
        train(config, directory, stop)
    record = runs.load(directory)
    # The last milestone before step 20 is 15.
    assert record.steps.tolist()[-1] == 15
    stopped = progress_of(record)
    assert (stopped.status, stopped.step) == ("stopped", 15) and 0 < stopped.wall_time < 60
    with runs.open_for_writing(directory, config):
        assert progress_of(record).status == "running"
    train(config, directory)
    (ended,) = overview(tmp_path)
    assert (ended.status, ended.step, ended.key) == ("finished", 30, config.key)
    assert ended.wall_time > stopped.wall_time


def test_a_diverged_run_is_listed_as_such(tmp_path):
    config = dataclasses.replace(SMALL, optimizer="sgd", learning_rate=1e9, steps=200)
    train(config, tmp_path / config.key)
    assert [run.status for run in overview(tmp_path)] == ["diverged"]


def test_a_folder_without_runs_has_no_overview(tmp_path):
    with pytest.raises(InputError, match="holds none"):
        overview(tmp_path)


def test_a_size_is_given_in_words():
    assert re.search("1.5 kB of disk", plan.plan_table([SMALL], [cost(1, 1500)], 1))
