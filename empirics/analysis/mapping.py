"""How a real network is read as a random-features model: the map from (images, channels, steps) to (psi_n, psi_p, tau).

The theory knows psi_n = n/d, psi_p = p/d and tau; an experiment knows n images of d values, a network of base width W,
a batch size B, a learning rate eta and optimizer steps. What is known is put in as it is: d, and the spectrum of the
images' covariance. The rest is fitted, to tau_gen and tau_mem of all runs at once:

    psi_p         = c (W / W_0)^g    hidden units per dimension that stand for the network
    steps per tau = s (W / W_0)^a_W (B / B_0)^a_B (eta / eta_0)^a_eta

with a power for each factor that the runs vary. Residuals of log time are normal and independent; a time that a run did
not reach enters as a lower bound. g is zero, one psi_p for all widths, unless its 95 % interval excludes zero.
"""

import functools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from genmem.empirics.analysis import laws
from genmem.empirics.analysis.laws import Estimate, Forecast, Regression
from genmem.empirics.analysis.measure import SETTING, RunTimes
from genmem.empirics.config import TrainConfig
from genmem.empirics.data.datasets import of_config
from genmem.empirics.records.runs import RunRecord
from genmem.shared.errors import InputError, count, positive
from genmem.shared.vocabulary import KNOBS, PREDICTED
from genmem.theory import RandomFeatures, Spectrum

FITTED = ("gen", "mem")
PSI_P_GRID = np.geomspace(1, 1024, 31)
# What of a config the covariance of its images depends on.
_VIEW = ("process", "data", "classes", "pixels", "grey", "range", "deduplicate")
POWER_GRID = np.linspace(-2, 4, 13)
# Fits whose likelihood is e^20 times smaller than the best one's matter for no probability that is asked for.
_NEGLIGIBLE = 20.0


@dataclass(frozen=True)
class _Fit:
    """The regression of log(steps / tau) on the factors for one c and one g; its first coefficient is log s."""

    psi_p: float
    power: float
    regression: Regression

    @property
    def top(self) -> float:
        return self.regression.top


