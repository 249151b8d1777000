"""The overlay: measured phases on the predicted diagram, measured times on predicted ones, residuals and exponents."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter, ScalarFormatter

from genmem.figures.pictures import style
from genmem.figures.pictures.phase_diagram import COLOURS
from genmem.shared.errors import InputError
from genmem.theory.phases import PHASES, classify

if TYPE_CHECKING:
    import xarray

    from genmem.empirics.analysis.mapping import Map
    from genmem.empirics.analysis.measure import RunTimes
    from genmem.empirics.records.runs import RunRecord

CAPTION = (
    "Measured and predicted. (a) Regimes at one training time τ, and the runs at that time (colour: measured phase, "
    "white: the run had ended; symbol: width; moved apart where they coincide; dotted: 95 % interval of ψ_p). (b) "
    "Times measured (symbols, open where the run ended before) at the map's B and η, and predicted (lines, one a "
    "width). (c) Residuals of all runs; τ_gap was not fitted. (d) Exponents, which need no map but ψ_p. Above: the map."
)
_EVENTS = ("gen", "gap", "mem")
_POINTS = 60  # of the diagram, along each axis
_PSI_P = (0.25, 1024.0)
_UNKNOWN = -1
_ROWS = 4  # in a block of runs that coincide
# Stronger than the diagram's tints, so that runs stand out from a region of their own phase.
_PHASE_COLOURS = {"underfit": style.YELLOW, "generalization": style.GREEN, "memorization": style.VERMILION}
_MARKERS = ("v", "s", "o", "D", "^", "P")
_LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))


def calculate(records: Sequence["RunRecord"]) -> "xarray.Dataset":
    """All that is drawn. Raises InputError for runs that cannot be mapped (see genmem.empirics.analysis.mapping.map_of)."""
    import xarray

    from genmem.empirics.analysis.comparison import exponents, residuals
    from genmem.empirics.analysis.mapping import map_of, setting
    from genmem.empirics.analysis.measure import measure

    measurement = measure([record for record in records if not record.config.is_theory])
    runs = measurement.lawful
    if not runs:
        raise InputError("runs must hold a U-Net's that did not diverge, but do not")
    t = runs[0].record.config.loss_times[0]
    fitted = map_of(runs, t)
    rows = residuals(runs, fitted)
    shape = (len(runs), len(_EVENTS))
    n = np.array([run.record.config.n for run in runs])
    settings = [setting(run) for run in runs]
    scale = np.array([fitted.steps_per_tau_at(each) for each in settings])
    widths = np.unique([each["W"] for each in settings])
    line = np.geomspace(n.min(), n.max(), 25)
    lines = [[list(fitted.steps(size, fitted.reference | {"W": width}).values()) for size in line] for width in widths]
    exponent_rows = exponents(runs, fitted)
    tau, phases = _telling_time(runs, scale)
    psi_n, psi_p, regimes = _plane(fitted, n, tau)
    steps = {"units": "optimizer steps"}
    return xarray.Dataset(
        {
            "regime": (("psi_p", "psi_n"), regimes, {"flag_meanings": " ".join(PHASES), "tau": tau}),
            "phase": ("run", phases, {"flag_meanings": " ".join(PHASES), "long_name": "measured; -1: not known"}),
            "measured": (("run", "event"), np.reshape([row.measured for row in rows], shape), steps),
            "censored": (("run", "event"), np.reshape([row.censored for row in rows], shape)),
            "predicted": (("run", "event"), np.reshape([row.predicted for row in rows], shape), steps),
            "line": (("width", "n_line", "event"), lines, steps | {"long_name": "predicted at the reference B, eta"}),
            "reference": ("run", [each["B"] == fitted.reference["B"] and each["eta"] == fitted.reference["eta"]
                                  for each in settings]),
            **{name: ("exponent", [getattr(row.measured, end) for row in exponent_rows])
               for name, end in (("exponent_measured", "value"), ("exponent_low", "low"), ("exponent_high", "high"))},
            "exponent_predicted": ("exponent", [row.predicted.value for row in exponent_rows]),
            "exponent_law": ("exponent", [row.law for row in exponent_rows]),
        },
        coords={
            "n": ("run", n, {"long_name": "training images"}),
            "W": ("run", [each["W"] for each in settings]),
            "B": ("run", [each["B"] for each in settings]),
            "eta": ("run", [each["eta"] for each in settings]),
            "run_psi_n": ("run", n / fitted.d),
            "run_psi_p": ("run", [fitted.psi_p_at(each["W"]) for each in settings]),
            "event": list(_EVENTS),
            "width": widths,
            "n_line": line,
            "psi_n": psi_n,
            "psi_p": psi_p,
            "exponent": [f"{row.event} {row.factor}" for row in exponent_rows],
        },
        attrs={"data": runs[0].record.config.data, "t": t, "d": fitted.d, "map": _stated(fitted),
               "steps_per_tau": fitted.steps_per_tau.value,
               "psi_p_interval": [fitted.psi_p.low, fitted.psi_p.high]},
    )


def _telling_time(runs: Sequence["RunTimes"], scale: np.ndarray) -> tuple[float, np.ndarray]:
    """The tau at which the runs are most evenly spread over the phases, and the measured phase of each then."""
    taus = np.geomspace(*(f(time.value / s for run, s in zip(runs, scale, strict=True) for time in (run.gen, run.mem))
                          for f in (min, max)), 60)
    found = [np.array([_phase(run, tau * s) for run, s in zip(runs, scale, strict=True)]) for tau in taus]

    def evenness(phases: np.ndarray) -> float:
        shares = np.unique(phases[phases != _UNKNOWN], return_counts=True)[1] / phases.size
        return float(-(shares * np.log(shares)).sum())

    best = max(range(len(taus)), key=lambda k: evenness(found[k]))
    return float(taus[best]), found[best]


def _phase(run: "RunTimes", step: float) -> int:
    """The measured phase at an optimizer step (a place in PHASES); -1 where the run had ended."""
    if not run.mem.censored and step >= run.mem.value:
        return PHASES.index("memorization")
    if step < run.gen.value:
        return PHASES.index("underfit")
    return PHASES.index("generalization") if not run.gen.censored and step < run.mem.value else _UNKNOWN


def _plane(fitted: "Map", n: np.ndarray, tau: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Axes and predicted regimes (psi_p, psi_n) at tau, around the runs' n."""
    from genmem.empirics.analysis.mapping import predicted_times

    psi_n = np.geomspace(n.min() / fitted.d / 2, n.max() / fitted.d * 2, _POINTS)
    psi_p = np.geomspace(*_PSI_P, _POINTS)
    times = np.array([[predicted_times(x, y, fitted.t, fitted.spectrum) for x in psi_n] for y in psi_p])
    return psi_n, psi_p, classify(tau, times[..., 0], times[..., 2])


