"""The times against the number of points and the size of the network, with their local exponents, and n*(p)."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from genmem.figures.drawing import style
from genmem.shared.errors import SolverError
from genmem.shared.vocabulary import PREDICTED
from genmem.theory.model import RandomFeatures
from genmem.theory.problem import Problem

if TYPE_CHECKING:
    import xarray

CAPTION = (
    "Predicted times against the numbers of training points (ψ_n = n/d) and of hidden units (ψ_p = p/d), and their "
    "local exponents. For 1 ≪ ψ_n ≪ ψ_p, τ_gen depends on neither (exponent 0), and τ_mem grows nearly in proportion "
    "to n (exponent 1) whatever p is. τ_mem diverges at the threshold n*(p) (vertical lines), beyond which the "
    "network cannot memorize."
)
# Half the spacing in log psi of the central differences: their error is below 1e-5, that of times refined to 1e-8 less.
HALF_STEP = 1e-3
# Relative distances from the divergence of tau_mem at which points are added to the axis.
_CLOSE = np.geomspace(0.005, 0.1, 7)
_STEP = np.exp(HALF_STEP * np.array([-1, 0, 1]))
_DASHES = (":", "--", "-")
_OTHER = {"psi_n": "psi_p", "psi_p": "psi_n"}
_SYMBOLS = {"psi_n": r"\psi_n", "psi_p": r"\psi_p"}
_MEANINGS = {"psi_n": "training points per dimension, n/d", "psi_p": "hidden units per dimension, p/d"}


def calculate(problem: Problem) -> "xarray.Dataset":
    """Times and exponents along n for three sizes of the network, and along p for three numbers of points."""
    axes = {"psi_n": np.geomspace(1, 10_000, 81), "psi_p": np.geomspace(1, 1024, 61)}
    return scaling(problem, axes, {"psi_n": (4.0, 16.0, 64.0), "psi_p": (16.0, 64.0, 1024.0)})


def scaling(problem: Problem, along: dict, fixed: dict) -> "xarray.Dataset":
    """The three times and d log tau / d log psi along psi_n at each fixed psi_p, and along psi_p at each fixed psi_n.

    along, fixed: increasing values of "psi_n" and "psi_p". Points close to the divergence of tau_mem are added to
    `along`. A time that never comes is inf, its exponent nan; so is a threshold that lies outside `along`.
    """
    import xarray

    axes, data = {}, {}
    for axis, near in _thresholds(problem, along, fixed).items():
        other = _OTHER[axis]
        away = -1 if axis == "psi_n" else 1
        points = np.unique(np.append(along[axis], near[np.isfinite(near), None] * (1 + away * _CLOSE)))
        tau = np.array(
            [
                _times(problem, [{axis: psi, other: value} for psi in (points[:, None] * _STEP).ravel()])
                for value in fixed[other]
            ]
        ).reshape(len(near), points.size, _STEP.size, len(PREDICTED))
        with np.errstate(invalid="ignore"):
            exponent = (np.log(tau[:, :, 2]) - np.log(tau[:, :, 0])) / (2 * HALF_STEP)
        dims = (f"fixed_{other}", axis, "event")
        unit = {"units": "steps x learning rate / d^2"}
        data[f"tau_along_{axis}"] = dims, tau[:, :, 1], unit | {"long_name": f"times along {axis}"}
        data[f"exponent_along_{axis}"] = dims, exponent, {"units": "1", "long_name": f"d log tau / d log {axis}"}
        data[f"threshold_{axis}"] = f"fixed_{other}", near, {"long_name": f"{axis} at which tau_mem diverges"}
        axes[axis] = axis, points, {"long_name": _MEANINGS[axis]}
        axes[f"fixed_{other}"] = f"fixed_{other}", list(fixed[other]), {"long_name": f"{_MEANINGS[other]}, held fixed"}
    events = "gen: generalization; gap: test and train loss part; mem: memorization"
    return xarray.Dataset(data, {**axes, "event": ("event", list(PREDICTED), {"long_name": events})}, {"t": problem.t})


def _thresholds(problem: Problem, along: dict, fixed: dict) -> dict[str, np.ndarray]:
    """Where tau_mem diverges: along psi_n for each fixed psi_p, and along psi_p for each fixed psi_n; or nan."""
    from genmem import theory

    model = {name: getattr(problem, name) for name in ("activation", "copies", "ridge")}
    psi_p = np.union1d(along["psi_p"], fixed["psi_p"])
    coarse = np.geomspace(along["psi_n"][0], along["psi_n"][-1], 12)
    line = theory.phase_diagram(coarse, psi_p, problem.t, spectrum=problem.spectrum, **model).psi_n_architectural
    n_of_p = line.sel(psi_p=list(fixed["psi_p"])).values
    n_of_p = np.where((n_of_p > along["psi_n"][0]) & (n_of_p < along["psi_n"][-1]), n_of_p, np.nan)
    known = line.dropna("psi_p")
    if known.size == 0:
        return {"psi_n": n_of_p, "psi_p": np.full(len(fixed["psi_n"]), np.nan)}
    p_of_n = np.exp(np.interp(np.log(fixed["psi_n"]), np.log(known), np.log(known.psi_p), left=np.nan, right=np.nan))
    return {"psi_n": n_of_p, "psi_p": p_of_n}


def _times(problem: Problem, places: list[dict]) -> np.ndarray:
    """The times, shape (len(places), 3), of networks at the given psi_n and psi_p; nan where they cannot be solved."""
    rows = []
    for place in places:
        try:
            times = RandomFeatures.of(problem, **place).timescales()
            rows.append([getattr(times, event) for event in PREDICTED])
        except SolverError:
            rows.append([np.nan] * len(PREDICTED))
    return np.array(rows)


@style.styled
def build(data: "xarray.Dataset", width: float = style.DOUBLE) -> Figure:
    """Draw the times above and their exponents below: along n and along p side by side in two columns, else stacked."""
    if width > style.SINGLE:
        figure = style.new(width, 4.2)
        panels = figure.subplots(2, 2, height_ratios=(3, 2)).T
    else:
        figure = style.new(width, 7.4)
        panels = figure.subplots(4, 1, height_ratios=(3, 2, 3, 2)).reshape(2, 2)
    for (times, exponents), axis in zip(panels, ("psi_n", "psi_p"), strict=True):
        times.set_yscale("log")
        _lines(times, data, "tau", axis)
        _lines(exponents, data, "exponent", axis)
        for limit in (0, 1):
            exponents.axhline(limit, color=style.BLACK, linewidth=0.5, zorder=0)
        exponents.set_ylim(-1, 3)
        for axes in (times, exponents):
            axes.set(xscale="log", xlim=(float(data[axis][0]), float(data[axis][-1])))
        times.tick_params(labelbottom=False)
        times.set_ylabel(r"training time $\tau$")
        exponents.set_ylabel(rf"d log $\tau$ / d log ${_SYMBOLS[axis]}$")
        exponents.set_xlabel(rf"{_MEANINGS[axis].split(',')[0]}, ${_SYMBOLS[axis]} = {axis[-1]}/d$")
        times.legend(handles=_fixed_handles(data, axis), loc="upper left" if axis == "psi_n" else "upper right")
    panels[1, 0].set_ylim(panels[0, 0].get_ylim())
    handles = [Line2D([], [], **_look(event), label=style.TIME_LABELS[event]) for event in PREDICTED]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def _look(event: str) -> dict:
    return {"color": style.TIME_COLOURS[event], "marker": style.TIME_MARKERS[event], "markersize": 3}


def _lines(axes: Axes, data: "xarray.Dataset", quantity: str, axis: str) -> None:
    """One line for each event and each value of what is fixed, and a thin one where tau_mem diverges."""
    fixed = f"fixed_{_OTHER[axis]}"
    for k, dashes in enumerate(_DASHES):
        here = data.isel({fixed: k})
        for event in PREDICTED:
            values = here[f"{quantity}_along_{axis}"].sel(event=event)
            values = values.where(np.isfinite(values))
            axes.plot(data[axis], values, **_look(event), linestyle=dashes, markevery=(5 + 3 * k, 13))
        axes.axvline(float(here[f"threshold_{axis}"]), color=style.GREY, linestyle=dashes, linewidth=0.7, zorder=0)


def _fixed_handles(data: "xarray.Dataset", axis: str) -> list[Line2D]:
    other = _OTHER[axis]
    return [
        Line2D([], [], color=style.GREY, linestyle=dashes, label=rf"${_SYMBOLS[other]}$ = {value:g}")
        for dashes, value in zip(_DASHES, data[f"fixed_{other}"].values, strict=True)
    ]