@dataclass(frozen=True)
class Map:
    """The fitted map around the setting `reference`: its W_0, B_0, eta_0, a value for each of W, B, eta.

    Intervals are 95 % profile likelihood (see laws.fit_law), with open ends (0, inf, -inf) where they reach the end of
    the values tried.
    """

    d: int
    t: float
    spectrum: Spectrum
    reference: dict[str, float]
    factors: tuple[str, ...]
    """Those whose powers describe the runs; one that varies only together with others is left out."""
    rows: np.ndarray = field(repr=False)
    """log of W/W_0, B/B_0, eta/eta_0 where a time was seen."""
    grid: np.ndarray = field(repr=False)
    fits: tuple[_Fit, ...] = field(repr=False)
    """All (c, g) tried that predict every event that was seen, the best first."""

    @functools.cached_property
    def psi_p(self) -> Estimate:
        """c: hidden units per dimension that stand for a network of the reference width."""
        low, high = self._profile("psi_p", np.log(self.grid))
        return Estimate(self.best.psi_p, math.exp(low), math.exp(high))

    @functools.cached_property
    def psi_p_power(self) -> Estimate | None:
        """g; None where all runs have one width. Taken to be zero if the interval includes zero."""
        powers = np.unique([fit.power for fit in self.fits])
        if len(powers) == 1:
            return None
        low, high = self._profile("power", POWER_GRID)
        return Estimate(max(self.fits, key=lambda fit: fit.top).power, low, high)

    @functools.cached_property
    def psi_p_varies(self) -> bool:
        """Whether the data tell that psi_p depends on the width."""
        power = self.psi_p_power
        return power is not None and not power.low <= 0 <= power.high

    @functools.cached_property
    def used(self) -> tuple[_Fit, ...]:
        """The fits of the model that is taken, the best first: all of them, or those with g = 0."""
        fits = self.fits if self.psi_p_varies else [fit for fit in self.fits if fit.power == 0]
        best = fits[0].top
        return tuple(fit for fit in fits if fit.top >= best - _NEGLIGIBLE)

    @property
    def best(self) -> _Fit:
        return self.used[0]

    @property
    def likely(self) -> list[_Fit]:
        """The fits within the 95 % interval, the best first."""
        return [fit for fit in self.used if fit is self.best or self.best.top - fit.top <= self._margin]

    def tau_of(self, fit: _Fit, n: float, width: float) -> tuple[float, float, float]:
        """tau_gen, tau_gap, tau_mem in units of tau by one of the fits, for a network of this width on n images."""
        psi_p = fit.psi_p * (width / self.reference["W"]) ** fit.power
        return predicted_times(n / self.d, psi_p, self.t, self.spectrum)

    @functools.cached_property
    def steps_per_tau(self) -> Estimate:
        """s: optimizer steps in one unit of tau, at the reference."""
        log = self._coefficient(0)
        return Estimate(*(math.exp(value) for value in (log.value, log.low, log.high)))

    @functools.cached_property
    def powers(self) -> dict[str, Estimate]:
        """a_W, a_B, a_eta, of `factors`."""
        return {name: self._coefficient(1 + k) for k, name in enumerate(self.factors)}

    @property
    def residual_factor(self) -> float:
        """Typical factor between a measured and a mapped predicted time: exp of the standard deviation of its log."""
        return math.exp(self.best.regression.spread)

    @property
    def points(self) -> int:
        """Times in the fit."""
        return len(self.best.regression.y)

    @property
    def censored(self) -> int:
        """How many of them are lower bounds."""
        return self.points - self.best.regression.observed

    def psi_p_at(self, width: float) -> float:
        """Hidden units per dimension that stand for a network of this base width."""
        return self.best.psi_p * (width / self.reference["W"]) ** self.best.power

    def steps_per_tau_at(self, setting: dict[str, float]) -> float:
        """Optimizer steps in one unit of tau at these W, B, eta."""
        values = self.best.regression.values
        shifts = [math.log(setting[name] / self.reference[name]) for name in self.factors]
        return math.exp(values[0] + math.fsum(a * shift for a, shift in zip(values[1:], shifts, strict=True)))

    def steps(self, n: float, setting: dict[str, float]) -> dict[str, float]:
        """tau_gen, tau_gap and tau_mem in optimizer steps, of a network trained on n images; inf: never."""
        tau = self.tau_of(self.best, n, setting["W"])
        return {event: self.steps_per_tau_at(setting) * time for event, time in zip(PREDICTED, tau, strict=True)}

    def forecast(self, event: str, n: float, setting: dict[str, float]) -> Forecast | None:
        """What is known of tau_gen or tau_mem of a new run on n images; None if the event is predicted never to come.

        Raises InputError if the setting differs from all runs in what they do not vary.
        """
        shift = {name: math.log(setting[name] / self.reference[name]) for name in self.reference}
        if laws.reaching(self.rows - list(shift.values()), np.ones(len(self.rows), bool)) is None:
            raise unreached(setting)
        moved = np.array([shift[name] for name in self.factors])
        place, fits, offsets = PREDICTED.index(event), [], []
        for fit in self.used:
            time = self.tau_of(fit, n, setting["W"])[place]
            if math.isfinite(time):
                fits.append(fit.regression.moved(moved))
                offsets.append(math.log(time))
            elif fit is self.best:
                return None
        return Forecast(tuple(fits), tuple(offsets), others=1 + self.psi_p_varies)

    @property
    def _margin(self) -> float:
        return self.best.regression.margin(others=1 + self.psi_p_varies)

    def _coefficient(self, column: int) -> Estimate:
        fits = [fit.regression for fit in self.used]
        low, high = (laws.joint_end(fits, column, self._margin, direction) for direction in (-1, 1))
        return Estimate(float(self.best.regression.values[column]), low, high)

    def _profile(self, name: str, grid: np.ndarray) -> tuple[float, float]:
        """Where the largest likelihood for each value on the grid falls by the margin; infinite at the grid's ends."""
        if len(grid) == 1:
            return float(grid[0]), float(grid[0])
        fits = self.fits if name == "power" else self.used
        best = max(fits, key=lambda fit: fit.top)
        margin = best.regression.margin(others=1 + (name == "power" or self.psi_p_varies))
        value = {"psi_p": lambda fit: math.log(fit.psi_p), "power": lambda fit: fit.power}[name]
        profile = np.full(len(grid), -np.inf)
        for fit in fits:
            k = int(np.abs(grid - value(fit)).argmin())
            profile[k] = max(profile[k], fit.top)
        inside = np.flatnonzero(profile >= (best.top - margin if math.isfinite(best.top) else best.top))
        low = -math.inf if inside[0] == 0 else _crossing(grid, profile, inside[0], inside[0] - 1, best.top - margin)
        last = inside[-1]
        high = math.inf if last == len(grid) - 1 else _crossing(grid, profile, last, last + 1, best.top - margin)
        return low, high