def _stated(fitted: "Map") -> list[str]:
    """The map's parameters in words, one each."""
    def ends(estimate) -> str:
        low = f"{estimate.low:.2g}" if estimate.low > 0 or -math.inf < estimate.low < 0 else "open"
        return f"[{low}, {estimate.high:.2g}]" if math.isfinite(estimate.high) else f"[{low}, open]"

    at = ", ".join(rf"{_SYMBOLS[name]} = {value:g}" for name, value in fitted.reference.items())
    stated = [
        rf"$\psi_n$ = n/{fitted.d}",
        rf"$\psi_p$ = {fitted.psi_p.value:.2g} {ends(fitted.psi_p)}"
        + (rf" $(W/{fitted.reference['W']:g})^{{{fitted.psi_p_power.value:.2g}}}$" if fitted.psi_p_varies else ""),
        rf"{fitted.steps_per_tau.value:.2g} {ends(fitted.steps_per_tau)} steps per $\tau$ at {at}",
    ]
    stated += [rf"steps per $\tau \propto$ {_SYMBOLS[name]}$^a$, a = {power.value:.2f} {ends(power)}"
               for name, power in fitted.powers.items()]
    return [*stated, f"residual: a factor {fitted.residual_factor:.2f}"]


_EXPECTED = {
    "exponent_predicted": (style.BLUE, "D", "theory, these runs"),
    "exponent_law": (style.VERMILION, "x", r"law, $1 \ll n/d \ll p/d$"),
}
_SYMBOLS = {"W": "W", "B": "B", "eta": r"$\eta$"}


