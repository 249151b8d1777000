"""What a network generates against training time: its distance to the truth, and whether it copies."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from genmem.figures.drawing import style

if TYPE_CHECKING:
    import xarray

_DISTANCES = {
    "kl_noised": (r"KL to the data at noise time $t_0$", style.BLACK, "-"),
    "kl": ("KL to the data", style.GREY, "--"),
    "frechet": ("Fréchet distance (bound)", style.BLUE, "-"),
}
_SHARES = {
    "agreement": ("agreement of two networks", style.GREEN, "-"),
    "f_mem": (r"memorized fraction $f_{mem}$", style.VERMILION, "-"),
    "ratio": (r"median $d_1/d_2$ of the nearest two", style.PURPLE, "--"),
}


@style.styled
def build(data: "xarray.Dataset", width: float = style.SINGLE) -> Figure:
    """Draw what data hold over dimension tau of kl, kl_noised, frechet (one panel), agreement, f_mem (another).

    distances (tau, sample, neighbour) give the ratio of the nearest two. A last time inf is a marker beyond the others.
    """
    if "distances" in data:
        ratio = data.distances.isel(neighbour=0) / data.distances.isel(neighbour=1)
        data = data.assign(ratio=ratio.median("sample"))
    panels = [
        (label, kinds)
        for label, kinds in (("distance per dimension", _DISTANCES), ("share", _SHARES))
        if any(name in data for name in kinds)
    ]
    wide = width > style.SINGLE
    figure = style.new(width, 2.7 if wide or len(panels) == 1 else 4.2)
    axes = figure.subplots(*((1, len(panels)) if wide else (len(panels), 1)), sharex=True, squeeze=False).ravel()
    for at, (label, kinds) in zip(axes, panels, strict=True):
        for name, (text, colour, line) in kinds.items():
            if name in data and np.isfinite(data[name].values).all():
                _draw(at, data.tau.values, data[name].values, colour, line, text)
        at.set_xscale("log")
        at.set_ylabel(label)
        if kinds is _DISTANCES:
            at.set_yscale("log")
        else:
            at.set_ylim(-0.03, 1.03)
        at.legend(loc="best")
        if wide or at is axes[-1]:
            at.set_xlabel(rf"training time $\tau$ = {data.tau.attrs.get('units', '')}".replace(" x ", r" $\times$ "))
    return figure


def _draw(axes: Axes, tau: np.ndarray, values: np.ndarray, colour: str, line: str, label: str) -> None:
    finite = np.isfinite(tau) & (tau > 0)
    axes.plot(tau[finite], values[finite], color=colour, linestyle=line, label=label)
    for value in values[np.isinf(tau)] if finite.any() else ():
        place = 3 * tau[finite].max()
        axes.plot(place, value, "o", color=colour, markersize=3, clip_on=False)
        axes.annotate(r"$\infty$", (place, value), (4, -2), textcoords="offset points", color=colour, fontsize=7)
