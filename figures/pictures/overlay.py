"""The overlay: measured times of generalization and memorization against n, over the predicted ones."""

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from genmem.figures.pictures import style

if TYPE_CHECKING:
    import xarray

# Side by side within a few per cent of n, so that the markers of one n do not hide one another.
_SHIFT = {"gen": 0.97, "gap": 0.94, "mem": 1.0, "copy": 1.05}
_SEEN = {"markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.4}


@style.styled
def build(overlay: "xarray.Dataset", width: float = style.SINGLE) -> Figure:
    """Draw measured times (markers; open with an arrow where the run ended before the event) over predicted lines.

    overlay: the Dataset of genmem.figures.pictures.comparison.compare.
    """
    figure = style.new(width, 4.1)
    axes = figure.subplots()
    handles = []
    for event in overlay.event.values:
        colour, marker = style.TIME_COLOURS[event], style.TIME_MARKERS[event]
        here = overlay.sel(event=event)
        axes.plot(overlay.n_line, here.predicted, color=colour)
        n, steps, late = overlay.n.values * _SHIFT[event], here.measured.values, here.censored.values.astype(bool)
        axes.plot(n[~late], steps[~late], marker, **_SEEN, color=colour)
        for x, y in zip(n[late], steps[late], strict=True):
            axes.annotate("", (x, 1.6 * y), (x, y), arrowprops={"arrowstyle": "->", "color": colour, "linewidth": 0.8})
        axes.plot(n[late], steps[late], marker, color=colour, markerfacecolor="white")
        line = "-" if here.predicted.notnull().any() else ""
        handles.append(Line2D([], [], color=colour, marker=marker, linestyle=line, label=_label(event, here)))
    axes.set(xscale="log", yscale="log")
    axes.set_ylim(top=2 * float(max(overlay.measured.max(), overlay.predicted.max())))
    sizes = np.unique(overlay.n)
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("training images $n$")
    axes.set_ylabel("optimizer steps")
    figure.suptitle(_map(overlay.attrs), fontsize=7, x=0.02, ha="left")
    note = "markers: measured (arrow: not before the end of the run)\nlines: predicted; b with its 95 % interval"
    figure.legend(handles=handles, loc="outside lower left", ncols=1, title=note, title_fontsize=7, alignment="left")
    return figure


def _label(event: str, here: "xarray.Dataset") -> str:
    """The name of a time with its measured exponent in n, that exponent's 95 % interval and the predicted one."""
    label = style.TIME_LABELS[event]
    if math.isfinite(here.exponent):
        label += rf" $\propto n^b$, $b$ = {here.exponent:.2f} [{here.exponent_low:.2f}, {here.exponent_high:.2f}]"
    if math.isfinite(here.exponent_predicted):
        label += f"; predicted {here.exponent_predicted:.2f}"
    return label


def _map(attrs: dict) -> str:
    source = "fitted" if attrs["psi_p_fitted"] else "chosen"
    return (
        rf"map: $\psi_n = n/{attrs['d']}$; {source}: $\psi_p$ = {style.decade(attrs['psi_p'])}; "
        rf"fitted: {style.decade(attrs['steps_per_tau'])} steps per $\tau$"
        f"\nresidual: a factor of {attrs['residual_factor']:.2f} (one standard deviation)"
    )
