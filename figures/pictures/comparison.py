"""Measured times against predicted ones, as the overlay draws them, on the map of genmem.empirics.analysis.mapping."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from genmem.shared.errors import InputError

if TYPE_CHECKING:
    import xarray

    from genmem.empirics.records.runs import RunRecord

EVENTS = ("gen", "gap", "mem", "copy")  # the measured times shown


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

    from genmem.empirics.analysis.mapping import PREDICTED, PSI_P_GRID, map_of, setting
    from genmem.empirics.analysis.measure import SETTING, measure

    measurement = measure(records, t)
    runs = measurement.runs
    config = runs[0].record.config
    t = config.loss_times[0] if t is None else t
    for name in SETTING:
        values = sorted({str(getattr(run.record.config, name)) for run in runs})
        if len(values) > 1:
            raise InputError(f"runs must differ in n and seed alone, but {name} is {' and '.join(values)}")

    n = np.array([run.record.config.n for run in runs])
    steps = np.array([[getattr(run, event).value for event in EVENTS] for run in runs])
    censored = np.array([[getattr(run, event).censored for event in EVENTS] for run in runs])
    fitted = map_of(runs, t, psi_p=psi_p)

    sizes = np.unique(n)
    line = np.unique(np.concatenate([sizes, np.geomspace(sizes[0], sizes[-1], 25)]))
    predicted = np.full((line.size, len(EVENTS)), np.nan)
    times = np.array([[fitted.steps(size, setting(runs[0]))[event] for event in PREDICTED] for size in line])
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
            "d": fitted.d,
            "psi_p_fitted": int(psi_p is None),
            "psi_p_at_edge": int(psi_p is None and fitted.psi_p.value in (PSI_P_GRID[0], PSI_P_GRID[-1])),
            "psi_p": fitted.psi_p.value,
            "steps_per_tau": fitted.steps_per_tau.value,
            "residual_factor": fitted.residual_factor,
            "points": fitted.points,
        },
    )
