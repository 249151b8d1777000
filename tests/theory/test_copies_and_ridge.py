"""Finite noise copies, ridge, infinite time, bias and variance: against published values and independent identities."""

import json
from pathlib import Path

import numpy as np
import pytest

from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, Spectrum
from tests.theory.talbot import rule
from tests.tolerances import LIMIT, PUBLISHED, REFERENCE_CURVES, ROUNDING, SAME_NUMBER

REFERENCES = json.loads((Path(__file__).parents[1] / "reference" / "reference_curves.json").read_text())
TWO_ATOMS = Spectrum([0.5, 1.5], [0.5, 0.5])


@pytest.mark.parametrize("entry", [r for r in REFERENCES if r["copies"]], ids=lambda r: f"copies={r['copies']}")
def test_reference_curves_at_finite_copies(entry):
    spectrum = Spectrum(entry["eigenvalues"], entry["weights"])
    model = RandomFeatures(entry["psi_n"], entry["psi_p"], entry["t"], "tanh", spectrum, copies=entry["copies"])
    curves = model.learning_curves(entry["tau"])
    for name in ("train", "test", "score"):
        np.testing.assert_allclose(getattr(curves, name), entry[name], rtol=REFERENCE_CURVES)


# Urfin, Bonnaire, Biroli, Mézard, Double Descent and Malign Overfitting in Diffusion Models (2026): tanh, t = 0.1,
# tau = inf.
@pytest.mark.parametrize(
    "psi_n, copies, psi_p, test, bias, variance",
    [
        (16, 16, 1, 0.87047, 0.04677, 0.23864),
        (16, 16, 4, 0.86106, 0.00754, 0.22596),
        (16, 16, 64, 1.86322, 2.58725, 3.17485),
        (16, 16, 1024, 2.94380, 10.92511, 0.79814),
        (8, 4, 2, None, 0.00094, 0.49999),
        (8, 4, 32, None, 1.89517, 9.26421),
        (8, 4, 128, None, 2.69755, 1.86365),
    ],
)
def test_published_values_at_infinite_time(psi_n, copies, psi_p, test, bias, variance):
    c = RandomFeatures(psi_n, psi_p, 0.1, copies=copies, ridge=1e-3).learning_curves(np.inf)
    assert c.bias == pytest.approx(bias, abs=PUBLISHED)
    assert c.variance == pytest.approx(variance, abs=PUBLISHED)
    if test is not None:
        assert c.test == pytest.approx(test, abs=PUBLISHED)


@pytest.mark.parametrize("copies, test", [(1, 0.93292), (4, 1.38521), (16, 2.85357)])
def test_published_values_of_the_infinitely_wide_network(copies, test):
    c = RandomFeatures(8, 1e8, 0.1, copies=copies).learning_curves(np.inf)
    assert c.test == pytest.approx(test, abs=PUBLISHED) and c.train == 0
    assert c.bias + c.variance == pytest.approx(c.score, rel=1e-12)


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 0.3])
@pytest.mark.parametrize("copies", [1, 2.5, 8, np.inf])
@pytest.mark.parametrize("psi_p", [0.7, 6, 90])
def test_infinite_time_is_the_limit(copies, ridge, psi_p):
    c = RandomFeatures(2, psi_p, 0.2, "erf", TWO_ATOMS, copies, ridge).learning_curves([1e13, np.inf])
    for name in ("train", "penalised", "test", "empirical", "bias", "variance"):
        early, limit = getattr(c, name)
        assert early == pytest.approx(limit, rel=LIMIT, abs=1e-9), name


