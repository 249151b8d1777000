"""The figure of double descent: losses by simulation, the peak's place by the divergence at infinite time, artists."""

from dataclasses import replace

import numpy as np
import pytest

from genmem.figures.drawing import style
from genmem.figures.pictures import copies
from genmem.theory import RandomFeatures, simulate
from genmem.theory.problem import Problem
from tests.tolerances import FINITE_NETWORK


@pytest.fixture(scope="module")
def data():
    places = [(1.0, 1.0), (1.0, 2.0), (2.0, 4.0), (np.inf, 4.0)]
    return copies.double_descent(
        Problem(), np.geomspace(0.5, 32, 60), np.array([1.0, 2.0, 4.0, 8.0]), places, d=30, draws=8
    )


def test_prediction_and_simulated_points_agree(data):
    for k in range(data.place.size):
        here = data.isel(place=k)
        curve = data.test.sel(copies=here.simulated_copies)
        predicted = np.exp(np.interp(np.log(here.simulated_psi_p), np.log(data.psi_p), np.log(curve)))
        assert abs(predicted - here.simulated) < FINITE_NETWORK * predicted + 2 * here.standard_error
        # One copy more or less would not pass.
        others = data.test.sel(psi_p=here.simulated_psi_p, method="nearest").drop_sel(copies=here.simulated_copies)
        assert np.all(abs(others - here.simulated) > 0.1 * here.simulated)


def test_simulated_points_are_means_over_draws_of_the_exact_dynamics(data):
    run = simulate(RandomFeatures(2, 4, 0.1, copies=2), d=30, seed=2, tau=data.attrs["tau_shown"], draws=8)
    assert data.simulated[2] == pytest.approx(float(run.test), rel=1e-12)
    assert data.standard_error[2] == pytest.approx(float(run.standard_error["test"]), rel=1e-9)


@pytest.mark.parametrize("m", [1, 3, 8])
def test_the_loss_at_infinite_time_diverges_at_as_many_features_as_noised_points(m):
    """Like 1 / |p - n m| from both sides: the limit of the peak's place."""
    threshold = copies.PSI_N * m
    for side in (-1, 1):
        near, far = (
            RandomFeatures(copies.PSI_N, threshold * (1 + side * share), 0.1, copies=m).learning_curves(np.inf).test
            for share in (1e-5, 1e-4)
        )
        assert near / far == pytest.approx(10, rel=0.05)


def test_the_peak_moves_to_the_divergence_as_time_grows(data):
    away = abs(np.log(data.peak_psi_p / (copies.PSI_N * data.peak_copies)))
    assert np.all(away.sel(tau=1e6) < 0.02) and np.all(away.sel(tau=1e3) > away.sel(tau=1e6))
    assert data.exponent.sel(tau=1e6) == pytest.approx(1, abs=0.01)


def test_the_peak_is_the_highest_of_a_fine_grid(data):
    psi_p = np.geomspace(6, 12, 200)
    test = [float(RandomFeatures(2, p, 0.1, copies=4).learning_curves(1e5).test) for p in psi_p]
    top = int(np.argmax(test))
    assert 0 < top < 199
    here = data.sel(peak_copies=4, tau=1e5)
    assert psi_p[top - 1] < here.peak_psi_p < psi_p[top + 1]
    assert here.peak_test == pytest.approx(test[top], rel=1e-4)


def test_without_peak_there_is_no_place():
    """A strong ridge flattens it."""
    problem = replace(Problem(), ridge=1.0)
    data = copies.double_descent(problem, np.array([1.0, 2.0]), np.array([1.0, 2.0]), [(1.0, 1.0)], d=10, draws=2)
    assert np.all(np.isnan(data.peak_psi_p)) and np.all(np.isnan(data.exponent))


@pytest.mark.parametrize("width", [style.SINGLE, style.DOUBLE])
def test_lines_and_points_are_the_data(data, width):
    losses, peaks = copies.build(data, width).axes
    curves = [line for line in losses.lines if len(line.get_xdata()) == data.psi_p.size]
    np.testing.assert_array_equal([line.get_ydata() for line in curves], data.test)
    points = np.concatenate([bars.lines[0].get_xydata() for bars in losses.containers])
    expected = np.column_stack([data.simulated_psi_p, data.simulated])
    np.testing.assert_array_equal(points[np.lexsort(points.T)], expected[np.lexsort(expected.T)])
    for line, column in zip(peaks.lines, data.peak_psi_p.values.T):
        np.testing.assert_array_equal(line.get_ydata(), column)
