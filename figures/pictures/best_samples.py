"""The samples' best training time is not the loss's: a linear denoiser in closed form."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from genmem.figures.drawing import style
from genmem.theory.linear_denoiser import UNIT, LinearDenoiser
from genmem.theory.problem import Problem

if TYPE_CHECKING:
    import xarray

CAPTION = (
    "A linear denoiser trained on ψ_n = n/d points per dimension, in closed form: KL divergence of what it generates "
    "from the data (noised to t₀ = 0.01, where the flow stops), the agreement of two such networks on disjoint data "
    "from the same noise, and the training times at which KL and the test loss, averaged over a U-Net's noise levels, "
    "are least. Training times are in steps × learning rate / d. Samples overfit as losses do, but not when the losses "
    "do: with few points the loss says stop too early, with many it says go on for long after the samples are best "
    "(shaded: KL more than 10 % above its minimum)."
)
SHOWN = (0.5, 1.0, 4.0, 16.0, 64.0)
SIZES = tuple(np.geomspace(0.25, 64, 13).tolist())


def calculate(problem: Problem) -> "xarray.Dataset":
    """Curves for five psi_n, and best times for thirteen, with the problem's covariance."""
    return best_samples(problem, SHOWN, SIZES, points=121)


def best_samples(problem: Problem, shown: tuple, sizes: tuple, points: int) -> "xarray.Dataset":
    """kl and agreement over (shown, tau); best_kl, best_loss, rise, excess over psi_n, see LinearDenoiser.stopping."""
    import xarray

    found = [LinearDenoiser(psi_n, problem.spectrum).stopping() for psi_n in sizes]
    ends = [at.kl for at in found if np.isfinite(at.kl)]
    tau = np.geomspace(min(ends) / 10, 300 * max(ends), points)
    made = [LinearDenoiser(psi_n, problem.spectrum).generated(tau) for psi_n in shown]
    unit = {"units": UNIT}
    return xarray.Dataset(
        {
            "kl": (
                ("shown", "tau"),
                [each.kl_noised for each in made],
                {"long_name": "KL(generated || noised data) / d"},
            ),
            "agreement": (("shown", "tau"), [each.agreement for each in made], {"long_name": "E x1.x2 / E |x1|^2"}),
            "best_kl": ("psi_n", [at.kl for at in found], unit | {"long_name": "KL is least"}),
            "best_loss": ("psi_n", [at.loss for at in found], unit | {"long_name": "averaged test loss is least"}),
            "rise": ("psi_n", [at.rise for at in found], unit | {"long_name": "KL has risen by 10 %"}),
            "excess": ("psi_n", [at.excess for at in found], {"long_name": "KL at best_loss over its least, less one"}),
        },
        coords={
            "tau": ("tau", tau, unit | {"long_name": "training time"}),
            "shown": ("shown", list(shown), {"long_name": "n/d"}),
            "psi_n": ("psi_n", list(sizes), {"long_name": "training points per dimension, n/d"}),
        },
    )


@style.styled
def build(data: "xarray.Dataset", width: float = style.SINGLE) -> Figure:
    """Draw KL, agreement and the best times: side by side in two columns."""
    wide = width > style.SINGLE
    figure = style.new(width, 2.9 if wide else 6.4)
    kl, agreement, times = figure.subplots(*((1, 3) if wide else (3, 1)))
    for psi_n, colour in zip(data.shown.values, style.ordered(data.shown.size), strict=True):
        row = data.sel(shown=psi_n)
        kl.plot(data.tau, row.kl, color=colour, label=rf"$\psi_n$ = {psi_n:g}")
        best = int(np.argmin(row.kl.values))
        kl.plot(data.tau[best], row.kl[best], "o", color=colour, markersize=3)
        agreement.plot(data.tau, row.agreement, color=colour)
    kl.set(xscale="log", yscale="log", ylabel="KL to the data / d")
    kl.set_ylim(0.7 * float(data.kl.min()), 3 * float(data.kl.isel(tau=-1).max()))
    agreement.set(xscale="log", ylabel="agreement of two networks")
    agreement.set_ylim(top=1.02)
    for axes in (kl, agreement):
        axes.set_xlabel(r"training time $\tau$")
    times.plot(data.psi_n, data.best_loss.where(np.isfinite(data.best_loss)), "s--", color=style.BLUE, markersize=3,
               label="loss is best")  # fmt: skip
    times.plot(data.psi_n, data.best_kl.where(np.isfinite(data.best_kl)), "o-", color=style.BLACK, markersize=3,
               label="samples are best")  # fmt: skip
    top = 3 * float(np.nanmax(data.best_loss.where(np.isfinite(data.best_loss))))
    rise = np.minimum(data.rise.values, top)
    times.fill_between(data.psi_n, rise, top, color=style.VERMILION, alpha=0.12, linewidth=0)
    times.set(xscale="log", yscale="log", ylim=(float(data.best_loss.min()) / 2, top))
    times.set_xlabel(r"training points per dimension, $\psi_n$")
    times.set_ylabel(r"training time $\tau$")
    style.plain_log(times.xaxis, (1,))
    times.annotate("KL + 10 %", (0.04, 0.55), xycoords="axes fraction", color=style.VERMILION)
    times.legend(loc="upper left")
    figure.legend(*kl.get_legend_handles_labels(), loc="outside lower center", ncols=5 if wide else 3)
    return figure