def test_the_interpolation_threshold_diverges_without_ridge():
    c = RandomFeatures(2, 8, 0.1, copies=4).learning_curves([10.0, np.inf])
    assert np.isinf(c.test[1]) and c.train[1] == 0 and np.isfinite(c.test[0])
    # A size that is a rounding error away, as a grid may hold it, is the threshold too.
    for p in (np.nextafter(8, 0), np.nextafter(8, 9)):
        assert np.isinf(RandomFeatures(2, p, 0.1, copies=4).learning_curves(np.inf).test)
    beside = [RandomFeatures(2, p, 0.1, copies=4).learning_curves(np.inf).test for p in (7.9, 7.99, 8.01, 8.1)]
    # The peak is a simple pole in the distance to the threshold, on both sides.
    assert beside[1] / beside[0] == pytest.approx(10, rel=0.2) and beside[2] / beside[3] == pytest.approx(10, rel=0.2)
    assert np.isfinite(RandomFeatures(2, 8, 0.1, copies=4, ridge=1e-6).learning_curves(np.inf).test)


def test_many_copies_approach_the_exact_noise_average_like_one_over_m():
    tau = [1.0, 30.0, 1e3]
    exact = RandomFeatures(2, 4, 0.1).learning_curves(tau).test
    gap = [np.abs(RandomFeatures(2, 4, 0.1, copies=m).learning_curves(tau).test - exact).max() for m in (1e3, 1e4)]
    assert np.log10(gap[0] / gap[1]) == pytest.approx(1, abs=0.02)


def test_the_empirical_loss_lies_between_train_and_test_and_meets_train_for_many_copies():
    tau = np.geomspace(0.1, 1e5, 12)
    c = RandomFeatures(2, 4, 0.1, copies=3).learning_curves(tau)
    # Early on, where train and test have not parted, the network's first steps favour neither.
    assert np.all(c.train < c.empirical) and np.all(c.empirical[tau > 10] < c.test[tau > 10])
    many = RandomFeatures(2, 4, 0.1, copies=1e9).learning_curves(tau)
    np.testing.assert_allclose(many.empirical, many.train, rtol=1e-5)
    exact = RandomFeatures(2, 4, 0.1).learning_curves(tau)
    assert np.array_equal(exact.empirical, exact.train)


@pytest.mark.parametrize(
    "psi_p, copies, expected",
    # Of an independent prototype, whose values two draws of the network with its noise integrated confirmed.
    [
        (4, 4, [0.9618, 0.8722, 0.8068, 0.8587, 1.1602]),
        (8, 1, [0.9696, 1.0226, 1.1854, 1.3652, 1.3850]),
    ],
)
def test_empirical_loss_check_values(psi_p, copies, expected):
    c = RandomFeatures(2, psi_p, 0.1, copies=copies).learning_curves([1, 10, 100, 1e3, 1e4])
    np.testing.assert_allclose(c.empirical, expected, atol=6e-5)


def test_modes_check_values():
    c = RandomFeatures(2, 4, 0.1, spectrum=TWO_ATOMS).learning_curves(10.0)
    np.testing.assert_allclose(c.modes, [-0.86723, -0.60914], atol=6e-6)


def test_strong_directions_are_learned_first_and_weak_ones_from_below():
    model = RandomFeatures(64, 64, 0.1, spectrum=Spectrum([0.05, 0.5, 3.0], [0.4, 0.4, 0.2]))
    c = model.learning_curves(np.geomspace(1e-2, 1e3, 200))
    progress = c.modes / model.target_modes
    half = [c.tau[np.argmax(progress[:, k] > 0.5)] for k in range(3)]
    assert half[2] < half[1] < half[0]
    assert progress[0].max() < 0.02


def test_bias_at_time_zero_is_the_whole_score():
    c = RandomFeatures(2, 4, 0.1, spectrum=TWO_ATOMS, copies=2).learning_curves(0.0)
    assert c.bias == pytest.approx(c.score, rel=1e-14) and abs(c.variance) < 1e-13


def test_bias_and_variance_are_positive():
    for copies in (1, 3, np.inf):
        c = RandomFeatures(3, 5, 0.3, spectrum=TWO_ATOMS, copies=copies).learning_curves(np.geomspace(1e-3, 1e6, 40))
        assert np.all(c.bias > 0) and np.all(c.variance > -1e-12)


