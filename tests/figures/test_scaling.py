"""The scaling figure: times by a simulated network, exponents by their integral, thresholds by both sides, artists."""

import numpy as np
import pytest

from genmem.figures.drawing import style
from genmem.figures.pictures import scaling
from genmem.theory import RandomFeatures, Spectrum, simulate
from genmem.theory.problem import Problem
from genmem.theory.timescales import timescales_of_curves
from tests.tolerances import FINITE_NETWORK, SAME_NUMBER

PROBLEM = Problem(t=0.2, spectrum=Spectrum([0.5, 1.5]))
SPECTRUM = Spectrum([0.5, 1.5])


@pytest.fixture(scope="module")
def data():
    along = {"psi_n": np.geomspace(1, 400, 40), "psi_p": np.geomspace(2, 64, 20)}
    return scaling.scaling(PROBLEM, along, {"psi_n": (2.0, 16.0, 2e4), "psi_p": (4.0, 16.0, 512.0)})


def test_times_are_those_of_a_simulated_network(data):
    tau = np.geomspace(0.3, 1e3, 120)
    run = simulate(RandomFeatures(2, 4, 0.2, spectrum=SPECTRUM), d=100, seed=0, tau=tau, draws=2)
    read = timescales_of_curves(tau, run.train, run.test, initial=1.0)
    along_n = data.tau_along_psi_n.sel(fixed_psi_p=4)
    along_p = data.tau_along_psi_p.sel(fixed_psi_n=2)
    for event in scaling.PREDICTED:
        for curve, axis, place in ((along_n, "psi_n", 2), (along_p, "psi_p", 4)):
            here = np.interp(np.log(place), np.log(data[axis]), curve.sel(event=event))
            assert here == pytest.approx(getattr(read, event), rel=FINITE_NETWORK)


@pytest.mark.parametrize("axis, fixed", [("psi_n", {"fixed_psi_p": 512}), ("psi_p", {"fixed_psi_n": 16})])
def test_exponents_integrate_to_the_times(data, axis, fixed):
    """By the trapezoidal rule, away from the divergence and from the jump of tau_mem at few points."""
    here = data.sel({axis: slice(20, 60), **fixed})
    log_psi = np.log(here[axis].values)
    for event in scaling.PREDICTED:
        tau, exponent = (here[f"{name}_along_{axis}"].sel(event=event).values for name in ("tau", "exponent"))
        grown = np.sum(np.diff(log_psi) * (exponent[1:] + exponent[:-1]) / 2)
        assert log_psi.size > 4
        assert grown == pytest.approx(np.log(tau[-1] / tau[0]), rel=0.02, abs=1e-4)


def test_many_points_and_larger_networks_follow_the_law(data):
    """For 1 << psi_n << psi_p: 0 for tau_gen and 1 for tau_mem in n, within what psi_n / psi_p leaves."""
    here = data.exponent_along_psi_n.sel(fixed_psi_p=512, psi_n=slice(50, 200))
    assert np.all(abs(here.sel(event="gen")) < 0.05)
    assert np.all(abs(here.sel(event="mem") - 1) < 0.2)


def test_tau_mem_is_infinite_beyond_the_thresholds_and_finite_before(data):
    n, p = float(data.threshold_psi_n.sel(fixed_psi_p=16)), float(data.threshold_psi_p.sel(fixed_psi_n=16))
    below, above = 1 - 2e-3, 1 + 2e-3

    def mem(psi_n, psi_p):
        return RandomFeatures(psi_n, psi_p, 0.2, spectrum=SPECTRUM).timescales().mem

    assert np.isfinite(mem(n * below, 16)) and np.isinf(mem(n * above, 16))
    assert np.isfinite(mem(16, p * above)) and np.isinf(mem(16, p * below))
    # Out of reach on either axis.
    assert np.isnan(data.threshold_psi_p.sel(fixed_psi_n=2e4)) and np.isnan(data.threshold_psi_n.sel(fixed_psi_p=512))


def test_a_diverging_time_is_approached_and_has_no_exponent_beyond(data):
    here = data.sel(fixed_psi_p=16, event="mem")
    threshold = float(here.threshold_psi_n)
    exponent = here.exponent_along_psi_n
    close = exponent.sel(psi_n=slice(0.9 * threshold, threshold))
    assert close.size >= 6 and np.all(np.diff(close) > 0) and close[-1] > 10
    beyond = exponent.sel(psi_n=slice(1.01 * threshold, None))
    assert beyond.size and np.all(np.isnan(beyond))


def test_times_at_the_axis_points_are_exact(data):
    place = data.psi_n[7]
    exact = RandomFeatures(float(place), 4, 0.2, spectrum=SPECTRUM).timescales()
    found = data.tau_along_psi_n.sel(fixed_psi_p=4, psi_n=place)
    np.testing.assert_allclose(found, [exact.gen, exact.gap, exact.mem], rtol=100 * SAME_NUMBER)


@pytest.mark.parametrize("width", [style.SINGLE, style.DOUBLE])
def test_each_line_is_the_data_where_it_is_finite(data, width):
    figure = scaling.build(data, width)
    panels = np.reshape(figure.axes, (2, 2)).T if width == style.DOUBLE else np.reshape(figure.axes, (2, 2))
    for row, axis in zip(panels, ("psi_n", "psi_p"), strict=True):
        for axes, quantity in zip(row, ("tau", "exponent"), strict=True):
            values = data[f"{quantity}_along_{axis}"]
            for event in scaling.PREDICTED:
                lines = [line for line in axes.lines if line.get_color() == style.TIME_COLOURS[event]]
                for line, expected in zip(lines, values.sel(event=event).values, strict=True):
                    finite = np.isfinite(expected)
                    np.testing.assert_array_equal(np.asarray(line.get_ydata(), float)[finite], expected[finite])
                    assert np.all(np.isnan(np.asarray(line.get_ydata(), float)[~finite]))
