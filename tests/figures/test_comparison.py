"""The overlay's data: what was measured, and the theory on the map."""

import numpy as np
import pytest

from genmem.empirics.data.datasets import load
from genmem.empirics.records.runs import find
from genmem.figures.pictures import comparison
from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, Spectrum
from tests.figures.recorded import write_run
from tests.tolerances import MAP_SCALE

N = np.array([32, 32, 64, 64, 128, 128, 256, 256])


def test_exponent_of_a_power_law_and_of_too_few_sizes():
    assert comparison.exponent(N, 3.0 * N**1.25) == pytest.approx(1.25)
    assert comparison.exponent(N, np.where(N == 32, np.nan, 3.0 * N**1.25)) == pytest.approx(1.25)
    assert np.isnan(comparison.exponent(N[:2], np.array([1.0, 2.0])))


def test_compare_carries_what_was_measured_and_the_theory_on_the_map(runs):
    data = comparison.compare(find(runs), psi_p=16.0)
    assert data.n.values.tolist() == [32, 32, 64, 64, 128, 128]
    assert data.attrs["d"] == 64 and data.attrs["psi_p"] == 16 and data.attrs["psi_p_fitted"] == 0
    mem = data.sel(event="mem")
    assert mem.censored.values.tolist() == [False] * 4 + [True] * 2
    assert mem.measured.values[4:].tolist() == [1500, 1500]
    assert mem.exponent_low < 1 < mem.exponent_high
    assert data.predicted.sel(event="copy").isnull().all()
    tau = mem.predicted / data.attrs["steps_per_tau"]
    pool = load("digits").pool
    spectrum = Spectrum.from_data(pool.reshape(len(pool), 64))
    model = RandomFeatures(64 / 64, 16.0, data.attrs["t"], spectrum=spectrum)
    assert float(tau.sel(n_line=64)) == pytest.approx(model.timescales().mem, rel=MAP_SCALE)


def test_runs_of_two_settings_are_refused(tmp_path):
    for width in (8, 16):
        write_run(tmp_path, 32, 0, gen=100, mem=400, width=width)
    with pytest.raises(InputError, match="width is 16 and 8"):
        comparison.compare(find(tmp_path))
