"""The times: on curves with known answers, against the published table, and their law in n."""

import numpy as np
import pytest

from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, Spectrum
from genmem.theory.timescales import Fractions, timescales_of_curves
from tests.tolerances import REFINED_TIME, TIMES_TABLE

# Of an independent prototype of docs/theory.md, sections 5 and 6: (psi_p, t, psi_n) -> (gen, mem, gap)
TABLE = {
    (1024, 0.1, 16): (9.933, 813.1, 34.81),
    (1024, 0.1, 64): (10.783, 4484, 595.7),
    (1024, 0.1, 128): (11.002, 8972, 1371),
    (1024, 0.1, 256): (11.129, 17043, 2940),
    (256, 0.01, 16): (88.07, 2221, 177.2),
    (256, 0.01, 64): (97.54, 16539, 2154.5),
    (256, 0.01, 128): (100.17, 33286, 5360),
    (256, 0.01, 256): (101.76, 62282, 11907),
}


def test_a_curve_with_known_times():
    """test = 0.5 + (log tau)^2 / 50 from log tau = -5 on, train = test - 0.01 (log tau + 5)."""
    log_tau = np.linspace(-5, 5, 2001)
    test = 0.5 + log_tau**2 / 50
    times = timescales_of_curves(np.exp(log_tau), test - 0.01 * (log_tau + 5), test, initial=1.0)
    assert times.minimum == pytest.approx(1.0) and times.loss_min == pytest.approx(0.5)
    assert np.log(times.gen) == pytest.approx(-np.sqrt(50 * 0.025), abs=1e-4)
    assert np.log(times.mem) == pytest.approx(np.sqrt(50 * 0.05), abs=1e-4)
    assert np.log(times.gap) == pytest.approx(0.0, abs=1e-9)


def test_events_that_do_not_happen_are_infinite():
    tau, test = np.array([1.0, 2.0, 3.0]), np.array([0.9, 0.5, 0.52])
    times = timescales_of_curves(tau, test, test, initial=1.0)
    assert times.mem == np.inf and times.gap == np.inf and times.gen < 2.0
    assert timescales_of_curves(tau, test, test, initial=1.0, floor=0.1).gen == np.inf
    assert timescales_of_curves(tau, [2, 3, 4], [2, 3, 4], initial=1.0).gen == np.inf


def test_a_sample_at_zero_is_the_initial_loss():
    with_zero = timescales_of_curves([0, 1, 2, 4], [1, 0.8, 0.5, 0.4], [1, 0.8, 0.5, 0.9])
    without = timescales_of_curves([1, 2, 4], [0.8, 0.5, 0.4], [0.8, 0.5, 0.9], initial=1.0)
    assert with_zero == without


@pytest.mark.parametrize("tau", [[1, 1, 2], [2, 1, 3], [1, 2, np.nan], [1, 2]])
def test_bad_curves_are_refused(tau):
    with pytest.raises(InputError, match="tau"):
        timescales_of_curves(tau, [1, 1, 1], [1, 1, 1])


@pytest.mark.parametrize("value", [0, 1, -0.1, np.nan])
def test_bad_fractions_are_refused(value):
    with pytest.raises(InputError, match="fractions.mem"):
        Fractions(mem=value)


@pytest.mark.parametrize("key", TABLE, ids=str)
def test_published_table(key):
    psi_p, t, psi_n = key
    times = RandomFeatures(psi_n, psi_p, t).timescales()
    np.testing.assert_allclose([times.gen, times.mem, times.gap], TABLE[key], rtol=TIMES_TABLE)


@pytest.mark.parametrize("psi_n, psi_p, t", [(2, 4, 0.1), (16, 64, 0.1), (0.5, 0.5, 1.0), (100, 3, 0.01)])
def test_refined_times_agree_with_a_dense_curve(psi_n, psi_p, t):
    model = RandomFeatures(psi_n, psi_p, t, "erf", Spectrum([0.1, 1.5], [0.4, 0.6]))
    tau = np.geomspace(1e-2, 1e7, 3000)
    c = model.learning_curves(tau)
    dense, exact = timescales_of_curves(tau, c.train, c.test, initial=1.0), model.timescales()
    for name in ("gen", "mem", "gap"):
        assert getattr(exact, name) == pytest.approx(getattr(dense, name), rel=REFINED_TIME), name
    assert exact.loss_min == pytest.approx(dense.loss_min, rel=1e-7)


def test_wide_enough_data_means_architectural_regularization():
    assert np.isfinite(RandomFeatures(256, 64, 0.1).timescales().mem)
    assert RandomFeatures(512, 64, 0.1).timescales().mem == np.inf
    assert RandomFeatures(1024, 64, 0.1).timescales().mem == np.inf


def test_memorization_time_is_proportional_to_n_where_theory_says_so():
    """1 << psi_n << psi_p: exponent one (Bonnaire et al., arXiv:2505.17638); near psi_p it falls below."""
    n = np.array([256, 512])
    far, near = ([RandomFeatures(k, p, 0.1).timescales().mem for k in n] for p in (8192, 512))
    slope = lambda times: np.diff(np.log(times))[0] / np.log(2)  # noqa: E731
    assert slope(far) == pytest.approx(1.0, abs=0.05) and slope(near) < 0.93


def test_generalization_time_saturates_in_n():
    a, b = (RandomFeatures(n, 1024, 0.1).timescales().gen for n in (64, 128))
    assert 1.01 < b / a < 1.03


def test_with_the_bayes_floor_few_data_never_generalize():
    few, many = (RandomFeatures(n, 64, 0.1).timescales(floor="bayes").gen for n in (0.5, 64))
    assert few == np.inf and np.isfinite(many)


def test_a_dip_below_the_floor_between_two_points_of_the_sweep_is_found():
    """The minimum is 4.6 % of the fall above the Bayes loss, and the curve is within 5 % for less than a step."""
    model = RandomFeatures(7.37, 53, 0.1)
    times = model.timescales(floor="bayes")
    level = model.bayes_loss + 0.05 * (1 - model.bayes_loss)
    assert times.loss_min < level
    assert model.learning_curves(times.gen).test == pytest.approx(level, rel=1e-9) and times.gen < times.minimum
    assert RandomFeatures(6.0, 53, 0.1).timescales(floor="bayes").gen == np.inf


@pytest.mark.parametrize("floor", ["bayess", 1.0, -0.2, np.nan])
def test_bad_floors_are_refused(floor):
    with pytest.raises(InputError, match="floor"):
        RandomFeatures(2, 2, 0.1).timescales(floor=floor)


@pytest.mark.parametrize(
    "psi_n, psi_p, t, copies", [(0.5844, 0.8819, 3.79e-4, 2), (2, 8, 0.1, 4), (16.5, 4184, 3.9e-4, 4.5)]
)
def test_times_settle_where_the_test_loss_hardly_falls_or_diverges(psi_n, psi_p, t, copies):
    """Two copies at tiny t: the loss rises almost from the start; n m = p: it rises to infinity."""
    times = RandomFeatures(psi_n, psi_p, t, copies=copies).timescales()
    assert times.gen < times.minimum < times.mem < np.inf and times.loss_min < 1
