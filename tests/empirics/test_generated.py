"""Copies by exactly trained networks: the data set of one run of them, its time of first copies, and the command."""

import sys

import numpy as np
import pytest
import xarray

from genmem.__main__ import main
from genmem.empirics.analysis import generated
from genmem.empirics.analysis.generated import of_images, table
from genmem.empirics.data.datasets import load
from genmem.empirics.samples.metrics import binomial_ends, frechet_distance
from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, Spectrum, generate
from genmem.theory.problem import Problem


def test_the_images_are_a_runs_and_the_numbers_those_of_the_samples():
    tau = [10.0, np.inf]
    data = of_images(load("digits"), [3, 6], 1.0, tau, samples=8, seed=1, problem=Problem(activation="erf"))
    digits = load("digits").centered()
    images = digits.subset(6, 1)[0].reshape(6, 64).astype(float)
    spectrum = Spectrum.from_data(digits.pool.reshape(-1, 64).astype(float))
    made = generate(RandomFeatures(6 / 64, 1.0, 0.1, "erf", spectrum), tau=tau, data=images, samples=8, seed=1)
    row = data.sel(n=6)
    assert np.array_equal(row.f_mem, made.f_mem)
    assert np.allclose(row.ratio, np.median(made.distances[..., 0] / made.distances[..., 1], axis=1))
    held_out = digits.held_out.reshape(-1, 64)
    assert float(row.frechet[1]) == pytest.approx(frechet_distance(made.denoised[1], held_out) / 64)
    assert np.allclose(row.variance, (made.denoised**2).mean(axis=(1, 2)))
    assert "tau_copy" in table(data) and len(table(data).splitlines()) == 4


def test_copies_begin_where_the_lower_bound_of_f_mem_exceeds_one_percent():
    tau, samples = np.array([1.0, 10.0, 100.0, np.inf]), 100
    low = binomial_ends(samples)[0]
    f_mem = np.array([0.0, 0.01, 0.2, 0.5])
    share = (0.01 - low[1]) / (low[20] - low[1])
    assert generated._tau_copy(tau, f_mem, samples) == pytest.approx(10 * 10**share)
    assert generated._tau_copy(tau, np.array([0.0, 0, 0, 0.5]), samples) == np.inf


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sizes": [1]}, "sizes must be a whole number of at least 2"),
        ({"tau": [10.0, 1.0]}, "tau must increase"),
        ({"tau": [0.0, 1.0]}, "tau must be one training time or more, the first above zero"),
        ({"samples": 2}, "samples must be a whole number of at least 3"),
        ({"sizes": [5000]}, "n must be at most 1285"),
    ],
)
def test_mistakes_are_one_sentence(change, words):
    arguments = {"sizes": [2], "psi_p": 1.0, "tau": [1.0], "samples": 4} | change
    with pytest.raises(InputError, match=words):
        of_images(load("digits"), **arguments)


def test_the_command_prints_and_saves_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", "genmem generate digits --n 2 --psi-p 2 --pixels 4 --samples 6".split())
    sys.argv += ["--tau", "10", "inf", "--out", str(tmp_path / "made.nc")]
    main()
    data = xarray.load_dataset(tmp_path / "made.nc")
    assert data.attrs["d"] == 16 and data.f_mem.shape == (1, 2)
    assert "f_mem of 6 samples, d = 16" in capsys.readouterr().out
    assert (tmp_path / "made-double.png").exists()
