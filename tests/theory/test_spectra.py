"""Covariance spectra: validation and compression."""

import numpy as np
import pytest

from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, Spectrum
from genmem.theory.compression import gauss_rule, reference_losses


@pytest.mark.parametrize(
    "eigenvalues, weights, sentence",
    [
        ([1.0], [0.9], "sum to one"),
        ([1.0, 2.0], [1.0], "one length"),
        ([-1.0], [1.0], "not negative"),
        ([0.0], [1.0], "not all zero"),
        ([1.0, 2.0], [1.5, -0.5], "positive"),
        ([np.nan], [1.0], "finite"),
        ([], [], "one length"),
        (["a"], [1.0], "numbers"),
    ],
)
def test_bad_spectra_are_refused(eigenvalues, weights, sentence):
    with pytest.raises(InputError, match=sentence):
        Spectrum(eigenvalues, weights)


def test_spectrum_of_data_keeps_the_trace_and_the_curves():
    """Compressed by the reference models, the spectrum must also serve a model that is not among them."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 300)) * np.geomspace(0.01, 3, 300)
    exact = Spectrum(np.linalg.eigvalsh(np.cov(x, rowvar=False)))
    few = Spectrum.from_data(x, error=1e-6)
    assert few.weights.size < 100
    assert few.mean == pytest.approx(exact.mean, rel=1e-12)
    tau = np.geomspace(1, 1e6, 20)
    a, b = (RandomFeatures(5, 20, 0.05, "erf", s).learning_curves(tau) for s in (few, exact))
    np.testing.assert_allclose(a.test, b.test, rtol=1e-5)
    coarse = RandomFeatures(5, 20, 0.05, "erf", Spectrum.from_data(x, error=1e-2)).learning_curves(tau)
    assert np.abs(coarse.test - b.test).max() > 10 * np.abs(a.test - b.test).max()


@pytest.mark.parametrize("alpha", [0.5, 2.0])
def test_a_compressed_spectrum_moves_no_score_error_by_more_than_it_says_at_small_times_either(alpha):
    eigenvalues = np.arange(1, 201.0) ** -alpha
    exact = Spectrum(eigenvalues / eigenvalues.mean())
    few, fewer = exact.compress(), exact.compress(1e-3)
    assert fewer.weights.size < few.weights.size < 80
    rng = np.random.default_rng(3)
    worst = {few: 0.0, fewer: 0.0}
    for psi_n, psi_p, t in np.exp(rng.uniform(np.log([1, 1, 1e-3]), np.log([300, 300, 1]), (8, 3))):
        models = {spectrum: RandomFeatures(psi_n, psi_p, t, spectrum=spectrum) for spectrum in (exact, *worst)}
        tau = np.geomspace(1e-2, 1e4, 12) / models[exact].rate
        curves = {spectrum: model.learning_curves(tau) for spectrum, model in models.items()}
        for spectrum in worst:
            moved = np.abs(curves[spectrum].score - curves[exact].score) / np.maximum(1, curves[exact].test)
            worst[spectrum] = max(worst[spectrum], moved.max())
    assert worst[few] < 1e-6 < worst[fewer] < 1e-3


def test_a_gauss_rule_keeps_moments():
    rng = np.random.default_rng(1)
    lam, w = rng.uniform(1, 4, 50), rng.uniform(0.1, 1, 50)
    for nodes in (1, 3, 5):
        points, weights = gauss_rule(lam, w, nodes)
        for k in range(2 * nodes):
            assert weights @ points**k == pytest.approx(w @ lam**k, rel=1e-11)
    assert gauss_rule(np.full(4, 2.0), np.ones(4), 3)[0].size == 1


def test_power_law():
    s = Spectrum.power_law(1.5, d=400, mean=0.7, error=1e-7)
    k = np.arange(1, 401.0)
    assert s.mean == pytest.approx(0.7, rel=1e-12) and s.weights.size < 100
    assert s.eigenvalues.max() == pytest.approx(0.7 * 400 / np.sum(k**-1.5), rel=1e-6)
    flat = Spectrum.power_law(0.0, d=10)
    assert flat.weights.size == 1 and flat.eigenvalues[0] == pytest.approx(1.0)


@pytest.mark.parametrize("ratio", [0.25, 1.0, 3.0])
def test_marchenko_pastur_moments(ratio):
    """E lambda^k of the law: 1, 1 + r, 1 + 3 r + r^2; and its negative control at another ratio."""
    s = Spectrum.marchenko_pastur(ratio)
    moments = [s.average(s.eigenvalues**k) for k in (1, 2, 3)]
    np.testing.assert_allclose(moments, [1, 1 + ratio, 1 + 3 * ratio + ratio**2], rtol=1e-10)
    assert s.average(s.eigenvalues**2) != pytest.approx(1 + 2 * ratio, rel=0.01)
    zero = s.weights[s.eigenvalues == 0].sum()
    assert zero == pytest.approx(max(0, 1 - 1 / ratio))


def test_marchenko_pastur_has_mean_one_with_any_number_of_atoms():
    for atoms in (1, 2, 3, 48):
        assert Spectrum.marchenko_pastur(2.0, atoms=atoms).mean == pytest.approx(1, rel=1e-14)


def test_the_reference_losses_are_those_of_the_model():
    spectrum = Spectrum([0.2, 1.0, 3.0])
    model = RandomFeatures(4, 2, 1.0, spectrum=spectrum)
    losses = reference_losses(spectrum, 4, 2, 1.0)
    np.testing.assert_allclose(losses, model.learning_curves(np.geomspace(1e-2, 1e4, 25) / model.rate).test, rtol=1e-10)


def test_marchenko_pastur_agrees_with_data():
    x = np.random.default_rng(2).standard_normal((800, 400))
    tau = np.geomspace(1, 1e4, 10)
    a, b = (
        RandomFeatures(3, 9, 0.1, spectrum=s).learning_curves(tau).test
        for s in (Spectrum.from_data(x), Spectrum.marchenko_pastur(0.5))
    )
    np.testing.assert_allclose(a, b, rtol=5e-3)


def test_data_must_be_finite_and_two_dimensional():
    with pytest.raises(InputError, match="shape"):
        Spectrum.from_data(np.zeros(4))
    with pytest.raises(InputError, match="NaN"):
        Spectrum.from_data(np.full((4, 2), np.nan))


def test_spectra_compare_by_value_and_cannot_be_changed():
    a = Spectrum([0.5, 1.5], [0.5, 0.5])
    assert a == Spectrum([0.5, 1.5]) and hash(a) == hash(Spectrum([0.5, 1.5]))
    with pytest.raises(ValueError):
        a.eigenvalues[0] = 2.0
