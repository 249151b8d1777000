"""Measured times against predicted ones: the map from a real network to the random-features model, fitted and stated.

The theory knows psi_n = n/d, psi_p = p/d and tau; an experiment knows n, a network and optimizer steps. What is known
is put in as it is: d is the number of values per image and the spectrum is that of the images' covariance. What is not
known is fitted, and there are two such numbers: psi_p, which stands for the network's size, and the optimizer steps in
one unit of tau. Both come from tau_gen and tau_mem of all runs at once. The exponents of the times in n do not depend on
the unit of time, and little on psi_p.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import CensoredData, norm

from theory import RandomFeatures, Spectrum
from theory.errors import InputError, positive

if TYPE_CHECKING:
    import xarray

    from empirics.runs import RunRecord

EVENTS = ("gen", "gap", "mem", "copy")  # the measured times shown
# The theory has losses but no samples, so it has no time of its own for the first copies.
PREDICTED = ("gen", "gap", "mem")
FITTED = ("gen", "mem")
PSI_P_GRID = np.geomspace(1, 1024, 31)


@dataclass(frozen=True)
class Map:
    """How a real network is read as a random-features model.

    psi_p: hidden units per dimension that stand for the network. steps_per_tau: optimizer steps in one unit of tau.
    residual_factor: typical factor between a measured and a mapped predicted time, exp of the standard deviation of
    log(measured / predicted), censored times included as such. points: times that entered the fit.
    """

    psi_p: float
    steps_per_tau: float
    residual_factor: float
    points: int


def predicted_times(n: np.ndarray, d: int, psi_p: float, t: float, spectrum: Spectrum) -> np.ndarray:
    """tau_gen, tau_gap, tau_mem in units of tau for each n, shape (len(n), 3); inf where the event never happens."""
    times = [RandomFeatures(size / d, psi_p, t, "tanh", spectrum).timescales() for size in n]
    return np.array([[getattr(record, event) for event in PREDICTED] for record in times])


def fit_map(
    n: np.ndarray,
    steps: np.ndarray,
    censored: np.ndarray,
    d: int,
    t: float,
    spectrum: Spectrum,
    psi_p_grid: np.ndarray = PSI_P_GRID,
) -> Map:
    """Fit psi_p (on the grid) and steps_per_tau by maximum likelihood of log-normal residuals, censored ones included.

    n: shape (R,), training points of each run. steps, censored: shape (R, 2), its times tau_gen and tau_mem in
    optimizer steps and whether the run ended before the event (then the value is the run's length).
    Raises InputError if fewer than three times were observed or no psi_p on the grid predicts all of those.
    """
    if np.sum(~censored) < 3:
        raise InputError(
            "runs must show at least three generalization or memorization times to fit the map, but "
            f"{np.sum(~censored)} were observed"
        )
    sizes, index = np.unique(n, return_inverse=True)
    columns = [PREDICTED.index(event) for event in FITTED]
    best, fitted = -np.inf, None
    for psi_p in psi_p_grid:
        tau = predicted_times(sizes, d, psi_p, t, spectrum)[:, columns][index]
        never = ~np.isfinite(tau)
        if np.any(never & ~censored):
            continue  # predicts that an event which was seen never happens
        residual = np.log(steps[~never] / tau[~never])
        late = censored[~never]
        data = CensoredData(uncensored=residual[~late], right=residual[late])
        shift, spread = norm.fit(data)
        spread = max(spread, 1e-9)  # a perfect fit would have no likelihood
        likelihood = norm.logpdf(residual[~late], shift, spread).sum() + norm.logsf(residual[late], shift, spread).sum()
        if likelihood > best:
            best = likelihood
            fitted = Map(float(psi_p), float(np.exp(shift)), float(np.exp(spread)), int(residual.size))
    if fitted is None:
        raise InputError("runs must have times that the theory can have, but no psi_p predicts all those observed")
    return fitted


def exponent(n: np.ndarray, times: np.ndarray) -> float:
    """Slope of log(times) against log(n) by least squares, over the finite times; NaN for fewer than two sizes."""
    finite = np.isfinite(times)
    if np.unique(n[finite]).size < 2:
        return float("nan")
    return float(np.polyfit(np.log(n[finite]), np.log(times[finite]), 1)[0])


def compare(records: Sequence["RunRecord"], t: float | None = None, psi_p: float | None = None) -> "xarray.Dataset":
    """Measured and predicted times of a set of runs that differ in n and seed alone, in optimizer steps.

    t: diffusion time of the losses, by default the runs' first. psi_p: hidden units per dimension that stand for the
    network, fitted if None. Returns variables measured and censored (run, event), predicted (n_line, event) with NaN
    for never, f_mem (run) at the end of each run, exponent, exponent_low, exponent_high and exponent_predicted (event); the
    map is in the attributes. Raises InputError if the runs differ otherwise, or are too few to fit the map.
    """
    import xarray

    from empirics.datasets import load
    from empirics.measure import SETTING, measure

    if psi_p is not None:
        positive("psi_p", psi_p)
    measurement = measure(records, t)
    runs = measurement.runs
    config = runs[0].record.config
    t = config.loss_times[0] if t is None else t
    for name in SETTING:
        values = sorted({str(getattr(run.record.config, name)) for run in runs})
        if len(values) > 1:
            raise InputError(f"runs must differ in n and seed alone, but {name} is {' and '.join(values)}")

    images = load(config.data).pool
    d = images[0].size
    spectrum = Spectrum.from_data(images.reshape(len(images), d))
    n = np.array([run.record.config.n for run in runs])
    steps = np.array([[getattr(run, event).value for event in EVENTS] for run in runs])
    censored = np.array([[getattr(run, event).censored for event in EVENTS] for run in runs])
    columns = [EVENTS.index(event) for event in FITTED]
    grid = PSI_P_GRID if psi_p is None else np.array([psi_p])
    fitted = fit_map(n, steps[:, columns], censored[:, columns], d, t, spectrum, grid)

    sizes = np.unique(n)
    line = np.unique(np.concatenate([sizes, np.geomspace(sizes[0], sizes[-1], 25)]))
    predicted = np.full((line.size, len(EVENTS)), np.nan)
    times = fitted.steps_per_tau * predicted_times(line, d, fitted.psi_p, t, spectrum)
    predicted[:, : len(PREDICTED)] = np.where(np.isfinite(times), times, np.nan)
    at_runs = predicted[np.searchsorted(line, n)]
    laws = [measurement.exponents[event] for event in EVENTS]
    return xarray.Dataset(
        {
            "measured": (("run", "event"), steps, {"units": "optimizer steps"}),
            "censored": (("run", "event"), censored, {"long_name": "the event lies beyond the measured time"}),
            "predicted": (("n_line", "event"), predicted, {"units": "optimizer steps"}),
            "f_mem": ("run", [run.record.f_mem[-1] for run in runs]),
            "exponent": ("event", [law.value for law in laws]),
            "exponent_low": ("event", [law.low for law in laws]),
            "exponent_high": ("event", [law.high for law in laws]),
            "exponent_predicted": ("event", [exponent(n, at_runs[:, k]) for k in range(len(EVENTS))]),
        },
        coords={
            "event": list(EVENTS),
            "n": ("run", n),
            "seed": ("run", [run.record.config.seed for run in runs]),
            "n_line": line,
        },
        attrs={
            "data": config.data,
            "t": t,
            "d": d,
            "psi_p_fitted": int(psi_p is None),
            "psi_p_at_edge": int(psi_p is None and fitted.psi_p in (PSI_P_GRID[0], PSI_P_GRID[-1])),
            **asdict(fitted),
        },
    )
