"""The phase diagram: what a network of p units has made of n points at one training time, and tau_mem's contours."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from figures import style

if TYPE_CHECKING:
    import xarray

# Tints of the palette, light enough for black contours and text on top.
COLOURS = {
    "no_generalization": "#D9D9D9",
    "underfit": "#FBF3B5",
    "generalization": "#A6DCC9",
    "memorization": "#F2BE98",
    "architectural_regularization": "#A9CFE8",
}


@style.styled
def build(diagram: "xarray.Dataset") -> Figure:
    """Draw the regimes as colours and tau_mem as labelled contours, one per decade.

    diagram: the Dataset of theory.phase_diagram, with variables phase and tau_mem over dimensions psi_p, psi_n and
    the training time of the phases in attribute tau of `phase`.
    """
    names = diagram.phase.attrs["flag_meanings"].split()
    figure = style.new(style.SINGLE, 3.3)
    axes = figure.subplots()
    # Before the contours: their labels are placed by lengths on the page.
    axes.set(xscale="log", yscale="log")
    axes.pcolormesh(
        diagram.psi_n,
        diagram.psi_p,
        diagram.phase,
        cmap=ListedColormap([COLOURS[name] for name in names]),
        norm=BoundaryNorm(np.arange(len(names) + 1) - 0.5, len(names)),
        shading="nearest",
        rasterized=True,
    )
    exponent = np.log10(np.ma.masked_invalid(diagram.tau_mem.values))
    if exponent.count():
        decades = np.arange(np.ceil(exponent.min()), np.floor(exponent.max()) + 1)
        lines = axes.contour(
            diagram.psi_n, diagram.psi_p, exponent, levels=decades, colors=style.BLACK, linewidths=0.7
        )
        axes.clabel(lines, fmt=lambda level: rf"$10^{{{int(level)}}}$", fontsize=7)
    axes.set_xlabel(r"training points per dimension, $\psi_n = n/d$")
    axes.set_ylabel(r"hidden units per dimension, $\psi_p = p/d$")
    axes.set_title(rf"after training for $\tau$ = {style.decade(diagram.phase.attrs['tau'])}; lines: $\tau_{{mem}}$")
    present = np.unique(diagram.phase)
    figure.legend(
        handles=[Patch(color=COLOURS[names[code]], label=names[code].replace("_", " ")) for code in present],
        loc="outside lower center",
        ncols=2,
    )
    return figure
