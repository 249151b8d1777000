"""The map is found where the truth is known, and refused where there is none."""

import numpy as np
import pytest

from empirics.datasets import load
from empirics.runs import find
from figures import comparison
from tests.figures.recorded import write_run
from tests.tolerances import MAP_SCALE
from theory import RandomFeatures, Spectrum
from theory.errors import InputError

D, T = 8, 0.1
N = np.array([32, 32, 64, 64, 128, 128, 256, 256])
SPECTRUM = Spectrum([0.5, 1.5], [0.5, 0.5])
GRID = np.array([4.0, 16.0, 64.0])
NONE = np.zeros((len(N), 2), bool)


def truth(psi_p=16.0, steps_per_tau=7.0):
    """tau_gen and tau_mem of the model itself, in steps of a known length."""
    times = [RandomFeatures(n / D, psi_p, T, spectrum=SPECTRUM).timescales() for n in N]
    return steps_per_tau * np.array([[time.gen, time.mem] for time in times])


def fit(steps, censored=NONE, grid=GRID):
    return comparison.fit_map(N, steps, censored, D, T, SPECTRUM, grid)


def test_times_of_the_model_itself_give_its_own_map_back():
    found = fit(truth())
    assert found.psi_p == 16 and found.points == 16
    assert found.steps_per_tau == pytest.approx(7, rel=MAP_SCALE)
    assert found.residual_factor == pytest.approx(1, abs=MAP_SCALE)


@pytest.mark.parametrize("factor", [1.2, 1.6])
def test_the_residual_is_the_scatter_put_in(factor):
    sign = np.where(np.arange(len(N)) % 2, 1, -1)[:, None]
    found = fit(truth() * factor**sign, grid=GRID[1:2])
    assert found.residual_factor == pytest.approx(factor, rel=MAP_SCALE)
    assert found.steps_per_tau == pytest.approx(7, rel=MAP_SCALE)


def test_times_that_do_not_belong_to_their_n_fit_worse():
    steps = truth()
    steps[:, 1] = steps[::-1, 1]
    assert fit(steps).residual_factor > 2


def test_censored_times_are_lower_bounds_and_not_times():
    noisy = truth() * np.exp(0.1 * np.random.default_rng(0).standard_normal((len(N), 2)))
    end = 0.4 * noisy[6:, 1].min()
    censored = np.stack([np.zeros(len(N), bool), noisy[:, 1] > end], axis=1)
    cut = np.where(censored, end, noisy)
    assert censored[6:, 1].all() and not censored[:4].any()
    kept = fit(cut, censored, GRID[1:2])
    taken_as_times = fit(cut, NONE, GRID[1:2])
    assert abs(np.log(kept.steps_per_tau / 7)) < 0.1 < taken_as_times.residual_factor - kept.residual_factor


def test_a_psi_p_that_rules_out_what_was_seen_is_not_taken():
    small = np.array([0.25])  # too small to memorize at these n: tau_mem is infinite
    assert np.all(np.isinf(comparison.predicted_times(N, D, 0.25, T, SPECTRUM)[:, 2]))
    with pytest.raises(InputError, match="no psi_p"):
        fit(truth(), grid=small)
    assert fit(truth(), grid=np.concatenate([small, GRID])).psi_p == 16


def test_too_few_times_are_refused():
    censored = np.ones((len(N), 2), bool)
    censored[0] = False
    with pytest.raises(InputError, match="at least three"):
        fit(truth(), censored)


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