def _crossing(grid: np.ndarray, profile: np.ndarray, inner: int, outer: int, level: float) -> float:
    """Where the profile passes the level, between a value above it and one below; the latter if that is impossible."""
    if math.isinf(profile[outer]) or math.isinf(profile[inner]):
        return float(grid[outer] if math.isfinite(profile[inner]) else grid[inner])
    share = (profile[inner] - level) / (profile[inner] - profile[outer])
    return float(grid[inner] + share * (grid[outer] - grid[inner]))


@functools.lru_cache(maxsize=65536)
def predicted_times(psi_n: float, psi_p: float, t: float, spectrum: Spectrum) -> tuple[float, float, float]:
    """tau_gen, tau_gap, tau_mem of the closed form, in units of tau; inf where the event never happens."""
    times = RandomFeatures(psi_n, psi_p, t, "tanh", spectrum).timescales()
    return tuple(float(getattr(times, event)) for event in PREDICTED)


def fit_map(
    n: np.ndarray,
    steps: np.ndarray,
    censored: np.ndarray,
    d: int,
    t: float,
    spectrum: Spectrum,
    factors: dict[str, np.ndarray],
    psi_p_grid: np.ndarray = PSI_P_GRID,
) -> Map:
    """Fit the map (see the head of the module) by maximum likelihood, on grids of c and g.

    n: (R,), training points of each run. steps, censored: (R, 2), its times tau_gen and tau_mem in optimizer steps and
    whether the run ended before the event (then the value is the run's length). factors: W, B, eta, each (R,). The
    map's reference is the setting of most runs that show a time.
    Raises InputError if fewer than three times were observed or no psi_p on the grid predicts all of those.
    """
    seen = ~censored
    if seen.sum() < 3:
        raise InputError(
            f"runs must show at least three generalization or memorization times to fit the map, but {seen.sum()} were "
            "observed"
        )
    shown = seen.any(axis=1)
    settings = zip(*(np.asarray(values, float)[shown].tolist() for values in factors.values()), strict=True)
    reference = dict(zip(factors, Counter(settings).most_common(1)[0][0], strict=True))
    x = np.column_stack([np.log(np.asarray(factors[name], float) / reference[name]) for name in factors])
    x, y, seen = np.repeat(x, len(FITTED), axis=0), np.log(steps).ravel(), seen.ravel()
    chosen = laws.reaching(x, seen)
    design, kept = laws.with_constant(x[:, chosen]), tuple(list(factors)[k] for k in chosen)

    sizes, index = np.unique(n, return_inverse=True)
    columns = [PREDICTED.index(event) for event in FITTED]
    tau = [[predicted_times(size / d, psi_p, t, spectrum) for size in sizes] for psi_p in psi_p_grid]
    log_tau = np.log(np.array(tau)[:, index][..., columns]).reshape(len(psi_p_grid), -1)
    widths = x[:, list(factors).index("W")]
    fits = []
    for power in POWER_GRID if np.ptp(widths) and len(psi_p_grid) > 1 else [0.0]:
        for psi_p in psi_p_grid:
            predicted = _interpolated(np.log(psi_p_grid), log_tau, math.log(psi_p) + power * widths)
            never = np.isinf(predicted)
            if np.any(np.isnan(predicted)) or np.any(never & seen):
                continue  # beyond the grid, or an event that was seen is predicted never to happen
            regression = laws.regress(design[~never], (y - predicted)[~never], seen[~never])
            if regression is not None:
                fits.append(_Fit(float(psi_p), float(power), regression))
    if not any(fit.power == 0 for fit in fits):
        raise InputError("runs must have times that the theory can have, but no psi_p predicts all those observed")
    fits = tuple(sorted(fits, key=lambda fit: -fit.top))
    return Map(d, t, spectrum, reference, kept, x[seen], psi_p_grid, fits)


