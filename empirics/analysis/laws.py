"""Power laws from times of which some are only known to exceed the end of their run."""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A fitted value and its 95 % interval."""

    value: float
    low: float
    high: float


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

    @property
    def inverse(self) -> "Exponent":
        """Of one divided by what was fitted."""
        return dataclasses.replace(self, value=-self.value, low=-self.high, high=-self.low)


@dataclasses.dataclass(frozen=True)
class Local:
    """The exponent between two neighbouring values of a factor."""

    start: float
    end: float
    exponent: Exponent


@dataclasses.dataclass(frozen=True)
class Law:
    """A product of powers: its exponents by factor, and the spread that is left."""

    exponents: dict[str, Exponent]
    spread: float
    """Standard deviation of log time around the law (maximum likelihood); nan where no law could be fitted."""


def fit_exponent(n, times, censored, groups=None) -> Exponent:
    """The exponent of `fit_law` for a single factor n."""
    return fit_law({"n": n}, times, censored, groups).exponents["n"]


def fit_law(factors: dict[str, Sequence[float]], times, censored, groups=None) -> Law:
    """alpha_k in log time = sum_k alpha_k log factor_k + constant(group) + noise, by censored maximum likelihood.

    Args:
        factors: by name, each (N,) positive.
        times: (N,) positive.
        censored: (N,) bools; True where the time is larger than the value in `times`.
        groups: (N,) labels; each group has a constant of its own. One group by default.

    The interval of an alpha holds the values with 2 (l_max - l(alpha)) <= M log(1 + t^2 / (M - k)), with l the profile
    log-likelihood, M the number of uncensored times, k the number of coefficients and t the 97.5 % point of Student's t
    with M - k degrees of freedom: the t-interval of least squares where nothing is censored, the likelihood-ratio
    interval for large M. Its coverage on censored data is held by a test. An alpha is unknown (nan) where its factor
    does not vary within a group, or varies only together with others.
    """
    found = _fitted(factors, times, censored, groups)
    fit, columns = found.regression, found.columns
    seen = ~np.asarray(censored, bool)
    summary = {"runs": int(seen.size), "censored": int((~seen).sum())}
    exponents = {}
    for index, name in enumerate(factors):
        known = fit is not None and found.estimable[index]
        value = float(fit.values[columns.index(index)]) if known else math.nan
        low, high = fit.interval(columns.index(index)) if known else (-math.inf, math.inf)
        exponents[name] = Exponent(value, low, high, **summary)
    return Law(exponents, fit.spread if fit is not None else math.nan)


class _Fitted(NamedTuple):
    """A regression on an independent set of the factors' columns, and which factors can be told from all others."""

    regression: "Regression | None"
    columns: list[int]
    estimable: list[bool]


def _fitted(factors: dict[str, Sequence[float]], times, censored, groups) -> _Fitted:
    """The regression of `fit_law`, without intervals."""
    x = np.column_stack([np.log(np.asarray(column, float)) for column in factors.values()])
    y = np.log(np.asarray(times, float))
    seen = ~np.asarray(censored, bool)
    constants = _indicators(groups, len(x))
    # Centring by group leaves the exponents as they are, and makes the constants nearly independent of them.
    x = x - constants @ (constants.T @ x / np.maximum(constants.sum(0), 1)[:, None])
    # A group without a single observed time cannot fix its constant, and says nothing about the exponents.
    informative = constants[seen].any(0)
    keep = constants[:, informative].any(1)
    x, y, seen, constants = x[keep], y[keep], seen[keep], constants[keep][:, informative]
    estimable, columns = _estimable(x, constants, seen)
    fit = regress(np.column_stack([x[:, columns], constants]), y, seen) if len(columns) else None
    return _Fitted(fit, columns, estimable)


def local_exponents(factors: dict[str, Sequence[float]], name: str, times, censored, groups=None) -> list[Local]:
    """The exponent of one factor between each two neighbouring values of it, where they differ; else empty.

    The power law in pieces: log time is continuous, and linear in log factor between the values that were measured,
    with all other factors as in `fit_law`. They differ where the pieces are likelier than one power by more than chance
    has it in one of twenty cases (the F-test of least squares, where nothing is censored). Beyond the largest value at
    which a time was observed there is no piece.
    Arguments as in `fit_law`; name: of the factor. Fewer than three values have no two pieces.
    """
    from scipy.stats import f as fisher

    seen, along = ~np.asarray(censored, bool), np.asarray(factors[name], float)
    # A run that is known to last longer says nothing of a piece that no other run has seen the end of.
    keep = along <= along[seen].max(initial=0)
    factors = {other: np.asarray(column, float)[keep] for other, column in factors.items()}
    times, censored = np.asarray(times, float)[keep], ~seen[keep]
    groups = None if groups is None else np.asarray(groups)[keep]
    values = np.unique(factors[name])
    if len(values) < 3:
        return []
    ends = list(zip(values[:-1].tolist(), values[1:].tolist(), strict=True))
    # How far each run has come within a piece: all of it beyond, nothing before.
    pieces = {f"{low:g} to {high:g}": np.clip(factors[name], low, high) / low for low, high in ends}
    rest = {other: column for other, column in factors.items() if other != name}
    one, many = (_fitted(each, times, censored, groups).regression for each in (factors, rest | pieces))
    if one is None or many is None or math.isinf(one.top):
        return []
    more, freedom = many.design.shape[1] - one.design.shape[1], many.observed - many.design.shape[1]
    if more <= 0 or freedom <= 0:
        return []
    chance = many.observed * math.log1p(more * fisher.ppf(LEVEL, more, freedom) / freedom)
    if 2 * (many.top - one.top) <= chance:
        return []
    law = fit_law(rest | pieces, times, censored, groups)
    return [Local(low, high, law.exponents[piece]) for (low, high), piece in zip(ends, pieces, strict=True)]


