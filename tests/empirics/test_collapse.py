import math

import numpy as np
import pytest

from genmem.empirics.analysis.collapse import collapse, collapse_of, level_times, normalised_scale
from genmem.shared.errors import InputError
from tests.empirics.test_measure import curves

LEVELS = np.array([100.0, 200.0, 500.0])


def made(noise, runs=16, seed=0):
    """Level times that move with a scale, and the scale that undoes it."""
    random = np.random.default_rng(seed)
    scale = 2.0 ** random.integers(-3, 1, runs)
    return LEVELS / scale[:, None] * np.exp(random.normal(0, noise, (runs, 1))), scale


def test_curves_that_differ_by_the_scale_alone_collapse():
    times, scale = made(noise=0.0)
    found = collapse(times, np.zeros(times.shape, bool), scale)
    assert found.before == pytest.approx(np.std(np.log(scale)), rel=1e-6)
    assert found.after < 1e-6 and found.ratio < 1e-6 and found.chance < 0.02


def test_the_spread_that_is_left_is_that_of_the_runs():
    times, scale = made(noise=0.1, runs=200)
    found = collapse(times, np.zeros(times.shape, bool), scale)
    assert found.after == pytest.approx(0.1, rel=0.15) and found.low < found.ratio < found.high < 0.3


def test_a_wrong_scale_does_not_collapse():
    times, scale = made(noise=0.1)
    censored = np.zeros(times.shape, bool)
    assert collapse(times, censored, 1 / scale).ratio > 1.5
    other = collapse(times, censored, np.random.default_rng(5).permutation(scale))
    assert other.ratio > 0.7 and other.chance > 0.01


def test_censored_times_are_kept_as_lower_bounds():
    times, scale = made(noise=0.1, runs=40)
    limit = np.quantile(times, 0.75)
    censored = times > limit
    honest = collapse(np.minimum(times, limit), censored, scale)
    trusted = collapse(np.minimum(times, limit), np.zeros(times.shape, bool), scale)
    assert honest.after == pytest.approx(0.1, rel=0.25) and trusted.after > 2 * honest.after


def test_the_normalised_step_of_records():
    records = [curves(n=16, batch_size=8), curves(n=64, batch_size=16), curves(n=32, learning_rate=2e-3)]
    np.testing.assert_allclose(normalised_scale(records), [1, 0.5, 0.5 * 12 / 8 * 2])


def test_records_whose_times_grow_with_n_collapse():
    records = [curves(n, seed, shift=n / 16 * (1 + 0.05 * seed)) for n in (16, 32, 64, 128) for seed in (0, 1)]
    for quantity in ("f_mem", "gap"):
        found = collapse_of(records, quantity)
        assert found.ratio < 0.1 and found.chance < 0.05 and found.runs == 8
    # f_mem = 0.5 lies where 0.8 sigmoid is 0.5.
    times, censored = level_times(records[:1], "f_mem")
    assert times[0, -1] == pytest.approx(10 ** (2.5 + math.log(0.5 / 0.3) / 8), rel=0.02) and not censored.any()


def test_what_cannot_be_compared_is_said():
    with pytest.raises(InputError, match="did you mean 'gap'"):
        collapse_of([curves()], "gapp")
    with pytest.raises(InputError, match="reach a common level"):
        collapse_of([curves(end=20), curves(seed=1, end=20)], "f_mem")
