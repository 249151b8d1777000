"""Covariance spectra: validation and compression."""

import numpy as np
import pytest

from theory import Spectrum
from theory.errors import InputError


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


def test_spectrum_of_data_keeps_the_trace_and_nearly_the_second_moment():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 80)) * np.linspace(0.1, 3, 80)
    exact = np.linalg.eigvalsh(np.cov(x, rowvar=False))
    s = Spectrum.from_data(x, atoms=16)
    assert s.weights.size == 16
    assert s.mean == pytest.approx(exact.mean(), rel=1e-12)
    assert s.average(s.eigenvalues**2) == pytest.approx(np.mean(exact**2), rel=0.01)
    coarse = Spectrum.from_data(x, atoms=2)
    assert coarse.average(coarse.eigenvalues**2) < s.average(s.eigenvalues**2)


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