@style.styled
def build(data: "xarray.Dataset", width: float = style.SINGLE) -> Figure:
    """Draw the Dataset of `calculate`: four panels, in two rows for two columns."""
    wide = width > style.SINGLE
    figure = style.new(width, 5.6 if wide else 9.2)
    plane, times, residual, exponents = figure.subplots(*((2, 2) if wide else (4, 1))).flat
    if not wide:
        plane.get_gridspec().set_height_ratios([1, 1, 0.8, 0.6])
    _draw_plane(plane, data)
    _draw_times(times, data)
    _draw_residuals(residual, data)
    _draw_exponents(exponents, data)
    for letter, axes in zip("abcd", (plane, times, residual, exponents), strict=True):
        axes.set_title(letter, loc="left", fontweight="bold")
    figure.suptitle(_wrapped(list(data.attrs["map"]), 3 if wide else 1), fontsize=7, x=0.02, ha="left")
    figure.legend(handles=_handles(data), loc="outside lower left", ncols=5 if wide else 2)
    return figure


def _wrapped(parts: list[str], per_line: int) -> str:
    lines = ["; ".join(parts[k : k + per_line]) for k in range(0, len(parts), per_line)]
    return "map, with 95 % intervals: " + "\n".join(lines)


def _handles(data: "xarray.Dataset") -> list:
    present = np.unique(np.concatenate([data.regime.values.ravel(), data.phase.values]))
    names = [PHASES[code] for code in present if code >= 0]
    handles = [Patch(color=COLOURS[name], label=name.replace("_", " ")) for name in names]
    handles += [Line2D([], [], color=style.TIME_COLOURS[event], linewidth=2.5, label=style.TIME_LABELS[event])
                for event in _EVENTS]
    for w in data.width.values:
        look = {"marker": _marker(data, w), "linestyle": _line(data, w), "markerfacecolor": "white"}
        handles.append(Line2D([], [], color=style.BLACK, label=f"W = {w:g}", **look))
    handles.append(Line2D([], [], color=style.BLACK, marker="o", linewidth=1, label="d: measured exponent"))
    handles += [Line2D([], [], color=colour, marker=marker, linestyle="", label=f"d: {label}")
                for colour, marker, label in _EXPECTED.values()]
    return handles


def _marker(data: "xarray.Dataset", width: float) -> str:
    return _MARKERS[int(np.flatnonzero(data.width.values == width)[0]) % len(_MARKERS)]


def _line(data: "xarray.Dataset", width: float):
    return _LINES[int(np.flatnonzero(data.width.values == width)[0]) % len(_LINES)]


