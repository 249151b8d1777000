"""Copies without an optimizer: what exactly trained random-features networks generate from few images and from many."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from genmem.figures.drawing import style
from genmem.theory.problem import Problem

if TYPE_CHECKING:
    import xarray

CAPTION = (
    "What a random-features network generates that was trained exactly, with no optimizer and no training noise, on n "
    "digits of d = 64 pixels: the fraction f_mem of samples that are copies, and the median distance of a sample to "
    "the nearest training image, as a share of that to the second nearest, against training time (markers: infinitely "
    "long). With n far below d it copies, the later the more images there are. With n comparable to d it never does, "
    "however long it is trained, though its test loss overfits: there the score is a linear function and a noise (the "
    "Gaussian equivalence behind the closed form), and the flow of a linear score makes Gaussian samples, not copies."
)
SIZES = (2, 4, 8, 16, 64)
PSI_P = 8.0
TAU = (*np.geomspace(1, 1e6, 13).tolist(), np.inf)


def calculate(problem: Problem) -> "xarray.Dataset":
    """f_mem of networks of 512 units trained on a few digits."""
    from genmem.empirics.analysis.generated import of_images
    from genmem.empirics.data.datasets import load

    return of_images(load("digits"), SIZES, PSI_P, TAU, samples=200, problem=problem)


@style.styled
def build(data: "xarray.Dataset", width: float = style.SINGLE) -> Figure:
    """Draw f_mem and the ratio of the two nearest distances of genmem.empirics.analysis.generated.of_images."""
    wide = width > style.SINGLE
    figure = style.new(width, 2.7 if wide else 4.3)
    panels = figure.subplots(*((1, 2) if wide else (2, 1)), sharex=True)
    finite = np.isfinite(data.tau.values)
    for n, colour in zip(data.n.values, style.ordered(data.n.size), strict=True):
        row = data.sel(n=n)
        for axes, values in zip(panels, (row.f_mem.values, row.ratio.values), strict=True):
            label = rf"$n$ = {n} ($\psi_n$ = {n / data.attrs['d']:.2g})"
            axes.plot(data.tau.values[finite], values[finite], color=colour, label=label)
            for value in values[~finite]:
                axes.plot(3 * data.tau.values[finite].max(), value, "o", color=colour, markersize=3, clip_on=False)
    panels[0].set_ylabel(r"memorized fraction $f_{mem}$")
    panels[1].set_ylabel(r"median $d_1/d_2$ of samples")
    panels[1].axhline(1 / 3, color=style.GREY, linewidth=0.6, linestyle=":")
    panels[1].annotate("copies below 1/3", (0.02, 1 / 3), (0, 2), xycoords=("axes fraction", "data"),
                       textcoords="offset points", color=style.GREY)  # fmt: skip
    panels[0].set_ylim(bottom=-0.01)
    panels[1].set_ylim(0, 1.03)
    for axes in panels:
        axes.set_xscale("log")
    for axes in panels if wide else panels[1:]:
        axes.set_xlabel(r"training time $\tau$ = steps $\times$ learning rate / $d^2$")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5 if wide else 2)
    return figure
