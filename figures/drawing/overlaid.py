"""The data of the overlay: measured times and regimes of a set of runs, those predicted, the map between them."""

import json
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from genmem.shared.errors import InputError
from genmem.shared.vocabulary import PREDICTED, RECORDED
from genmem.theory.phases import PHASES, phase_diagram

if TYPE_CHECKING:
    import xarray

    from genmem.empirics.analysis.mapping import Map
    from genmem.empirics.analysis.measure import RunTimes
    from genmem.empirics.records.runs import RunRecord

UNKNOWN = -1  # the regime of a run that had ended
SYMBOLS = {"W": "W", "B": "B", "eta": r"$\eta$"}
_POINTS = 40  # of the diagram, along each axis
_PSI_P = (1.0, 1024.0)
_STEPS = {"units": "optimizer steps"}


def calculate(records: Sequence["RunRecord"], t: float | None = None, psi_p: float | None = None) -> "xarray.Dataset":
    """Measured and predicted times of the U-Nets among the runs, which may differ in n, W, B, eta and seed.

    t: diffusion time of the losses, by default the runs' first. psi_p: hidden units per dimension that stand for every
    network, fitted if None.
    Returns the Dataset of theory.phase_diagram around the runs at the training time that tells most of them apart, with
    measured, censored and predicted (run, event; inf: never, nan: the theory has no such time), f_mem (run) at each
    run's end, run_phase (run) at that training time, line (width, n_line, event), predicted at the reference B and eta,
    and exponent, exponent_low, exponent_high, exponent_predicted, exponent_law (law). Times are in optimizer steps; the
    map is in the attributes. Raises InputError for runs that cannot be mapped
    (genmem.empirics.analysis.mapping.map_of).
    """
    from genmem.empirics.analysis.comparison import exponents, residuals
    from genmem.empirics.analysis.mapping import PSI_P_GRID, map_of, setting

    runs = lawful_networks(records, t)
    config = runs[0].record.config
    t = config.loss_times[0] if t is None else t
    fitted = map_of(runs, t, psi_p=psi_p)
    n = np.array([run.record.config.n for run in runs])
    settings = [setting(run) for run in runs]
    predicted = np.full((len(runs), len(RECORDED)), math.nan)
    predicted[:, : len(PREDICTED)] = np.reshape([row.predicted for row in residuals(runs, fitted)], (len(runs), -1))
    widths = np.unique([each["W"] for each in settings])
    line = np.unique(np.concatenate([n, np.geomspace(n.min(), n.max(), 25)]))
    lines = [
        [[*fitted.steps(size, fitted.reference | {"W": width}).values(), math.nan] for size in line] for width in widths
    ]
    laws = exponents(runs, fitted)
    scale = np.array([fitted.steps_per_tau_at(each) for each in settings])
    tau, phases = _telling_time(runs, scale)
    times = [[getattr(run, event) for event in RECORDED] for run in runs]
    reference = [all(each[name] == fitted.reference[name] for name in ("B", "eta")) for each in settings]
    return (
        _diagram(fitted, n, tau)
        .assign(
            {
                "run_phase": (
                    "run",
                    phases,
                    {"flag_meanings": " ".join(PHASES), "long_name": "measured; -1: not known"},
                ),
                "measured": (("run", "event"), [[time.value for time in row] for row in times], _STEPS),
                "censored": (
                    ("run", "event"),
                    [[time.censored for time in row] for row in times],
                    {"long_name": "the event lies beyond the measured time"},
                ),
                "predicted": (("run", "event"), predicted, _STEPS),
                "f_mem": ("run", [run.record.f_mem[-1] for run in runs], {"long_name": "copies at the end of the run"}),
                "line": (
                    ("width", "n_line", "event"),
                    lines,
                    _STEPS | {"long_name": "predicted at the reference B, eta"},
                ),
                "reference": ("run", reference, {"long_name": "whether B and eta are those of the lines"}),
                **{
                    name: ("law", [getattr(row.measured, end) for row in laws])
                    for name, end in (("exponent", "value"), ("exponent_low", "low"), ("exponent_high", "high"))
                },
                "exponent_predicted": ("law", [row.predicted.value for row in laws]),
                "exponent_predicted_low": ("law", [row.predicted.low for row in laws]),
                "exponent_predicted_high": ("law", [row.predicted.high for row in laws]),
                "exponent_law": ("law", [row.law for row in laws]),
                "exponent_runs": ("law", [row.runs for row in laws]),
                "exponent_censored": ("law", [row.censored for row in laws]),
            }
        )
        .assign_coords(
            {
                "key": ("run", [run.record.key for run in runs]),
                "n": ("run", n, {"long_name": "training images"}),
                **{name: ("run", [each[name] for each in settings]) for name in ("W", "B", "eta")},
                "seed": ("run", [run.record.config.seed for run in runs]),
                "run_psi_n": ("run", n / fitted.d),
                "run_psi_p": ("run", [fitted.psi_p_at(each["W"]) for each in settings]),
                "event": list(RECORDED),
                "width": widths,
                "n_line": line,
                "law": [f"{row.event} {row.factor}" for row in laws],
            }
        )
        .assign_attrs(
            {f"reference_{name}": value for name, value in fitted.reference.items()},
            data=config.data,
            t=t,
            d=fitted.d,
            map=stated(fitted),
            steps_per_tau=fitted.steps_per_tau.value,
            psi_p=fitted.psi_p.value,
            psi_p_interval=[fitted.psi_p.low, fitted.psi_p.high],
            psi_p_fitted=int(psi_p is None),
            psi_p_at_edge=int(psi_p is None and fitted.psi_p.value in (PSI_P_GRID[0], PSI_P_GRID[-1])),
            powers=json.dumps({name: [power.value, power.low, power.high] for name, power in fitted.powers.items()}),
            residual_factor=fitted.residual_factor,
            points=fitted.points,
        )
    )


