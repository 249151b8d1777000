"""A run of more steps goes on from the one of fewer, and ends as if it had never stopped."""

import dataclasses
import shutil

import numpy as np
import pytest

from genmem.empirics.analysis.export import export
from genmem.empirics.records import runs, store
from genmem.empirics.records.overview import overview
from genmem.empirics.training.loop import train
from genmem.empirics.training.sweeps import sweep
from tests.empirics.small import SMALL
from tests.empirics.test_training import Stopped, recorded, stop_at

SHORT = dataclasses.replace(SMALL, steps=20)
LONG = dataclasses.replace(SMALL, steps=45)


def run(config, root, on_step=None):
    return train(config, root / config.key, on_step)


def last_checkpoint(record):
    """Without the best weights so far, which depend on the milestones."""
    arrays, _ = store.load(max((record.directory / "checkpoints").iterdir()))
    return {name: array.tobytes() for name, array in arrays.items() if not name.startswith("best.")}


def agree(continued, whole):
    """The weights and the optimizer at the end, and every milestone that both have, bit for bit."""
    assert continued.status == whole.status and last_checkpoint(continued) == last_checkpoint(whole)
    ours, theirs = recorded(continued.directory), recorded(whole.directory)
    common = ours.keys() & theirs.keys()
    assert len(common) >= 3 and all(ours[name] == theirs[name] for name in common)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"ema": 0.9, "dropout": 0.1, "warmup": 30, "flip": True},
        {"copies": 2, "optimizer": "sgd", "learning_rate": 0.01},
        {"stop": 0.9, "center": True},
    ],
    ids=str,
)
def test_a_finished_run_is_extended_to_the_numbers_of_one_that_never_ended(tmp_path, change):
    short, long = (dataclasses.replace(config, **change) for config in (SHORT, LONG))
    first = run(short, tmp_path / "root")
    before = recorded(first.directory)
    steps = []
    longer = run(long, tmp_path / "root", steps.append)
    assert steps == list(range(20, 46))  # no step twice
    agree(longer, run(long, tmp_path / "other"))
    # Milestones: those that were recorded, then those of the longer plan.
    assert longer.steps.tolist() == short.milestone_steps()[1:] + [step for step in long.milestone_steps() if step > 20]
    assert longer.facts["continued"] == {"from": short.key, "at": 20, "milestones": short.milestone_steps()}
    assert longer.config == long
    # The shorter run is untouched, and still done; in the folder the longer stands for both.
    assert recorded(first.directory) == before and runs.load(first.directory).status == "finished"
    assert [record.key for record in runs.find(tmp_path / "root")] == [long.key]
    assert [each.step for each in overview(tmp_path / "root")] == [45]


def test_a_run_is_extended_twice_and_may_be_stopped_between(tmp_path):
    middle = dataclasses.replace(SMALL, steps=30)
    run(SHORT, tmp_path / "root")
    run(middle, tmp_path / "root")
    with pytest.raises(Stopped):
        run(LONG, tmp_path / "root", stop_at(37))
    steps = []
    longer = run(LONG, tmp_path / "root", steps.append)
    assert steps[0] >= 30 and longer.facts["continued"]["from"] == middle.key and longer.facts["continued"]["at"] == 30
    agree(longer, run(LONG, tmp_path / "other"))
    assert [record.key for record in runs.find(tmp_path / "root")] == [LONG.key]


def test_an_interrupted_run_is_extended_too(tmp_path):
    with pytest.raises(Stopped):
        run(SHORT, tmp_path / "root", stop_at(15))
    steps = []
    longer = run(LONG, tmp_path / "root", steps.append)
    assert 0 < steps[0] <= 15
    agree(longer, run(LONG, tmp_path / "other"))


def test_a_damaged_checkpoint_costs_the_steps_since_the_one_before(tmp_path, caplog):
    first = run(SHORT, tmp_path / "root")
    before, last = sorted((first.directory / "checkpoints").iterdir())
    last.write_bytes(last.read_bytes()[:-3])
    steps = []
    longer = run(LONG, tmp_path / "root", steps.append)
    assert steps[0] == int(before.stem) and last.name in caplog.text
    agree(longer, run(LONG, tmp_path / "other"))


def test_what_is_not_the_beginning_is_left_alone(tmp_path):
    """Another seed, a longer run, other data, an export, a folder that is none, a run that diverged."""
    root = tmp_path / "root"
    run(dataclasses.replace(SHORT, seed=1), root)
    run(dataclasses.replace(SMALL, steps=60), root)
    export([run(SHORT, tmp_path / "elsewhere")], root, 2)
    (root / "broken").mkdir()
    (root / "broken" / "run.json").write_text("no json")
    changed = shutil.copytree(tmp_path / "elsewhere" / SHORT.key, root / "changed")
    facts = runs.load(changed).facts
    runs.write_facts(changed, facts | {"data_digest": "0"})
    steps = []
    record = run(LONG, root, steps.append)
    assert steps[0] == 0 and "continued" not in record.facts
    assert record.steps.tolist() == LONG.milestone_steps()[1:]
    wild = dataclasses.replace(SHORT, optimizer="sgd", learning_rate=1e12)
    assert run(wild, root).status == "diverged"
    assert "continued" not in run(dataclasses.replace(wild, steps=45), root).facts


def test_a_run_that_another_process_holds_is_not_taken(tmp_path):
    with pytest.raises(Stopped):
        run(SHORT, tmp_path, stop_at(15))
    with runs.open_for_writing(tmp_path / SHORT.key, SHORT):
        assert "continued" not in run(LONG, tmp_path).facts


@pytest.mark.slow
def test_a_sweep_is_continued(tmp_path):
    seeds = [dataclasses.replace(SHORT, seed=seed) for seed in (0, 1)]
    for config in seeds:
        run(config, tmp_path)
    records = sweep([dataclasses.replace(config, steps=25) for config in seeds], tmp_path, workers=1)
    assert [record.facts["continued"]["at"] for record in records] == [20, 20]
    assert [record.steps[-1] for record in records] == [25, 25] and len(runs.find(tmp_path)) == 2
    assert np.isfinite(records[0].loss(0.1)[1]).all()
