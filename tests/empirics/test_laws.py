import math

import numpy as np
import pytest
from scipy import stats

from empirics.laws import fit_exponent
from tests import tolerances

SIZES = np.array([32, 64, 128, 256] * 2)


def times(random, n, exponent=1.0, spread=0.2):
    return 3 * n**exponent * np.exp(random.normal(0, spread, len(n)))


def test_without_censoring_it_is_least_squares_and_its_t_interval():
    tau = times(np.random.default_rng(0), SIZES)
    fit = fit_exponent(SIZES, tau, np.zeros(8, bool))
    line = stats.linregress(np.log(SIZES), np.log(tau))
    half = stats.t.ppf(0.975, len(SIZES) - 2) * line.stderr
    assert fit.value == pytest.approx(line.slope, abs=tolerances.LAWS)
    assert (fit.low, fit.high) == pytest.approx((line.slope - half, line.slope + half), abs=tolerances.LAWS)
    assert (fit.runs, fit.censored) == (8, 0)


def test_groups_have_constants_of_their_own():
    random = np.random.default_rng(1)
    n = np.tile(SIZES, 2)
    tau = times(random, n) * np.repeat([1.0, 50.0], 8)
    fit = fit_exponent(n, tau, np.zeros(16, bool), np.repeat(["a", "b"], 8))
    design = np.column_stack([np.log(n), np.repeat([1, 0], 8), np.repeat([0, 1], 8)])
    coefficients, squares, *_ = np.linalg.lstsq(design, np.log(tau), rcond=None)
    error = math.sqrt(squares[0] / 13 * np.linalg.inv(design.T @ design)[0, 0])
    half = stats.t.ppf(0.975, 13) * error
    assert (fit.value, fit.low, fit.high) == pytest.approx(
        (coefficients[0], coefficients[0] - half, coefficients[0] + half), abs=tolerances.LAWS
    )


def test_censored_likelihood_is_at_its_maximum():
    from scipy.optimize import minimize

    random = np.random.default_rng(2)
    tau = times(random, SIZES)
    censored = tau > 400
    y = np.log(np.where(censored, 400, tau))
    fit = fit_exponent(SIZES, np.exp(y), censored)

    def minus_log_likelihood(parameters):
        centre, scale = parameters[0] * np.log(SIZES) + parameters[1], math.exp(parameters[2])
        seen, beyond = stats.norm.logpdf(y, centre, scale), stats.norm.logsf(y, centre, scale)
        return -np.where(censored, beyond, seen).sum()

    best = minimize(minus_log_likelihood, [1, 1, -1], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12})
    assert 0 < censored.sum() < 4
    assert fit.value == pytest.approx(best.x[0], abs=tolerances.LAWS_NELDER_MEAD)


def test_dropping_or_trusting_censored_times_is_biased_and_this_is_not():
    random = np.random.default_rng(3)
    n = np.tile([32, 64, 128, 256], 50)
    tau = times(random, n, spread=0.5)
    limit = 500.0
    censored = tau > limit
    kept = np.minimum(tau, limit)
    honest = fit_exponent(n, kept, censored)
    assert honest.low < 1 < honest.high
    assert fit_exponent(n, kept, np.zeros(len(n), bool)).high < 1
    assert fit_exponent(n[~censored], kept[~censored], np.zeros((~censored).sum(), bool)).high < 1


@pytest.mark.parametrize("limit", [math.inf, 400.0])
def test_the_interval_covers_the_truth_as_often_as_it_says(limit):
    random = np.random.default_rng(4)
    draws, hits = 100, 0
    for _ in range(draws):
        tau = times(random, SIZES)
        fit = fit_exponent(SIZES, np.minimum(tau, limit), tau > limit)
        hits += fit.low <= 1 <= fit.high
    # At 95 % coverage fewer than 87 or all of 100 intervals hold the truth in one of two hundred such tests.
    assert 87 <= hits < draws


@pytest.mark.parametrize(
    ("n", "censored"),
    [([32, 64, 128], [False, False, True]), ([32, 32, 32], [False] * 3), ([32, 64], [False] * 2), ([32], [True])],
)
def test_too_few_observed_times_give_no_exponent(n, censored):
    fit = fit_exponent(n, [100.0 + 7 * i for i in range(len(n))], censored)
    assert math.isnan(fit.value) and (fit.low, fit.high) == (-math.inf, math.inf)


def test_times_without_any_noise_give_the_exponent_itself():
    fit = fit_exponent(SIZES, 5.0 * SIZES**1.25, np.zeros(8, bool))
    assert (fit.value, fit.low, fit.high) == pytest.approx((1.25, 1.25, 1.25), abs=1e-6)