def lawful_networks(records: Sequence["RunRecord"], t: float | None = None) -> list["RunTimes"]:
    """The times of the U-Nets among the runs that did not diverge; InputError if there are none."""
    from genmem.empirics.analysis.measure import measure

    networks = [record for record in records if not record.config.is_theory]
    if not networks:
        raise InputError("runs must hold at least one run of a U-Net, but hold none")
    runs = measure(networks, t).lawful
    if not runs:
        raise InputError("runs must hold a U-Net's that did not diverge, but hold none")
    return runs


def _telling_time(runs: Sequence["RunTimes"], scale: np.ndarray) -> tuple[float, np.ndarray]:
    """The tau at which the runs are most evenly spread over the phases, and the measured phase of each then."""
    taus, found = phases_in_time(runs, scale)
    best = max(range(len(taus)), key=lambda k: evenness(found[k]))
    return float(taus[best]), found[best]


def phases_in_time(runs: Sequence["RunTimes"], scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Training times (60,) over those of the runs, in units of scale (R,), and the measured phase (60, R) of each."""
    values = [time.value / s for run, s in zip(runs, scale, strict=True) for time in (run.gen, run.mem)]
    taus = np.geomspace(min(values), max(values), 60)
    return taus, np.array([[phase_of(run, tau * s) for run, s in zip(runs, scale, strict=True)] for tau in taus])


def evenness(phases: np.ndarray) -> float:
    """The entropy of the phases, in nats, less what is not known."""
    shares = np.unique(phases[phases != UNKNOWN], return_counts=True)[1] / phases.size
    return float(-(shares * np.log(shares)).sum())


def phase_of(run: "RunTimes", step: float) -> int:
    """The measured phase at an optimizer step (a place in PHASES); UNKNOWN where the run had ended."""
    if not run.mem.censored and step >= run.mem.value:
        return PHASES.index("memorization")
    if step < run.gen.value:
        return PHASES.index("underfit")
    return PHASES.index("generalization") if not run.gen.censored and step < run.mem.value else UNKNOWN


def _diagram(fitted: "Map", n: np.ndarray, tau: float) -> "xarray.Dataset":
    """The predicted regimes at tau, around the runs' n, for the covariance of their images."""
    psi_n = np.geomspace(n.min() / fitted.d / 2, n.max() / fitted.d * 2, _POINTS)
    low, high = min(_PSI_P[0], fitted.psi_p.value / 2), max(_PSI_P[1], 2 * fitted.psi_p.value)
    return phase_diagram(psi_n, np.geomspace(low, high, _POINTS), fitted.t, spectrum=fitted.spectrum, tau=tau)


def stated(fitted: "Map") -> list[str]:
    """The map's parameters in words, one each."""

    def ends(estimate) -> str:
        low = f"{estimate.low:.2g}" if estimate.low > 0 or -math.inf < estimate.low < 0 else "open"
        return f"[{low}, {estimate.high:.2g}]" if math.isfinite(estimate.high) else f"[{low}, open]"

    at = ", ".join(rf"{SYMBOLS[name]} = {value:g}" for name, value in fitted.reference.items())
    stated = [
        rf"$\psi_n$ = n/{fitted.d}",
        rf"$\psi_p$ = {fitted.psi_p.value:.2g} {ends(fitted.psi_p)}"
        + (rf", as W$^{{{fitted.psi_p_power.value:.2g}}}$ {ends(fitted.psi_p_power)}" if fitted.psi_p_varies else ""),
        rf"{fitted.steps_per_tau.value:.2g} {ends(fitted.steps_per_tau)} steps per $\tau$ at {at}",
    ]
    stated += [
        rf"this goes as {SYMBOLS[name]}$^{{{power.value:.2f}}}$ {ends(power)}" for name, power in fitted.powers.items()
    ]
    return [*stated, f"residual: a factor {fitted.residual_factor:.2f}"]


def wrapped(parts: list[str], length: int) -> str:
    """The parts in lines of at most this many characters, mathtext's own signs not counted."""
    lines = ["map, with 95 % intervals:"]
    for k, part in enumerate(parts):
        part = part + ";" * (k < len(parts) - 1)
        if len(re.sub(r"\\[a-z]+|[${}^_]", "", f"{lines[-1]} {part}")) > length:
            lines.append(part)
        else:
            lines[-1] += f" {part}"
    return "\n".join(lines)
