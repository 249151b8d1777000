"""The modes' figure: half times by the closed form and a simulated network, their law by its limit, artists."""

import numpy as np
import pytest

from genmem.figures.drawing import style
from genmem.figures.pictures import modes
from genmem.theory import RandomFeatures, Spectrum, simulate
from genmem.theory.problem import Problem
from tests.tolerances import FINITE_NETWORK

TWO = np.array([3.0, 0.3])


@pytest.fixture(scope="module")
def data():
    return modes.modes_of(Problem(t=0.2), {"isotropic": np.ones(1), "power law": TWO}, 16.0, 8.0)


def test_half_of_the_target_is_reached_at_the_half_time(data):
    model = RandomFeatures(16, 8, 0.2, spectrum=Spectrum(TWO))
    times = data.half_time.values[1:]
    share = model.learning_curves(times).modes / model.target_modes
    np.testing.assert_allclose(np.diag(share), 0.5, atol=1e-5)
    earlier = model.learning_curves(np.geomspace(1e-3, 0.999, 50)[:, None] * times).modes / model.target_modes
    assert np.all(earlier[:, [0, 1], [0, 1]] < 0.5)


def test_half_times_are_those_of_a_simulated_network(data):
    model = RandomFeatures(16, 8, 0.2, spectrum=Spectrum(TWO))
    run = simulate(model, d=60, seed=0, tau=data.tau.values)
    found = modes.half_times(data.tau.values, (run.modes / model.target_modes).T)
    np.testing.assert_allclose(found, data.half_time[1:], rtol=FINITE_NETWORK)
    assert found[1] > 3 * found[0]


def test_the_law_is_the_limit_of_many_points_and_larger_networks():
    """Exponent -1 in the variance of the noised data, and the factor log(2) / (2 b^2); closer the larger both are."""
    deviation = []
    for psi_n, psi_p in ((1e2, 1e1), (1e4, 1e2), (1e6, 1e3)):
        data = modes.modes_of(Problem(t=0.05, activation="erf"), {"power law": TWO}, psi_n, psi_p)
        deviation.append(float(abs(data.half_time / data.half_time_limit - 1).max()))
        assert abs(float(data.exponent[0]) + 1) < 0.5 / psi_p
    assert deviation[0] > 5 * deviation[1] > 25 * deviation[2]


def test_a_share_that_stays_below_one_half_has_no_half_time():
    tau = np.geomspace(1, 100, 20)
    found = modes.half_times(tau, np.stack([np.full(20, 0.4), tau / 20, 0.9 - tau / 100]))
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], [10, 40], rtol=1e-3)


def test_one_eigenvalue_has_no_exponent(data):
    assert np.isnan(data.exponent.sel(name="isotropic")) and np.isfinite(data.exponent.sel(name="power law"))


@pytest.mark.parametrize("width", [style.SINGLE, style.DOUBLE])
def test_lines_and_markers_are_the_data(width):
    covariances = {"isotropic": np.ones(1), "power law": TWO, "digits": np.array([2.0, 0.5, 0.0])}
    data = modes.modes_of(Problem(), covariances, 16.0, 8.0, points=41)
    noised = data.noised_variance.values[data.covariance == "digits"]
    data = data.assign(images_noised_variance=("image_mode", noised), images_half_time=("image_mode", 1 / noised))
    *learned, half, _ = modes.build(data, width).axes
    assert [axes.get_title("left") for axes in learned] == list(covariances)
    for axes, name in zip(learned, covariances, strict=True):
        curves = [line.get_ydata() for line in axes.lines if len(line.get_xdata()) == data.tau.size]
        np.testing.assert_array_equal(curves, data.learned[data.covariance.values == name])
    points = [line for line in half.lines if line.get_linestyle() == "None"]
    for line, name in zip(points, covariances, strict=False):
        here = data.isel(mode=data.covariance.values == name).sortby("noised_variance")
        np.testing.assert_array_equal(line.get_xydata(), np.column_stack([here.noised_variance, here.half_time]))
    np.testing.assert_array_equal(points[-1].get_ydata(), data.images_half_time)
