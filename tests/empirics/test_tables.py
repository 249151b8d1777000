import dataclasses
import json
import math

import numpy as np
import pytest

from genmem.empirics.analysis.claims import Finding
from genmem.empirics.analysis.measure import measure
from genmem.empirics.analysis.quality import Quality
from genmem.empirics.tables import tables
from tests.empirics.test_measure import curves


@pytest.fixture
def measurement():
    sizes = [curves(n, s, n / w * (1 + 0.05 * s), width=w) for n in (16, 32, 64) for w in (4, 8) for s in (0, 1)]
    return measure([*sizes, curves(128, 0, 16.0, end=300, width=4)])


def intervals(measurement):
    return [
        {
            event: (0.5 * getattr(run, event).value, math.inf if event == "copy" else 2 * getattr(run, event).value)
            for event in ("gen", "gap", "mem", "copy", "half")
        }
        for run in measurement.runs
    ]


def test_joint_laws_know_n_and_the_width(measurement):
    law = tables.joint_laws(measurement)["mem"]
    assert law.exponents["n"].value == pytest.approx(1, abs=0.05)
    assert law.exponents["W"].value == pytest.approx(-1, abs=0.05)
    assert math.isnan(law.exponents["B"].value)


def test_the_table_shows_each_run_each_cell_and_each_law(measurement):
    text = tables.times_table(measurement, intervals(measurement))
    lines = text.splitlines()
    assert len([line for line in lines if line.endswith("finished")]) == 13
    first = measurement.runs[0]
    assert f"{first.gen.value:.0f} ({first.gen.value / 2:.0f} to {2 * first.gen.value:.0f})" in lines[1]
    assert "or more)" in lines[1] and "> 300" in text
    assert len([line for line in lines if " 2 x " in line]) == 6
    assert "tau_mem ~ n^" in text and "jointly" in text and "1 censored" in text


def test_json_is_strict_and_keeps_what_is_unknown_as_null(measurement):
    quality = Quality(measurement.runs[0].record, "swd", measurement.runs[0].gen, 1.0, math.inf, 0.1, 0.01, 8)
    finding = Finding(1, "claimed", "measured", math.nan, -math.inf, math.inf, 3, 0, "not tested", "why")
    parts = [quality], [(math.nan,) * 3], [], {"digits": [finding]}, "pixels"
    text = tables.as_json(measurement, intervals(measurement), *parts)
    result = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert result["runs"][0]["copy"]["interval"][1] is None and result["quality"][0]["high"] is None
    assert result["quality"][0]["gen"]["censored"] is False and result["feature_space"] == "pixels"
    assert result["claims"]["digits"][0] == dataclasses.asdict(finding) | {"value": None, "low": None, "high": None}
    assert result["joint_exponents"]["mem"]["exponents"]["W"]["value"] == pytest.approx(-1, abs=0.05)


def test_the_claims_table_has_a_line_for_each_finding():
    rows = [
        Finding(1, "τ_mem ∝ n [B]", "exponent", 1.02, 0.9, 1.1, 12, 3, "agrees"),
        Finding(2, "τ_gen ∝ 1/W [B]", "exponent in W", math.nan, -np.inf, np.inf, 0, 0, "not tested", "one width"),
    ]
    rows += [
        dataclasses.replace(rows[0], low=0.31, high=4.7e14),
        dataclasses.replace(rows[0], low=-np.inf, high=np.inf),
    ]
    text = tables.claims_table({"digits": rows}, "random-conv")
    assert "0.31 or more" in text and "1.02  none" in text and "469" not in text
    assert "1.02  0.90 to 1.10" in text and "agrees (3 censored)" in text and "not tested: one width" in text
    # The feature space is named where a claim is about distances in it.
    assert text.splitlines()[0] == "data: digits"
    rows.append(dataclasses.replace(rows[0], quantity="SWD test/train at the end"))
    assert "random-conv" in tables.claims_table({"digits": rows}, "random-conv").splitlines()[0]
