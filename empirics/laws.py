"""Power laws from times of which some are only known to exceed the end of their run."""

import dataclasses
import math

import numpy as np

LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class Exponent:
    """An exponent and its 95 % interval. `value` is nan, and the interval infinite, where the data cannot tell."""

    value: float
    low: float
    high: float
    runs: int
    """Times in the fit, censored ones included."""
    censored: int
    """How many of them are censored."""


def fit_exponent(n, times, censored, groups=None) -> Exponent:
    """alpha in log time = alpha log n + constant(group) + normal noise, by censored maximum likelihood.

    Args:
        n, times: (N,) positive.
        censored: (N,) bools; True where the time is larger than the value in `times`.
        groups: (N,) labels; each group has a constant of its own. One group by default.

    The interval holds the alphas with 2 (l_max - l(alpha)) <= M log(1 + t^2 / (M - k)), with l the profile
    log-likelihood, M the number of uncensored times, k the number of coefficients and t the 97.5 % point of Student's t
    with M - k degrees of freedom: the t-interval of least squares where nothing is censored, the likelihood-ratio
    interval for large M. Its coverage on censored data is held by a test.
    """
    from scipy.optimize import brentq
    from scipy.stats import t as student

    x, y = np.log(np.asarray(n, float)), np.log(np.asarray(times, float))
    seen = ~np.asarray(censored, bool)
    constants = _indicators(groups, len(x))
    # Centring by group leaves alpha as it is, and makes the constants nearly independent of it.
    x = x - constants @ (constants.T @ x / constants.sum(0))
    seen_design = np.column_stack([x, constants])[seen]
    # A group without a single observed time cannot fix its constant, and says nothing about alpha.
    informative = constants[seen].any(0)
    keep = constants[:, informative].any(1)
    x, y, seen, constants = x[keep], y[keep], seen[keep], constants[keep][:, informative]
    seen_design = seen_design[:, np.concatenate([[True], informative])]
    count, coefficients = int(seen.sum()), 1 + int(informative.sum())
    summary = {"runs": int(keep.size), "censored": int(np.asarray(censored, bool).sum())}
    if count <= coefficients or np.linalg.matrix_rank(seen_design) < coefficients:
        return Exponent(math.nan, -math.inf, math.inf, **summary)

    start = np.linalg.lstsq(seen_design, y[seen], rcond=None)[0]
    spread = np.sqrt(np.mean((y[seen] - seen_design @ start) ** 2))
    if spread < 1e-9:
        # Times without noise: the likelihood has no maximum, the exponent no uncertainty.
        return Exponent(float(start[0]), float(start[0]), float(start[0]), **summary)
    design = np.column_stack([x, constants])
    best, top = _maximise(design, y, seen, np.append(start, 1) / spread)
    alpha = best[0] / best[-1]
    margin = count * math.log1p(student.ppf((1 + LEVEL) / 2, count - coefficients) ** 2 / (count - coefficients)) / 2
    reduced = best[1:]

    def excess(candidate: float) -> float:
        return top - margin - _maximise(constants, y - candidate * x, seen, reduced)[1]

    def end(direction: int) -> float:
        step = 1e-3 + 1 / best[-1]
        while excess(alpha + direction * step) < 0:
            step *= 2
            if step > 1e6:
                return direction * math.inf
        return brentq(excess, alpha, alpha + direction * step, xtol=1e-9)

    return Exponent(float(alpha), float(end(-1)), float(end(+1)), **summary)


def _indicators(groups, count: int) -> np.ndarray:
    labels = np.zeros(count, int) if groups is None else np.unique(groups, return_inverse=True)[1]
    return np.eye(labels.max(initial=0) + 1)[labels]


def _maximise(design: np.ndarray, y: np.ndarray, seen: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, float]:
    """Maximum of the censored normal log-likelihood over (coefficients / sigma, 1 / sigma), and its value.

    In these parameters it is concave (Olsen, Econometrica 46, 1211 (1978)), so that Newton's method with step halving
    finds the maximum from anywhere.
    """
    from scipy.special import log_ndtr

    full = np.column_stack([-design, y])

    def value(parameters):
        if parameters[-1] <= 0:
            return -math.inf
        residual = full @ parameters
        likelihood = np.where(seen, math.log(parameters[-1]) - residual**2 / 2, log_ndtr(-residual))
        return float(likelihood.sum())

    parameters, current = start, value(start)
    for _ in range(200):
        residual = full @ parameters
        # Inverse Mills ratio: minus the slope of log_ndtr(-r).
        hazard = np.exp(-(residual**2) / 2 - log_ndtr(-residual)) / math.sqrt(2 * math.pi)
        slope = np.where(seen, -residual, -hazard)
        bend = np.where(seen, 1.0, hazard * (hazard - residual))
        gradient, curvature = full.T @ slope, full.T @ (bend[:, None] * full)
        gradient[-1] += seen.sum() / parameters[-1]
        curvature[-1, -1] += seen.sum() / parameters[-1] ** 2
        direction = np.linalg.solve(curvature, gradient)
        decrement = float(gradient @ direction)
        if decrement < 1e-18 * max(1.0, abs(current)):
            break
        size = 1.0
        while (trial := value(parameters + size * direction)) < current and size > 1e-10:
            size /= 2
        parameters, current = parameters + size * direction, max(trial, current)
    return parameters, current