def locally(local: Sequence[Local]) -> str:
    """The local exponents in words."""
    known = [each for each in local if not math.isnan(each.exponent.value)]
    return "locally " + ", ".join(
        f"{each.exponent.value:.2f} ({each.exponent.low:.2f} to {each.exponent.high:.2f}) from {each.start:g} to "
        f"{each.end:g}"
        for each in known
    )


def typical_times(times, censored, cells) -> dict[str, tuple[float, float, float]]:
    """The geometric mean of the times in each cell (N,) and its 95 % interval, with one spread for all cells.

    Cells are runs that differ in their seeds alone; few seeds in each know their spread only together. Censored times
    enter as such. A cell without an observed time, or all if no spread can be known, has (nan, 0, inf).
    """
    labels, cells = np.unique(cells), np.asarray(cells)
    y, seen = np.log(np.asarray(times, float)), ~np.asarray(censored, bool)
    informative = [label for label in labels if seen[cells == label].any()]
    keep = np.isin(cells, informative)
    fit = regress(_indicators(cells[keep], keep.sum()), y[keep], seen[keep]) if informative else None
    result = dict.fromkeys(labels.tolist(), (math.nan, 0.0, math.inf))
    if fit is not None:
        for column, label in enumerate(informative):
            low, high = fit.interval(column)
            result[str(label)] = tuple(float(np.exp(v)) for v in (fit.values[column], low, high))
    return result


@dataclasses.dataclass(frozen=True)
class Regression:
    """A linear model of censored log times at the maximum of its likelihood."""

    design: np.ndarray
    y: np.ndarray
    seen: np.ndarray
    parameters: np.ndarray
    """(coefficients / spread, 1 / spread); with spread 0 the coefficients themselves and infinity."""
    top: float
    """The log-likelihood."""

    @property
    def spread(self) -> float:
        return float(1 / self.parameters[-1])

    @property
    def values(self) -> np.ndarray:
        exact = math.isinf(self.parameters[-1])
        return self.parameters[:-1] if exact else self.parameters[:-1] / self.parameters[-1]

    def moved(self, shift: np.ndarray) -> "Regression":
        """The same regression with `shift` taken from the columns after the first, which is constant."""
        parameters = self.parameters.copy()
        parameters[0] += parameters[1:-1] @ shift
        design = self.design - np.append(0, shift)
        return dataclasses.replace(self, design=design, parameters=parameters)

    @property
    def observed(self) -> int:
        return int(self.seen.sum())

    def margin(self, level: float = LEVEL, others: int = 0) -> float:
        """How far below its top the profile log-likelihood of a parameter may fall at the ends of an interval.

        others: parameters that were fitted besides the coefficients, by comparing regressions.
        """
        from scipy.stats import t as student

        freedom = self.observed - self.design.shape[1] - others
        if freedom <= 0:
            return math.inf
        return self.observed * math.log1p(student.ppf((1 + level) / 2, freedom) ** 2 / freedom) / 2

    def interval(self, column: int) -> tuple[float, float]:
        """The 95 % interval of one coefficient (see fit_law)."""
        margin = self.margin()
        return self.end(column, margin, -1), self.end(column, margin, +1)

    def end(self, column: int, margin: float, direction: int) -> float:
        """How far one coefficient goes in a direction (-1 or 1) until its profile has fallen by the margin."""
        from scipy.optimize import brentq

        value, scale = float(self.values[column]), self.parameters[-1]
        if math.isinf(scale):
            # Times without noise: the likelihood has no maximum, the coefficient no uncertainty.
            return value
        if math.isinf(margin):
            return direction * math.inf
        step = 1e-3 + 1 / scale
        while self.fall(column, value + direction * step) < margin:
            step *= 2
            if step > 1e6:
                return direction * math.inf
        return float(brentq(lambda x: self.fall(column, x) - margin, value, value + direction * step, xtol=1e-9))

    def fall(self, column: int, candidate: float) -> float:
        """By how much the log-likelihood falls where a coefficient is set to the candidate and all else is fitted."""
        others, start = np.delete(self.design, column, axis=1), np.delete(self.parameters, column)
        return self.top - _maximise(others, self.y - candidate * self.design[:, column], self.seen, start)[1]


