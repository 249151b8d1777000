"""The measured learning curves are those of the records, of one setting, and the figure draws them."""

import dataclasses

import numpy as np
import pytest

from genmem.empirics.analysis.measure import times_of
from genmem.empirics.records.runs import find
from genmem.figures.drawing import style
from genmem.figures.drawing.histories import histories, one_setting
from genmem.figures.pictures import training
from genmem.shared.errors import InputError
from genmem.shared.vocabulary import RECORDED
from tests.figures.recorded import write_run


@pytest.fixture(scope="module")
def records(runs):
    return find(runs)


def test_the_dataset_holds_the_records_curves_and_times(records):
    data = training.calculate(records)
    for k, record in enumerate(records):
        run = data.isel(run=k)
        train, test = record.loss(0.01)
        for name, values in {"step": record.steps, "train": train, "test": test, "f_mem": record.f_mem}.items():
            assert np.array_equal(run[name], values)
        assert (int(run.n), int(run.seed), str(run.key.values)) == (record.config.n, record.config.seed, record.key)
        for event in RECORDED:
            time = getattr(times_of(record), event)
            assert (float(run.tau.sel(event=event)), bool(run.censored.sel(event=event))) == (time.value, time.censored)


def test_shorter_runs_end_where_they_end(records, tmp_path):
    short = write_run(tmp_path, 32, 7, gen=150, mem=480, steps=300)
    run = histories([records[0], dataclasses.replace(short)]).isel(run=1)
    assert int(run.step.max()) == 300 and run.step.notnull().sum() == run.test.notnull().sum() == len(short.steps)


def test_the_setting_with_the_most_n_is_shown(records, tmp_path):
    others = [write_run(tmp_path, n, 0, gen=150, mem=480, width=16) for n in (32, 64)]
    diverged = write_run(tmp_path, 256, 0, gen=150, mem=480)
    diverged = dataclasses.replace(diverged, facts=diverged.facts | {"status": "diverged"})
    assert one_setting([*others, *records, diverged]) == records


@pytest.mark.parametrize("status", ["diverged"])
def test_runs_without_curves_are_refused_in_one_sentence(records, status):
    broken = [dataclasses.replace(record, facts=record.facts | {"status": status}) for record in records]
    for unusable in ([], broken):
        with pytest.raises(InputError, match="two milestones that did not diverge"):
            training.calculate(unusable)


@pytest.mark.parametrize("width", [style.SINGLE, style.DOUBLE])
def test_losses_and_fractions_are_drawn_in_one_colour_for_each_n(records, width):
    losses, copies = training.build(training.calculate(records), width).axes
    for k, record in enumerate(records):
        colour = style.ordered(3)[k // 2]
        train, test = record.loss(0.01)
        for line, values in (
            (losses.lines[2 * k], train),
            (losses.lines[2 * k + 1], test),
            (copies.lines[k], record.f_mem),
        ):
            assert np.array_equal(line.get_xdata(), record.steps) and np.array_equal(line.get_ydata(), values)
            assert line.get_color() == colour
