"""The figures of strings, drawn of the recorded runs on grammars."""

from pathlib import Path

import numpy as np
import pytest

from genmem.empirics.analysis.levels import floor_of, levels_of
from genmem.empirics.analysis.measure import measure, times_of
from genmem.empirics.records.runs import find
from genmem.figures import catalogue
from genmem.figures.drawing import style
from genmem.figures.pictures import levels, memorization_law, string_phases
from genmem.shared.errors import InputError
from genmem.theory.problem import Problem

RECORDS = Path(__file__).parents[2] / "records"


@pytest.fixture(scope="module")
def runs():
    return find(RECORDS / "grammar-cpu")


@pytest.fixture(scope="module")
def chosen(runs):
    return levels.most_sizes(runs)


def test_the_curves_are_the_levels_less_chance_and_the_floor_lies_below_the_losses(chosen):
    data = levels.calculate(chosen)
    for r, record in enumerate(chosen):
        run, found = data.isel(run=r), levels_of(record)
        count = len(record.steps)
        np.testing.assert_allclose(run.excess[:count], (found.shares - found.chance) / (1 - found.chance))
        assert np.isnan(run.excess[count:]).all() and int(run.n) == record.config.n
        assert float(run.floor) == pytest.approx(floor_of(record, record.config.loss_times[0]))
        assert float(run.test.min()) > float(run.floor)
    figure = levels.build(data, style.SINGLE)
    assert len(figure.axes) == data.sizes["level"] + 1
    drawn = {line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "o"}
    assert drawn == set(data.best.values.tolist())


def test_a_column_changes_from_not_learned_over_levels_to_memorization(chosen):
    data = string_phases.calculate(chosen)
    for row, n in enumerate(data.n.values):
        of_n = [times_of(record) for record in chosen if record.config.n == n]
        phase, time = data.phase.values[row], data.time.values
        begins = np.inf
        for event in ("mem", "copy"):
            times = [getattr(each, event) for each in of_n]
            if not any(each.censored for each in times):
                mean = np.exp(np.mean([np.log(each.value) for each in times]))
                assert float(data[event][row]) == pytest.approx(mean)
                begins = min(begins, mean)
        assert (phase[(time >= begins) & np.isfinite(phase)] == -1).all() and (phase[time < begins] >= 0).all()
        assert phase[0] == 0  # nothing is learned at the first milestone
    assert len(string_phases.build(data, style.SINGLE).axes) == 1


def test_each_kind_of_data_has_the_exponent_of_its_own_runs(runs, tmp_path):
    digits = find(RECORDS / "digits-cpu")
    data = memorization_law.calculate([*runs, *digits])
    kinds = data.kind.values.tolist()
    assert "digits" in kinds and any(kind.startswith("grammar m=4,L=3") for kind in kinds)
    group = [record for record in runs if "m=4,s=2,L=3" in record.config.data and record.config.process == "masked"]
    law = data.sel(kind=memorization_law._kind(group[0]))
    expected = measure(group).exponents["mem"]
    assert [float(law[name]) for name in ("exponent", "low", "high")] == pytest.approx(
        [expected.value, expected.low, expected.high]
    )
    assert np.isfinite(expected.value)
    with pytest.raises(InputError, match="runs must show tau_mem at two numbers of training data"):
        memorization_law.calculate(runs[:1])
    # The command draws it of all folders at once.
    files = catalogue.make(["memorization-law"], Problem(), [digits, runs], tmp_path)["memorization-law"]
    assert len(files) == 5 and set(kinds) == set(_kinds(tmp_path))


def _kinds(folder):
    import xarray

    return xarray.load_dataset(folder / "memorization-law.nc").kind.values.tolist()


def test_images_have_no_levels():
    with pytest.raises(InputError, match="runs must hold at least one on strings of a grammar"):
        levels.calculate(find(RECORDS / "patches-cpu"))