@dataclasses.dataclass(frozen=True)
class Forecast:
    """What is known of the time of a new run: scatter between runs, on top of the uncertainty of their typical time.

    log time = offset + first coefficient of the regression + noise. With several regressions (one for each value of a
    parameter that is fitted besides), the first is the best, and each counts as far as its likelihood allows.
    """

    fits: tuple[Regression, ...]
    offsets: tuple[float, ...]
    others: int = 0
    """Parameters told apart by comparing the regressions."""

    @property
    def median(self) -> float:
        return math.exp(self.offsets[0] + self.fits[0].values[0])

    def quantile(self, share: float) -> float:
        """The time before which a new run has the event with this probability.

        From Student's t distribution: the end of the interval of the typical time at this level, and the spread of
        single runs, added in quadrature; the prediction interval of least squares where nothing is censored.
        """
        from scipy.stats import t as student

        best = self.fits[0]
        freedom = best.observed - best.design.shape[1] - self.others
        if share == 0.5:
            return self.median
        if freedom <= 0:
            return 0.0 if share < 0.5 else math.inf
        margin = best.margin(abs(2 * share - 1), self.others)
        end = joint_end(self.fits, 0, margin, 1 if share > 0.5 else -1, self.offsets)
        centre = math.log(self.median)
        noise = student.ppf(share, freedom) * best.spread * math.sqrt(best.observed / freedom)
        return math.exp(centre + math.copysign(math.hypot(end - centre, noise), share - 0.5))


def forecast(factors: dict[str, Sequence[float]], target: dict[str, float], times, censored) -> Forecast | None:
    """The power law of `fit_law` (one group) as a forecast at the factors' values in `target`.

    None where the observed times do not determine it: they must vary each factor that differs from the target.
    """
    x = np.column_stack([np.log(np.asarray(factors[name], float) / target[name]) for name in factors])
    seen = ~np.asarray(censored, bool)
    columns = reaching(x, seen)
    if columns is None:
        return None
    fit = regress(with_constant(x[:, columns]), np.log(np.asarray(times, float)), seen)
    return None if fit is None else Forecast((fit,), (0.0,))


def joint_end(fits: Sequence[Regression], column: int, margin: float, direction: int, offsets=None) -> float:
    """How far offset + coefficient goes in a direction until the largest likelihood of all fits falls by the margin.

    fits: the best first. offsets: one for each fit, zero by default.
    """
    best, offsets = fits[0], offsets or (0.0,) * len(fits)
    end = offsets[0] + best.end(column, margin, direction)
    for fit, offset in zip(fits[1:], offsets[1:], strict=True):
        left = margin - (best.top - fit.top)
        # Most fits end within what others reach; one look at their likelihood there shows it. At a margin of nearly
        # nothing the end is the value itself, and cannot be bracketed.
        inside = direction * (end - offset - fit.values[column]) > 0
        if left > 1e-9 and math.isfinite(end) and not (inside and fit.fall(column, end - offset) >= left):
            end = offset + fit.end(column, left, direction)
    return float(end)


def reaching(x: np.ndarray, seen: np.ndarray) -> list[int] | None:
    """An independent set of columns of x (N, k) for a regression whose constant is the value at x = 0.

    None where the rows that are seen do not determine that value.
    """
    rows = with_constant(x)[seen]
    here = np.eye(1, x.shape[1] + 1)
    if not len(rows) or np.linalg.matrix_rank(np.vstack([rows, here])) > np.linalg.matrix_rank(rows):
        return None
    return _estimable(x, np.ones((len(x), 1)), seen)[1]


def with_constant(x: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(x)), x])


def regress(design: np.ndarray, y: np.ndarray, seen: np.ndarray) -> Regression | None:
    """Normal linear model of y (N,) on design (N, k); where `seen` is False, y is only known to be larger.

    None where the observed rows do not determine all coefficients and the spread.
    """
    count, coefficients = int(seen.sum()), design.shape[1]
    if count <= coefficients or np.linalg.matrix_rank(design[seen]) < coefficients:
        return None
    start = np.linalg.lstsq(design[seen], y[seen], rcond=None)[0]
    spread = np.sqrt(np.mean((y[seen] - design[seen] @ start) ** 2))
    if spread < 1e-9:
        return Regression(design, y, seen, np.append(start, math.inf), math.inf)
    return Regression(design, y, seen, *_maximise(design, y, seen, np.append(start, 1) / spread))


def _estimable(x: np.ndarray, constants: np.ndarray, seen: np.ndarray) -> tuple[list[bool], list[int]]:
    """Which columns of x the observed rows tell apart from all the others, and a largest independent set of columns."""

    def rank(columns) -> int:
        return int(np.linalg.matrix_rank(np.column_stack([x[:, columns], constants])[seen])) if seen.any() else 0

    every, chosen = list(range(x.shape[1])), []
    for column in every:
        if rank([*chosen, column]) > rank(chosen):
            chosen.append(column)
    return [rank(every) > rank([c for c in every if c != column]) for column in every], chosen


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
