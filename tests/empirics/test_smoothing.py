"""Times read off noisy curves whose true times are known; benchmarks/study_estimators.py is the large version."""

import numpy as np
import pytest

from genmem.empirics.analysis.measure import _loss_times
from genmem.empirics.analysis.smoothing import LEAST, smoothed
from genmem.theory import RandomFeatures
from genmem.theory.timescales import timescales_of_curves

EVENTS = ("gen", "gap", "mem")


def study(milestones: int, noise: float, repetitions: int, seed: int = 0) -> dict[str, np.ndarray]:
    """log(read/true) of each event, smoothed and raw, and whether the interval holds the true time: (R, 3) each.

    The curves are the theory's at psi_n = 16, psi_p = 64, t = 0.1; the noise, `noise` times the fall of the loss, is
    independent between milestones and shared by half between the splits.
    """
    model = RandomFeatures(16, 64, 0.1)
    true = model.timescales()
    steps = np.geomspace(true.gen / 8, true.mem * 1.6, milestones)
    curves = model.learning_curves(steps)
    truth = np.log([true.gen, true.gap, true.mem])
    random = np.random.default_rng(seed)
    found = {"smoothed": [], "raw": [], "covered": []}
    for repetition in range(repetitions):
        common, own = random.standard_normal((2, milestones))
        size = noise * (1 - true.loss_min)
        test, train = curves.test + size * common, curves.train + size * (0.7 * common + 0.7 * own)
        curve = smoothed(steps, train, test, repetition)

        def read(train, test, excess, grid=curve.steps):
            times = _loss_times(grid, train, test, (1.0, 1.0), None, excess)
            return np.log([times[event].value for event in EVENTS])

        draws = [read(a, b, 2 * curve.excess) for a, b in zip(curve.train_draws, curve.test_draws, strict=True)]
        low, high = np.quantile(draws, [0.025, 0.975], axis=0, method="nearest")
        raw = timescales_of_curves(steps, train, test, 1.0)
        found["smoothed"].append(read(curve.train, curve.test, curve.excess) - truth)
        found["raw"].append(np.log(np.minimum([raw.gen, raw.gap, raw.mem], steps[-1])) - truth)
        found["covered"].append((low <= truth) & (truth <= high))
    return {name: np.array(rows) for name, rows in found.items()}


def test_times_of_noisy_curves_are_not_biased_as_those_read_off_directly_are():
    found = study(milestones=40, noise=0.015, repetitions=40)
    error = found["smoothed"].std(axis=0) / np.sqrt(40)
    assert (abs(found["smoothed"].mean(axis=0)) < 0.03 + 2 * error).all()
    # tau_mem, read off the noisy curve, is the time of the first upward jump.
    assert found["raw"].mean(axis=0)[2] < -0.15
    assert (found["covered"].mean(axis=0) > 0.85).all()


def test_without_noise_the_curve_is_followed():
    found = study(milestones=20, noise=0.0, repetitions=1)
    assert abs(found["smoothed"]).max() < 0.01


def test_the_same_losses_give_the_same_curves():
    steps = np.geomspace(10, 1000, LEAST)
    loss = 1 / steps**0.2
    first, second = smoothed(steps, loss, loss), smoothed(steps, loss, loss)
    assert np.array_equal(first.test_draws, second.test_draws)
    # A power law is a straight line here, which costs no smoothness.
    np.testing.assert_allclose(first.test, 1 / first.steps**0.2, rtol=1e-6)


def test_noise_that_the_splits_share_moves_their_draws_together():
    random = np.random.default_rng(0)
    steps = np.geomspace(10, 1000, 40)
    noise = 0.05 * random.standard_normal(40)
    curve = smoothed(steps, np.exp(noise), np.exp(noise + 0.3))
    moved = [np.log(draws).mean(axis=1) for draws in (curve.train_draws, curve.test_draws)]
    assert np.corrcoef(moved)[0, 1] > 0.9
    assert curve.excess < 0


def test_what_the_posterior_says_of_its_width_is_right():
    """A straight line with known noise: the draws' spread is that of a regression, or a little more."""
    random = np.random.default_rng(1)
    steps = np.geomspace(1, np.e**4, 50)
    noise = 0.02 * random.standard_normal(50)
    curve = smoothed(steps, np.exp(noise), np.exp(noise))
    spread = np.log(curve.test_draws)[:, curve.test.size // 2].std()
    least_squares = 0.02 / np.sqrt(50)
    assert least_squares * 0.8 < spread < least_squares * 3
    assert np.log(curve.test).mean() == pytest.approx(noise.mean(), abs=1e-4)