def test_penalty_is_positive_and_vanishes_with_the_ridge():
    tau = np.geomspace(0.1, 1e6, 30)
    gaps = []
    for ridge in (1e-2, 1e-4):
        c = RandomFeatures(2, 4, 0.1, ridge=ridge).learning_curves(tau)
        assert np.all(c.penalised >= c.train) and np.all(np.diff(c.penalised) < ROUNDING)
        gaps.append((c.penalised - c.train).max())
    assert gaps[1] < 0.05 * gaps[0]
    free = RandomFeatures(2, 4, 0.1).learning_curves(tau)
    assert np.array_equal(free.penalised, free.train)


def test_the_penalty_is_the_derivative_of_the_penalised_loss_by_the_ridge():
    """At tau = inf the penalised loss is a minimum over A, so its slope in the ridge is the penalty over the ridge."""
    ridge, h = 0.02, 1e-4
    up, mid, down = (
        RandomFeatures(2, 4, 0.1, "sin", TWO_ATOMS, 3, r).learning_curves(np.inf) for r in (ridge + h, ridge, ridge - h)
    )
    slope = (up.penalised - down.penalised) / (2 * h)
    assert (mid.penalised - mid.train) / ridge == pytest.approx(slope, rel=1e-5)


def test_ridge_shortens_no_early_time_and_prevents_memorization():
    free, held = RandomFeatures(4, 64, 0.1), RandomFeatures(4, 64, 0.1, ridge=3.0)
    assert held.learning_curves(0.1).test == pytest.approx(free.learning_curves(0.1).test, rel=1e-3)
    assert np.isfinite(free.timescales().mem) and held.timescales().mem == np.inf


@pytest.mark.parametrize("copies", [1, 4])
@pytest.mark.parametrize("ridge", [0.0, 0.01])
def test_times_agree_with_a_dense_curve(copies, ridge):
    from genmem.theory.timescales import timescales_of_curves

    model = RandomFeatures(3, 6, 0.1, spectrum=TWO_ATOMS, copies=copies, ridge=ridge)
    tau = np.geomspace(1e-2, 1e6, 3000)
    c = model.learning_curves(tau)
    dense, exact = timescales_of_curves(tau, c.train, c.test, initial=1.0), model.timescales()
    for name in ("gen", "mem", "gap"):
        assert getattr(exact, name) == pytest.approx(getattr(dense, name), rel=1e-4), name


def test_the_error_estimate_covers_the_error():
    """Against Talbot's contour with 34 nodes, for parameters over eight decades."""
    rng = np.random.default_rng(5)
    tau = np.geomspace(1e-6, 1e12, 25)
    for _ in range(20):
        psi = 10 ** rng.uniform(-2, 4, 2)
        copies = rng.choice([1.0, 3.5, 100.0, np.inf])
        model = RandomFeatures(*psi, 10 ** rng.uniform(-4, 0.7), spectrum=TWO_ATOMS, copies=copies)
        curves = model.learning_curves(tau)
        fine, _ = model._march(tau, rule(34), 0.0)
        assert np.max(np.abs(curves.test - 1 - fine[0]) / np.maximum(1, curves.test)) < 1e-10
        assert curves.error < 1e-10 and curves.residual < 1e-10


@pytest.mark.parametrize("copies", [0.5, 0, -1, np.nan, "4"])
def test_bad_copies_are_refused(copies):
    with pytest.raises(InputError, match="copies"):
        RandomFeatures(1, 1, 0.1, copies=copies)


@pytest.mark.parametrize("ridge", [-1e-3, np.nan, np.inf])
def test_bad_ridges_are_refused(ridge):
    with pytest.raises(InputError, match="ridge"):
        RandomFeatures(1, 1, 0.1, ridge=ridge)


def test_two_routes_through_copies_agree():
    """copies = 1 keeps one kind of sample; copies = 1 + 1e-9 keeps both."""
    one, two = (RandomFeatures(2, 3, 0.2, copies=m).learning_curves([1.0, 100.0]) for m in (1, 1 + 1e-9))
    np.testing.assert_allclose(one.test, two.test, rtol=10 * SAME_NUMBER)
