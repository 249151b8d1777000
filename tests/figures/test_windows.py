"""The windows' figure: its curves and times against a simulated network and dense curves, and what is drawn."""

import numpy as np
import pytest

from genmem.figures.drawing import style
from genmem.figures.pictures import windows
from genmem.theory import RandomFeatures, Spectrum, simulate
from genmem.theory.problem import Problem
from genmem.theory.timescales import timescales_of_curves
from tests.tolerances import FINITE_NETWORK, REFINED_TIME

PROBLEM = Problem(t=0.2, spectrum=Spectrum([0.5, 1.5]))


@pytest.fixture(scope="module")
def data():
    return windows.windows(PROBLEM, (4.0, 16.0, 1000.0), 16.0, points=60)


def test_times_are_those_of_dense_curves(data):
    model = RandomFeatures(16, 16, 0.2, spectrum=Spectrum([0.5, 1.5]))
    tau = np.geomspace(0.1, 1e5, 4000)
    curves = model.learning_curves(tau)
    read = timescales_of_curves(tau, curves.train, curves.test, initial=1.0)
    here = data.sel(psi_n=16)
    for kind in ("gen", "mem", "gap"):
        assert here[f"tau_{kind}"] == pytest.approx(getattr(read, kind), rel=REFINED_TIME)


def test_curves_are_those_of_a_simulated_network(data):
    """Well into memorization; fluctuations and corrections are of order 1/d. The next n would not pass."""
    early = data.sel(tau=slice(0, 2 * data.tau_mem.sel(psi_n=4))).isel(tau=slice(None, None, 6))
    model = RandomFeatures(4, 16, 0.2, spectrum=Spectrum([0.5, 1.5]))
    run = simulate(model, d=60, seed=0, tau=early.tau.values, draws=2)
    right, wrong = early.sel(psi_n=4), early.sel(psi_n=16)
    np.testing.assert_allclose(right.score * model.score_power, run.score, rtol=FINITE_NETWORK, atol=0.005)
    np.testing.assert_allclose(right.gap * right.fall, run.test - run.train, rtol=FINITE_NETWORK, atol=0.005)
    assert not np.allclose(wrong.score * model.score_power, run.score, rtol=FINITE_NETWORK, atol=0.005)


def test_the_gap_is_a_tenth_of_the_fall_at_tau_gap(data):
    for here in (data.sel(psi_n=4), data.sel(psi_n=16)):
        at = np.interp(np.log(here.tau_gap), np.log(here.tau), here.gap)
        assert at == pytest.approx(0.1, rel=0.03)


@pytest.mark.parametrize("width", [style.SINGLE, style.DOUBLE])
def test_bars_reach_from_tau_gen_to_tau_mem_and_curves_are_the_data(data, width):
    figure = windows.build(data, width)
    quality, gap, bars = (
        next(a for a in figure.axes if a.get_title("left") == t) for t in ("quality", "memorization", "when to stop")
    )
    colours = style.ordered(3)
    for k, colour in enumerate(colours):
        for axes, name in ((quality, "score"), (gap, "gap")):
            (line,) = (line for line in axes.lines if line.get_color() == colour and line.get_linestyle() != "None")
            np.testing.assert_array_equal(line.get_ydata(), data[name][k])
    drawn = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars.patches if bar.get_width() > 0][1::3]
    assert drawn[0] == pytest.approx((float(data.tau_gen[0]), float(data.tau_mem[0])))
    assert drawn[1] == pytest.approx((float(data.tau_gen[1]), float(data.tau_mem[1])))


def test_a_window_that_never_closes_is_open_at_the_end(data):
    assert np.isinf(data.tau_mem.sel(psi_n=1000))
    bars = windows.build(data).axes[1]
    words = [text.get_text() for text in bars.texts]
    assert words == ["too early", "stop here"]
    markers = [line for line in bars.lines if line.get_marker() == style.TIME_MARKERS["mem"]]
    assert len(markers) == 2
