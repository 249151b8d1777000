"""The collapse of made-up runs whose copies appear at 15 n: perfect in n, and destroyed by a wrong scale."""

import dataclasses

import numpy as np
import pytest

from genmem.empirics.analysis.collapse import collapse_of, normalised_scale
from genmem.empirics.records.runs import find
from genmem.figures.drawing import style
from genmem.figures.pictures import collapse
from genmem.shared.errors import InputError
from tests.figures.recorded import write_run


@pytest.fixture(scope="module")
def records(runs):
    return find(runs)


@pytest.fixture(scope="module")
def data(records):
    return collapse.calculate(records)


def test_spreads_are_those_of_the_collapse_in_the_normalised_step(data, records):
    """With n alone varied the scale is that of Marion and Wu."""
    assert data.factor.values.tolist() == ["n"]
    assert np.allclose(data.scale, normalised_scale(records))
    for quantity in ("gap", "f_mem"):
        found = collapse_of(records, quantity)
        here = data.sel(factor="n", quantity=quantity)
        for name in ("before", "after", "low", "high", "chance"):
            assert float(here[name]) == pytest.approx(getattr(found, name))


def test_copies_at_fifteen_n_collapse(data):
    copies = data.sel(factor="n", quantity="f_mem")
    assert copies.after < 0.3 * copies.before


def test_each_parameter_that_was_varied_alone_has_a_row(records, tmp_path):
    rates = [
        write_run(tmp_path, 32, 0, gen=150, mem=480, steps=1500, milestones=20, learning_rate=rate)
        for rate in (1e-3, 4e-3)
    ]
    wide = write_run(tmp_path, 32, 0, gen=150, mem=480, steps=1500, milestones=20, width=16)
    data = collapse.calculate([*records, *rates[1:], wide])
    assert data.factor.values.tolist() == ["n", "width", "learning_rate"]
    swept = data.isel(run=np.flatnonzero(data.sweep.values == "learning_rate"))
    assert set(swept.learning_rate.values) == {1e-3, 4e-3} and set(swept.n.values) == {32}
    assert np.allclose(swept.scale, swept.learning_rate / 1e-3)


def test_runs_that_differ_in_nothing_alone_are_refused(records):
    same = [record for record in records if record.config.n == 64]
    with pytest.raises(InputError, match="alone"):
        collapse.calculate(same)


def test_levels_that_no_run_reaches_leave_the_spread_unknown(records):
    late = [dataclasses.replace(record) for record in records if record.config.n == 128]
    early = [record for record in records if record.config.n == 64][:1]
    data = collapse.calculate([*late, *early])
    assert np.isnan(data.before.sel(quantity="f_mem")) and np.isfinite(data.before.sel(quantity="gap"))
    assert [axes.get_title("right") for axes in collapse.build(data).axes] == ["", ""]


@pytest.mark.parametrize("width", [style.SINGLE, style.DOUBLE])
def test_curves_are_drawn_against_steps_and_rescaled_steps(data, width):
    axes = collapse.build(data, width).axes
    assert len(axes) == 2
    here = data.sel(factor="n", quantity="f_mem")
    for panel, scale, spread in zip(axes, (np.ones(6), data.scale.values), (here.before, here.after), strict=True):
        for k, line in enumerate(panel.lines):
            seen = data.step[k].notnull()
            np.testing.assert_allclose(line.get_xdata()[seen], data.step[k][seen] * scale[k])
            np.testing.assert_array_equal(line.get_ydata(), data.f_mem[k])
        assert panel.get_title("right") == f"spread {float(spread):.2f}"
