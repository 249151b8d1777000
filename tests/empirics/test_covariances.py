"""Covariance spectra by name: each form against its own definition, and each mistake in one sentence."""

import numpy as np
import pytest

from genmem.empirics.data.covariances import spectrum_named
from genmem.empirics.data.datasets import load
from genmem.shared.errors import InputError
from genmem.theory import Spectrum
from tests.tolerances import SAME_NUMBER


@pytest.mark.parametrize(
    ("text", "spectrum"),
    [
        ("power-law:alpha=1,d=50", Spectrum.power_law(1.0, 50)),
        ("power-law:alpha=0.5,d=20,mean=3", Spectrum.power_law(0.5, 20, 3.0)),
        ("mp:ratio=2", Spectrum.marchenko_pastur(2.0)),
        ("mp:ratio=0.5,atoms=8", Spectrum.marchenko_pastur(0.5, 8)),
        ("atoms:0.5=0.3,1.5=0.7", Spectrum([0.5, 1.5], [0.3, 0.7])),
        ("atoms:2,4", Spectrum([2.0, 4.0])),
    ],
)
def test_each_form_is_its_spectrum(text, spectrum):
    assert spectrum_named(text) == spectrum


def test_a_data_set_is_the_covariance_of_its_pool():
    pool = load("digits").pool.astype(float)
    assert spectrum_named("data:digits").mean == pytest.approx(pool.reshape(-1, 64).var(axis=0, ddof=1).mean())
    blocks = pool.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16)
    assert spectrum_named("data:digits,pixels=4").mean == pytest.approx(blocks.var(axis=0, ddof=1).mean())


def test_a_file_holds_eigenvalues_or_the_covariance(tmp_path):
    eigenvalues = np.array([0.5, 1.0, 3.0])
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    for name, array in (("vector", eigenvalues), ("matrix", turn @ np.diag(eigenvalues) @ turn.T)):
        np.save(tmp_path / name, array)
        found = spectrum_named(str(tmp_path / f"{name}.npy"))
        assert np.sort(found.eigenvalues) == pytest.approx(eigenvalues, rel=SAME_NUMBER)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("foo", "spectrum must be power-law"),
        ("power_law:alpha=1", "did you mean 'power-law'"),
        ("mp:rati=3", "did you mean 'ratio'"),
        ("mp:", "must give ratio to mp"),
        ("mp:ratio=two", "a number after mp: ratio, but 'two'"),
        ("power-law:alpha=1,d=2.5", "a whole number after power-law: d, but '2.5'"),
        ("atoms:1,2=3", "a weight to each atom or to none"),
        ("atoms:1=0.5,2=0.6", "weights must sum to one"),
        ("data:digit", "did you mean 'digits'"),
        ("nowhere.npy", "spectrum must be a .npy file of numbers"),
    ],
)
def test_mistakes_are_one_sentence(text, words):
    with pytest.raises(InputError, match=words):
        spectrum_named(text)


def test_an_array_of_another_shape_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((3, 4)))
    with pytest.raises(InputError, match=r"of the shape \(3, 4\)"):
        spectrum_named(str(tmp_path / "x.npy"))
