"""Measured times against predicted ones: the map from a real network to the random-features model, fitted and stated.

The theory knows psi_n = n/d, psi_p = p/d and tau; an experiment knows n, a network and optimizer steps. What is known is
put in as it is: d is the number of values per image and the spectrum is that of the images' covariance. What is not
known is fitted, and there are two such numbers: psi_p, which stands for the network's size, and the optimizer steps in
one unit of tau. Both come from tau_gen and tau_mem of all runs at once. Exponents of the times in n need neither.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import CensoredData, norm

from theory.errors import InputError

if TYPE_CHECKING:
    from theory.spectra import Spectrum

EVENTS = ("gen", "gap", "mem", "copy")
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


def predicted_times(n: np.ndarray, d: int, psi_p: float, t: float, spectrum: "Spectrum") -> np.ndarray:
    """tau_gen, tau_gap, tau_mem in units of tau for each n, shape (len(n), 3); inf where the event never happens."""
    from theory import RandomFeatures

    times = [RandomFeatures(size / d, psi_p, t, "tanh", spectrum).timescales() for size in n]
    return np.array([[getattr(record, event) for event in PREDICTED] for record in times])


def fit_map(
    n: np.ndarray,
    steps: np.ndarray,
    censored: np.ndarray,
    d: int,
    t: float,
    spectrum: "Spectrum",
    psi_p_grid: np.ndarray = PSI_P_GRID,
) -> Map:
    """Fit psi_p (on the grid) and steps_per_tau by maximum likelihood of log-normal residuals, censored ones included.

    n: shape (R,), training points of each run. steps, censored: shape (R, 2), its times tau_gen and tau_mem in optimizer
    steps and whether the run ended before the event (then the value is the run's length).
    Raises InputError if fewer than three times were observed or no psi_p on the grid predicts all of those.
    """
    if np.sum(~censored) < 3:
        raise InputError(
            f"runs must show at least three generalization or memorization times to fit the map, but {np.sum(~censored)} were observed"
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
