"""The overlay: measured phases on the predicted diagram, measured times on predicted ones, residuals and exponents."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter, ScalarFormatter
from matplotlib.transforms import ScaledTranslation

from genmem.figures.drawing import overlaid, phase_diagram, style
from genmem.shared.vocabulary import PREDICTED
from genmem.theory.phases import PHASES

if TYPE_CHECKING:
    import xarray

CAPTION = (
    "Measured and predicted. (a) Predicted regimes after one training time τ, with contours of τ_mem, and the runs at "
    "that time (symbol: width W; fill: measured regime, white where the run had ended), side by side where they "
    "coincide; line: the fitted ψ_p, dotted: its 95 % interval. (b) Times measured (symbols, open where the run ended "
    "before) at the map's B and η, and predicted (lines, one for each width). (c) All times measured, over those "
    "predicted; τ_gap was not fitted. (d) Exponents with 95 % intervals, which need no map but ψ_p. Above: the map."
)
calculate = overlaid.calculate
_APART = 4.6  # points between the markers of runs that coincide
_MARKERS = ("v", "s", "o", "D", "^", "P")
_LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
_EXPECTED = {
    "exponent_predicted": (style.BLUE, "D", "theory, these runs"),
    "exponent_law": (style.VERMILION, "x", r"law, $1 \ll n/d \ll p/d$"),
}


@style.styled
def build(data: "xarray.Dataset", width: float = style.SINGLE) -> Figure:
    """Draw the Dataset of `calculate`: four panels, in three rows for one column and in two for two."""
    wide = width > style.SINGLE
    figure = style.new(width, 4.7 if wide else 6.2)
    if wide:
        panels = figure.subplot_mosaic([["a", "b"], ["c", "d"]], height_ratios=(1.5, 1))
    else:
        panels = figure.subplot_mosaic(
            [["a", "a"], ["b", "b"], ["c", "d"]], height_ratios=(1.4, 1.2, 1.15), width_ratios=(1.5, 1)
        )
    for letter, draw in zip("abcd", (_draw_regimes, _draw_times, _draw_residuals, _draw_exponents), strict=True):
        draw(panels[letter], data)
        panels[letter].set_title(letter, loc="left", fontweight="bold")
    figure.suptitle(overlaid.wrapped(list(data.attrs["map"]), 128 if wide else 58), fontsize=7, x=0.02, ha="left")
    pairs = {tuple: HandlerTuple(ndivide=None, pad=0.3)}
    figure.legend(handles=_handles(data), loc="outside lower left", ncols=5 if wide else 2, handler_map=pairs)
    return figure


def _handles(data: "xarray.Dataset") -> list:
    present = np.unique(np.concatenate([data.phase.values.ravel(), data.run_phase.values]))
    handles = []
    for name in (PHASES[code] for code in present if code >= 0):
        run = Line2D([], [], linestyle="", marker="o", **_look(PHASES.index(name)))
        pair = Patch(color=phase_diagram.COLOURS[name]), run
        handles.append(_Pair(pair, label=f"a: {name.replace('_', ' ')}"))
    handles += [
        Line2D([], [], color=style.TIME_COLOURS[event], linewidth=2.5, label=f"b, c: {style.TIME_LABELS[event]}")
        for event in PREDICTED
    ]
    for w in data.width.values:
        look = {"marker": _marker(data, w), "linestyle": _line(data, w), "markerfacecolor": "white"}
        handles.append(Line2D([], [], color=style.BLACK, label=f"W = {w:g}", **look))
    handles.append(Line2D([], [], color=style.BLACK, marker="o", linewidth=1, label="d: measured"))
    handles += [
        Line2D([], [], color=colour, marker=marker, linestyle="", label=f"d: {label}")
        for colour, marker, label in _EXPECTED.values()
    ]
    return handles


class _Pair(tuple):
    """Two handles with one label: the colour of a region and that of a run."""

    def __new__(cls, handles, label: str):
        pair = super().__new__(cls, handles)
        pair.label = label
        return pair

    def get_label(self) -> str:
        return self.label


def _marker(data: "xarray.Dataset", width: float) -> str:
    return _MARKERS[int(np.flatnonzero(data.width.values == width)[0]) % len(_MARKERS)]


def _line(data: "xarray.Dataset", width: float):
    return _LINES[int(np.flatnonzero(data.width.values == width)[0]) % len(_LINES)]


def _draw_regimes(axes: Axes, data: "xarray.Dataset") -> None:
    phase_diagram.draw(axes, data, letters=False)
    axes.axhline(data.attrs["psi_p"], color=style.BLACK, linewidth=0.6)
    for end in data.attrs["psi_p_interval"]:
        if data.psi_p.values[0] < end < data.psi_p.values[-1]:
            axes.axhline(end, color=style.BLACK, linestyle=":", linewidth=1)
    places = np.stack([data.run_psi_n.values, data.run_psi_p.values], axis=1)
    for place in np.unique(places, axis=0):
        runs = np.flatnonzero((places == place).all(axis=1))
        runs = runs[np.lexsort([data[name].values[runs] for name in ("seed", "B", "eta", "W")])]
        columns = int(np.ceil(np.sqrt(runs.size)))
        rows = -(-runs.size // columns)
        for k, run in enumerate(runs):
            # By points on the page and not by a factor in psi_p, which would look like a value.
            right, up = k // rows - (columns - 1) / 2, (rows - 1) / 2 - k % rows
            apart = ScaledTranslation(right * _APART / 72, up * _APART / 72, axes.figure.dpi_scale_trans)
            axes.plot(
                *place,
                _marker(data, data.W.values[run]),
                transform=axes.transData + apart,
                markersize=4,
                **_look(int(data.run_phase[run])),
                clip_on=False,
            )
    powers = 2.0 ** np.arange(-20, 40)
    ticks = powers[(powers > float(data.psi_n[0])) & (powers < float(data.psi_n[-1]))]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel(r"$\psi_n = n/d$")
    axes.set_ylabel(r"$\psi_p$")
    axes.set_title(rf"regimes after training for $\tau$ = {style.decade(float(data.tau))}")


def _look(code: int) -> dict:
    """How the marker of a run of this measured phase looks."""
    colour = phase_diagram.STRONG[PHASES[code]] if code >= 0 else "white"
    return {"color": style.BLACK, "markerfacecolor": colour, "markeredgewidth": 0.5}


def _draw_times(axes: Axes, data: "xarray.Dataset") -> None:
    chosen = data.isel(run=np.flatnonzero(data.reference.values))
    middle = (data.width.size - 1) / 2
    for event in ("gen", "mem"):
        colour = style.TIME_COLOURS[event]
        for k, width in enumerate(data.width.values):
            predicted = data.line.sel(width=width, event=event)
            axes.plot(data.n_line, predicted.where(np.isfinite(predicted)), color=colour, linestyle=_line(data, width))
            here = chosen.isel(run=np.flatnonzero(chosen.W.values == width)).sel(event=event)
            _points(
                axes,
                here.n.values * 1.05 ** (k - middle),
                here.measured.values,
                here.censored.values,
                colour,
                _marker(data, width),
            )
    axes.set(xscale="log", yscale="log", ylabel="optimizer steps")
    _size_axis(axes, data)


def _draw_residuals(axes: Axes, data: "xarray.Dataset") -> None:
    axes.axhline(1, color=style.GREY, linewidth=0.8)
    for k, event in enumerate(PREDICTED):
        for width in data.width.values:
            here = data.isel(run=np.flatnonzero(data.W.values == width)).sel(event=event)
            here = here.isel(run=np.flatnonzero(np.isfinite(here.predicted.values)))
            ratio = here.measured.values / here.predicted.values
            _points(
                axes,
                here.n.values * 1.12 ** (k - 1),
                ratio,
                here.censored.values,
                style.TIME_COLOURS[event],
                _marker(data, width),
            )
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
    rows = np.arange(data.law.size)[::-1]
    low, high = data.exponent_low.values, data.exponent_high.values
    value = data.exponent.values
    # An end that the data do not set lies beyond the panel.
    error = np.stack([np.minimum(value - low, 10), np.minimum(high - value, 10)])
    axes.errorbar(value, rows, xerr=error, color=style.BLACK, capsize=2, linewidth=1, linestyle="", marker="o")
    for row, (name, (colour, marker, _)) in zip((0.22, -0.22), _EXPECTED.items(), strict=True):
        axes.plot(data[name], rows + row, marker, color=colour)
    names = [name.split() for name in data.law.values]
    axes.set_yticks(rows, [rf"{style.TIME_LABELS[event]} in ${factor}$" for event, factor in names])
    shown = np.concatenate([value, data.exponent_law.values, data.exponent_predicted.values, low, high])
    shown = [0, 1, *shown[np.abs(shown) < 10]]
    axes.set_xlim(min(shown) - 0.2, max(shown) + 0.2)
    axes.set_ylim(-0.6, data.law.size - 0.4)
    axes.set_xlabel("exponent")