def _interpolated(log_grid: np.ndarray, log_tau: np.ndarray, log_psi_p: np.ndarray) -> np.ndarray:
    """log tau (N,) at log_psi_p (N,), linear between rows of log_tau (P, N); inf beside an inf, nan beyond the grid."""
    place = np.interp(log_psi_p, log_grid, np.arange(len(log_grid)))
    place = np.where(np.abs(place - place.round()) < 1e-9, place.round(), place)
    rows, left, right = np.arange(log_psi_p.size), np.floor(place).astype(int), np.ceil(place).astype(int)
    ends = np.stack([log_tau[left, rows], log_tau[right, rows]])
    finite = np.where(np.isinf(ends), 0, ends)
    between = finite[0] + (place - left) * (finite[1] - finite[0])
    value = np.where(np.isinf(ends).any(axis=0), np.inf, between)
    outside = (log_psi_p < log_grid[0] - 1e-9) | (log_psi_p > log_grid[-1] + 1e-9)
    return np.where(outside, np.nan, value)


def map_of(runs: Sequence[RunTimes], t: float, psi_p: float | None = None) -> Map:
    """The map of measured runs on one data set that differ in n, W, B, eta and seed alone.

    t: diffusion time of the losses. psi_p: hidden units per dimension that stand for every network, fitted if None.
    Raises InputError for runs that differ otherwise, and as fit_map does.
    """
    if psi_p is not None:
        positive("psi_p", psi_p)
    comparable(runs)
    d, spectrum = images_of_run(runs[0].record)
    steps = np.array([[getattr(run, event).value for event in FITTED] for run in runs])
    censored = np.array([[getattr(run, event).censored for event in FITTED] for run in runs])
    n = np.array([run.record.config.n for run in runs])
    grid = PSI_P_GRID if psi_p is None else np.array([psi_p])
    factors = {name: np.array([setting(run)[name] for run in runs]) for name in KNOBS}
    return fit_map(n, steps, censored, d, t, spectrum, factors, grid)


def unreached(setting: dict[str, float]) -> InputError:
    return InputError(
        "runs must show times at the setting asked for, or vary what differs from it, but none does at "
        + ", ".join(f"{name} = {value:g}" for name, value in setting.items())
    )


def setting(run: RunTimes) -> dict[str, float]:
    """W, B and eta of a run."""
    return {name: float(getattr(run.record.config, field)) for name, field in KNOBS.items()}


def comparable(runs: Sequence[RunTimes]) -> TrainConfig:
    """The config of the first run; raises InputError unless the others differ in n, W, B, eta and seed alone."""
    for name in SETTING:
        values = sorted({str(getattr(run.record.config, name)) for run in runs})
        if len(values) > 1 and name not in KNOBS.values():
            raise InputError(
                "runs must differ in n, width, batch size, learning rate and seed alone, but "
                f"{name} is {' and '.join(values)}"
            )
    return runs[0].record.config


def images_of_run(record: RunRecord) -> tuple[int, Spectrum]:
    """`images_of` the run's data: as an exported record keeps them, which needs no data, or from the data."""
    kept = record.facts.get("covariance")
    if kept is None:
        return images_of(record.config, record.data_path)
    try:
        return count("d", kept["d"]), Spectrum(kept["eigenvalues"], kept["weights"])
    except (KeyError, InputError) as error:
        raise InputError(f"{record.directory / 'run.json'}: its covariance is none: {error}") from None


def kept_covariance(record: RunRecord) -> dict:
    """What an exported record keeps of the covariance of its data, as JSON."""
    d, spectrum = images_of_run(record)
    return {"d": d, "eigenvalues": spectrum.eigenvalues.tolist(), "weights": spectrum.weights.tolist()}


def images_of(config: TrainConfig, recorded: Path | None = None) -> tuple[int, Spectrum]:
    """Values per image, and the spectrum of the covariance of the training pool, as the config's options have it.

    A string is the vector of its symbols' indicators.

    With `range` centered the images are shifted, which no covariance sees. recorded: where a run's data were.
    """
    return _images_of(TrainConfig(n=2, **{name: getattr(config, name) for name in _VIEW}), recorded)


@functools.lru_cache(maxsize=8)
def _images_of(view: TrainConfig, recorded: Path | None) -> tuple[int, Spectrum]:
    images = of_config(view, recorded).vectors
    d = images[0].size
    return d, Spectrum.from_data(images.reshape(len(images), d))
