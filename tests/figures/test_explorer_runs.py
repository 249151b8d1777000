"""Recorded runs on the theory's plane: steps in units of tau, and the regime a run was in."""

import math
from dataclasses import replace

import numpy as np
import pytest

from genmem.empirics.analysis.mapping import map_of
from genmem.empirics.analysis.measure import measure
from genmem.empirics.records.runs import find
from genmem.figures.explorer.runs import measured
from genmem.theory.phases import PHASES


@pytest.fixture(scope="module")
def laid(runs):
    return measured(find(runs))


def test_places_and_times_are_those_of_the_map(runs, laid):
    measurement = measure(find(runs))
    fitted = map_of(measurement.runs, laid[0].settings.t)
    unit = fitted.steps_per_tau.value
    assert [run.key for run in laid] == [run.record.key for run in measurement.runs]
    for shown, run in zip(laid, measurement.runs, strict=True):
        assert shown.settings.psi_n == run.record.config.n / 64 and shown.settings.data == "digits"
        assert np.isclose(shown.settings.psi_p, fitted.psi_p.value)
        assert np.allclose(shown.tau * unit, run.record.steps) and shown.test.shape == shown.tau.shape
        assert math.isinf(shown.mem) if run.mem.censored else np.isclose(shown.mem * unit, run.mem.value)
    assert any(math.isinf(run.mem) for run in laid) and any(math.isfinite(run.mem) for run in laid)


def test_a_run_is_underfit_then_generalizes_then_memorizes_and_tells_nothing_after_its_end(laid):
    run = next(run for run in laid if math.isfinite(run.mem))
    times = (0.5 * run.gen, math.sqrt(run.gen * run.mem), 2 * run.mem)
    assert [PHASES[run.phase(tau)] for tau in times] == ["underfit", "generalization", "memorization"]
    late = next(run for run in laid if math.isinf(run.mem))
    assert late.phase(0.99 * late.tau[-1]) == PHASES.index("generalization") and late.phase(1.01 * late.tau[-1]) == -1
    never = replace(late, gen=math.inf)
    assert never.phase(0.5 * late.tau[-1]) == PHASES.index("underfit") and never.phase(2 * late.tau[-1]) == -1