def _draw_plane(axes: Axes, data: "xarray.Dataset") -> None:
    colours = ListedColormap([COLOURS[name] for name in PHASES])
    norm = BoundaryNorm(np.arange(-0.5, len(PHASES)), len(PHASES))
    axes.pcolormesh(data.psi_n, data.psi_p, data.regime, cmap=colours, norm=norm, shading="nearest", rasterized=True)
    axes.set(xscale="log", yscale="log", xlim=data.psi_n.values[[0, -1]], ylim=data.psi_p.values[[0, -1]])
    for end in data.attrs["psi_p_interval"]:
        if data.psi_p.values[0] < end < data.psi_p.values[-1]:
            axes.axhline(end, color=style.GREY, linestyle=":", linewidth=1)
    # Runs of one n and one psi_p coincide: those of a width form a block of their own around their place.
    for k, width in enumerate(data.width.values):
        for n in np.unique(data.n):
            place = np.flatnonzero((data.W.values == width) & (data.n.values == n))
            rows = min(_ROWS, place.size)
            for j, run in enumerate(place):
                code = int(data.phase[run])
                colour = _PHASE_COLOURS[PHASES[code]] if code >= 0 else "white"
                right = 1.08 ** (j // rows - ((place.size - 1) // rows) / 2)
                up = 4.0 ** (k - (data.width.size - 1) / 2) * 1.35 ** (j % rows - (rows - 1) / 2)
                axes.plot(float(data.run_psi_n[run]) * right, float(data.run_psi_p[run]) * up, _marker(data, width),
                          color=style.BLACK, markerfacecolor=colour, markeredgewidth=0.6, markersize=4, clip_on=False)
    powers = 2.0 ** np.arange(-20, 40)
    ticks = powers[(powers > float(data.psi_n[0])) & (powers < float(data.psi_n[-1]))]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel(r"$\psi_n = n/d$")
    axes.set_ylabel(r"$\psi_p$")
    axes.set_title(rf"regimes at $\tau$ = {style.decade(data.regime.attrs['tau'])}")


def _draw_times(axes: Axes, data: "xarray.Dataset") -> None:
    chosen = data.isel(run=np.flatnonzero(data.reference.values))
    for event in ("gen", "mem"):
        colour = style.TIME_COLOURS[event]
        for width in data.width.values:
            predicted = data.line.sel(width=width, event=event)
            axes.plot(data.n_line, predicted.where(np.isfinite(predicted)), color=colour, linestyle=_line(data, width))
            here = chosen.isel(run=np.flatnonzero(chosen.W.values == width)).sel(event=event)
            _points(axes, here.n.values, here.measured.values, here.censored.values, colour, _marker(data, width))
    axes.set(xscale="log", yscale="log", ylabel="optimizer steps")
    _size_axis(axes, data)


def _draw_residuals(axes: Axes, data: "xarray.Dataset") -> None:
    axes.axhline(1, color=style.GREY, linewidth=0.8)
    for k, event in enumerate(_EVENTS):
        for width in data.width.values:
            here = data.isel(run=np.flatnonzero(data.W.values == width)).sel(event=event)
            here = here.isel(run=np.flatnonzero(np.isfinite(here.predicted.values)))
            ratio = here.measured.values / here.predicted.values
            _points(axes, here.n.values * 1.12 ** (k - 1), ratio, here.censored.values, style.TIME_COLOURS[event],
                    _marker(data, width))
    axes.set(xscale="log", yscale="log", ylabel="measured / predicted")
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.set_yticks([0.25, 0.5, 1, 2, 4], ["0.25", "0.5", "1", "2", "4"])
    axes.yaxis.set_minor_formatter(NullFormatter())
    _size_axis(axes, data)


def _points(axes: Axes, n, values, censored, colour: str, marker: str) -> None:
    """Measured values, filled; lower bounds, open and with a stroke upwards."""
    late = np.asarray(censored, bool)
    axes.plot(n[~late], values[~late], marker, color=colour, markeredgecolor="white", markeredgewidth=0.3)
    axes.plot(n[late], values[late], marker, color=colour, markerfacecolor="white", markeredgewidth=0.7)
    for x, y in zip(n[late], values[late], strict=True):
        axes.annotate("", (x, 1.5 * y), (x, y), arrowprops={"arrowstyle": "->", "color": colour, "linewidth": 0.6})


def _size_axis(axes: Axes, data: "xarray.Dataset") -> None:
    sizes = np.unique(data.n)
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("training images $n$")


def _draw_exponents(axes: Axes, data: "xarray.Dataset") -> None:
    rows = np.arange(data.exponent.size)[::-1]
    low, high = data.exponent_low.values, data.exponent_high.values
    value = data.exponent_measured.values
    # An end that the data do not set lies beyond the panel.
    error = np.stack([np.minimum(value - low, 10), np.minimum(high - value, 10)])
    axes.errorbar(value, rows, xerr=error, color=style.BLACK, capsize=2, linewidth=1, linestyle="", marker="o")
    for row, (name, (colour, marker, _)) in zip((0.22, -0.22), _EXPECTED.items(), strict=True):
        axes.plot(data[name], rows + row, marker, color=colour)
    names = [name.split() for name in data.exponent.values]
    axes.set_yticks(rows, [rf"{style.TIME_LABELS[event]} in ${factor}$" for event, factor in names])
    shown = np.concatenate([value, data.exponent_law.values, data.exponent_predicted.values, low, high])
    shown = shown[np.abs(shown) < 10]
    axes.set_xlim(min(shown) - 0.2, max(shown) + 0.2)
    axes.set_ylim(-0.6, data.exponent.size - 0.4)
    axes.set_xlabel("exponent")
