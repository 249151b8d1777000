"""Theory against recorded runs: every number by another route, and verdicts that can go either way."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from genmem.empirics.analysis import comparison
from genmem.empirics.analysis.laws import Estimate
from genmem.empirics.analysis.mapping import map_of
from genmem.empirics.analysis.measure import measure
from genmem.empirics.data.datasets import load
from genmem.empirics.records.runs import find
from genmem.empirics.tables.comparison_text import comparison_json, comparison_text
from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, Spectrum
from tests.empirics.test_advice import T, pilots
from tests.empirics.test_commands import genmem
from tests.tolerances import MAP_SCALE, SAME_NUMBER

RECORDS = Path(__file__).parents[2] / "records"


@pytest.fixture(scope="module")
def found():
    """The comparison of made-up runs without samples, whose tau_gen follows the theory and whose tau_mem does not."""
    runs = pilots(spread=0.05)
    fitted = map_of(runs, T)
    return comparison.Comparison(
        T, fitted, comparison.exponents(runs, fitted), comparison.residuals(runs, fitted), [], {}
    )


def test_exponents_are_measured_and_predicted_by_two_routes_and_judged(found):
    rows = {(row.event, row.factor): row for row in found.exponents}
    assert list(rows) == [(event, factor) for event in ("gen", "gap", "mem", "copy") for factor in ("n", "W")]
    pool = load("digits").pool.reshape(-1, 64)
    psi_p = found.fitted.psi_p.value
    for event in ("gen", "gap", "mem"):
        times = [
            getattr(RandomFeatures(n / 64, psi_p, T, spectrum=Spectrum.from_data(pool)).timescales(), event)
            for n in (32, 64, 128)
        ]
        slope = np.polyfit(np.log([32, 64, 128]), np.log(times), 1)[0]
        assert rows[event, "n"].predicted.value == pytest.approx(slope, abs=MAP_SCALE)
        # One end of the range is the value itself where the fitted psi_p is that end; the other route rounds
        # differently.
        low, high = rows[event, "n"].predicted.low, rows[event, "n"].predicted.high
        assert low - SAME_NUMBER <= slope <= high + SAME_NUMBER
    # Made to go as n^1 and not as the theory, and as 1/W.
    mem = rows["mem", "n"]
    assert (mem.verdict, mem.verdict_on_law) == ("disagrees", "agrees") and abs(mem.measured.value - 1) < 0.1
    assert rows["mem", "W"].verdict_on_law == "agrees" and rows["mem", "W"].verdict == "not tested"
    assert (rows["gen", "n"].verdict, rows["gen", "n"].verdict_on_law) == ("agrees", "disagrees")


def test_residuals_are_measured_over_mapped_times(found):
    row = next(row for row in found.residuals if row.event == "mem")
    pool = load("digits").pool.reshape(-1, 64)
    model = RandomFeatures(row.run.record.config.n / 64, found.fitted.psi_p.value, T, spectrum=Spectrum.from_data(pool))
    scale = found.fitted.steps_per_tau_at({"W": row.run.record.config.width, "B": 64.0, "eta": 1e-3})
    assert row.factor == pytest.approx(row.run.mem.value / (scale * model.timescales().mem), rel=MAP_SCALE)


def test_the_text_says_where_an_interval_is_open_and_which_times_are_bounds(found):
    late = [dataclasses.replace(row, censored=True) for row in found.residuals]
    text = comparison_text(dataclasses.replace(found, residuals=late))
    assert f"{late[0].factor:.2f}" in text and f">{late[0].factor:.2f}" in text and "disagrees" in text
    assert comparison_text(found).count(">") < text.count(">")
    open_above = dataclasses.replace(found.fitted)
    object.__setattr__(open_above, "psi_p", Estimate(8.0, 4.0, math.inf))
    assert "psi_p = 8 (95 % interval: 4 to open)" in comparison_text(dataclasses.replace(found, fitted=open_above))


def test_the_json_is_complete_and_valid(found):
    values = json.loads(comparison_json(found), parse_constant=pytest.fail)
    assert len(values["residuals"]) == 3 * 18 and len(values["exponents"]) == 8
    assert values["map"]["steps_per_tau"]["value"] == found.fitted.steps_per_tau.value
    assert values["exponents"][1]["predicted"]["value"] is None


def test_the_random_features_run_is_compared_without_a_free_parameter(monkeypatch, capsys):
    rows = {row.event: row for row in comparison.compare(find(RECORDS / "random-features")).free}
    assert set(rows) == {"gen", "gap", "mem"}
    record = rows["gen"].run
    pool = load("digits").pool.reshape(-1, 64)
    model = RandomFeatures(record.config.n / 64, record.config.width / 64, 0.0997, spectrum=Spectrum.from_data(pool))
    assert rows["gen"].predicted == pytest.approx(model.timescales().gen, rel=0.02)
    steps = measure([record]).runs[0].gen.value
    # The theory's loss at the start is 1, the measured one 1 within a per cent.
    assert rows["gen"].measured == pytest.approx(steps * 2000 / 64**2, rel=0.01)
    assert abs(math.log(rows["gen"].measured / rows["gen"].predicted)) < 0.1
    genmem("compare", RECORDS / "random-features", monkeypatch=monkeypatch)
    assert "no free parameter" in capsys.readouterr().out


def test_runs_that_differ_otherwise_are_refused():
    records = find(RECORDS / "digits-cpu")
    facts = records[0].facts | {"config": dataclasses.asdict(dataclasses.replace(records[0].config, levels=3))}
    with pytest.raises(InputError, match="levels is 2 and 3"):
        comparison.compare([dataclasses.replace(records[0], facts=facts), *records[1:]])
