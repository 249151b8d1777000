"""Direction by direction: when the mean score is learned along each eigenvector of the data's covariance.

Averaged over data and weights the network is linear, and diagonal in that eigenbasis with coefficients c_k(tau). For
1 << psi_p << psi_n the matrix U acts on direction k as the number a^2 psi_p x_k, x_k = e^{-2t} lambda_k + Delta, much
larger than v^2 + s^2, and V as b psi_p^{1/2}; so c_k / target = 1 - exp(-2 b^2 x_k tau), half of it learned at

    tau_k = log(2) / (2 b^2 x_k).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure

from genmem.figures.drawing import style
from genmem.theory.model import RandomFeatures
from genmem.theory.problem import Problem
from genmem.theory.spectra import Spectrum

if TYPE_CHECKING:
    import xarray

CAPTION = (
    "When each direction of the data is learned, for three covariances: the coefficient of the mean score along each "
    "eigenvector, as a share of the true score's, and the time at which it reaches one half. The more variance the "
    "noised data have along a direction, e^{−2t}λ + Δ, the earlier it is learned, in inverse proportion (lines: the "
    "limit 1 ≪ ψ_p ≪ ψ_n), down to the noise's own variance Δ. Open markers: a simulated network that is trained on "
    "the digits themselves, which are not Gaussian. After τ_mem the shares exceed one."
)
PSI_N = PSI_P = 16.0
HALF = 0.5
_MARKERS = {"isotropic": ("D", style.VERMILION), "power law": ("s", style.BLUE), "digits": ("o", style.BLACK)}
_VARIANCE = r"variance of the noised data, $e^{-2t}\lambda + \Delta$"
_TIMES = {"tau_gen": ":", "tau_mem": "--"}


def calculate(problem: Problem) -> "xarray.Dataset":
    """Isotropic data, a power law in 100 dimensions, and the digits' 64 pixels, with a network trained on these."""
    from genmem.empirics.data.datasets import load
    from genmem.theory import simulate

    digits = load("digits").centered()
    pool, held_out = (images.reshape(len(images), -1).astype(float) for images in (digits.pool, digits.held_out))
    power_law = 1 / np.arange(1.0, 101)
    eigenvalues = {
        "isotropic": [1.0],
        "power law": power_law / power_law.mean(),
        "digits": _variances(pool),
    }
    data = modes_of(problem, eigenvalues, PSI_N, PSI_P)
    of_digits = RandomFeatures.of(replace(problem, spectrum=Spectrum(eigenvalues["digits"])), PSI_N, PSI_P)
    n = round(PSI_N * pool.shape[1])
    run = simulate(of_digits, seed=0, tau=data.tau.values, data=pool[:n], held_out=held_out, draws=2)
    noised = of_digits.constants.signal * _variances(held_out) + of_digits.constants.delta
    unit = data.half_time.attrs
    return data.assign(
        images_noised_variance=("image_mode", noised, {"long_name": "e^{-2t} lambda + Delta of the held-out digits"}),
        images_half_time=("image_mode", half_times(data.tau.values, -run.modes.T * noised[:, None]), unit),
    )


def modes_of(
    problem: Problem, eigenvalues: Mapping[str, np.ndarray], psi_n: float, psi_p: float, points: int = 161
) -> "xarray.Dataset":
    """The Dataset of the modes of each covariance, all in one dimension `mode`, with `covariance` their name.

    eigenvalues: by name, each of equal weight. learned (mode, tau): c_k / target. half_time (mode,): when it is
    one half (nan: never); half_time_limit (mode,): the same for 1 << psi_p << psi_n. exponent (name,): of half_time in
    noised_variance (mode,), by least squares, nan for fewer than two different ones.
    """
    import xarray

    models = [
        RandomFeatures.of(replace(problem, spectrum=Spectrum(values)), psi_n, psi_p) for values in eigenvalues.values()
    ]
    noised = np.concatenate([-1 / model.target_modes for model in models])
    limit = np.concatenate([np.log(2) / (2 * model.constants.b2) * -model.target_modes for model in models])
    tau = np.geomspace(limit.min() / 10, 1000 * limit.max(), points)
    learned = np.concatenate([(model.learning_curves(tau).modes / model.target_modes).T for model in models])
    half = half_times(tau, learned)
    names = np.repeat(list(eigenvalues), [len(values) for values in eigenvalues.values()])
    times = [model.timescales() for model in models]
    unit = {"units": "steps x learning rate / d^2"}
    return xarray.Dataset(
        {
            "learned": (("mode", "tau"), learned, {"long_name": "c_k / target", "units": "1"}),
            "half_time": ("mode", half, unit | {"long_name": "time at which half of the target is reached"}),
            "half_time_limit": ("mode", limit, unit | {"long_name": "the same for 1 << psi_p << psi_n"}),
            "exponent": ("name", [_exponent(noised[names == name], half[names == name]) for name in eigenvalues],
                         {"long_name": "d log half_time / d log noised_variance, least squares", "units": "1"}),
            "tau_gen": ("name", [each.gen for each in times], unit | {"long_name": "generalization time"}),
            "tau_mem": ("name", [each.mem for each in times], unit | {"long_name": "memorization time"}),
        },
        coords={
            "tau": ("tau", tau, unit | {"long_name": "training time"}),
            "name": ("name", list(eigenvalues), {"long_name": "covariance of the data"}),
            "covariance": ("mode", names),
            "eigenvalue": ("mode", np.concatenate(list(eigenvalues.values())), {"long_name": "lambda_k"}),
            "noised_variance": ("mode", noised, {"long_name": "e^{-2t} lambda_k + Delta"}),
        },
        attrs={"psi_n": psi_n, "psi_p": psi_p, "t": problem.t},
    )  # fmt: skip


def half_times(tau: np.ndarray, learned: np.ndarray) -> np.ndarray:
    """The first tau at which each row of learned (modes, len(tau)) reaches one half, by splines in log tau; or nan."""
    from scipy.interpolate import CubicSpline

    first = np.full(len(learned), np.nan)
    for k, row in enumerate(learned):
        roots = CubicSpline(np.log(tau), row).solve(HALF, extrapolate=False)
        if roots.size:
            first[k] = np.exp(roots[0])
    return first


def _variances(x: np.ndarray) -> np.ndarray:
    """The eigenvalues of the sample covariance of x (N, d), falling; rounding below zero taken off."""
    return np.maximum(np.linalg.eigvalsh(np.cov(x, rowvar=False))[::-1], 0)


def _exponent(variance: np.ndarray, time: np.ndarray) -> float:
    seen = np.isfinite(time)
    if np.unique(variance[seen]).size < 2:
        return np.nan
    return float(np.polyfit(np.log(variance[seen]), np.log(time[seen]), 1)[0])


@style.styled
def build(data: "xarray.Dataset", width: float = style.DOUBLE) -> Figure:
    """Draw the learned share of every mode for each covariance, and the half times of all of them."""
    if width > style.SINGLE:
        figure = style.new(width, 4.8)
        panels = figure.subplots(2, 2).ravel()
    else:
        figure = style.new(width, 7.6)
        panels = figure.subplots(4, 1, height_ratios=(1, 1, 1, 1.6))
    variance, highest = data.noised_variance, max(1.0, float(data.learned.max()))
    colours = ScalarMappable(LogNorm(float(variance.min()), float(variance.max())), ListedColormap(style.ordered(256)))
    for axes, name in zip(panels, data.name.values, strict=False):
        _learned(axes, data.isel(mode=data.covariance.values == name).sel(name=name), colours)
        axes.set_ylim(0, 1.1 * highest)
    _half_times(panels[-1], data)
    if width <= style.SINGLE:
        for axes in panels[:2]:
            axes.set_xlabel("")
            axes.tick_params(labelbottom=False)
    beside = panels[:2] if width > style.SINGLE else panels[:1]
    bar = figure.colorbar(colours, ax=list(beside), location="top", aspect=40, label=_VARIANCE)
    style.plain_log(bar.ax.xaxis)
    return figure


def _learned(axes: Axes, here: "xarray.Dataset", colours: ScalarMappable) -> None:
    for variance, row in zip(here.noised_variance.values, here.learned.values, strict=True):
        axes.plot(here.tau, row, color=colours.to_rgba(variance), linewidth=0.8)
    for level in (HALF, 1):
        axes.axhline(level, color=style.GREY, linewidth=0.5, zorder=0)
    for kind, dashes in _TIMES.items():
        time = float(here[kind])
        if np.isfinite(time):
            axes.axvline(time, color=style.TIME_COLOURS[kind[4:]], linestyle=dashes, linewidth=0.9)
            axes.annotate(
                style.TIME_LABELS[kind[4:]], (time, 0), (3, 3), xycoords=("data", "axes fraction"),
                textcoords="offset points", color=style.TIME_COLOURS[kind[4:]],
            )  # fmt: skip
    axes.set(xscale="log", xlim=(float(here.tau[0]), float(here.tau[-1])))
    axes.set_xlabel(r"training time $\tau$")
    axes.set_ylabel(r"$c_k(\tau)$ / target")
    axes.set_title(str(here.name.values), loc="left", fontweight="bold")


def _half_times(axes: Axes, data: "xarray.Dataset") -> None:
    for name, exponent in zip(data.name.values, data.exponent.values, strict=True):
        here = data.isel(mode=data.covariance.values == name).sortby("noised_variance")
        marker, colour = _MARKERS[name]
        label = f"{name}" + (rf": exponent ${exponent:.3f}$" if np.isfinite(exponent) else "")
        # A covariance of one eigenvalue is one point, which lies on the others' line.
        look = {"zorder": 3, "markersize": 5, "markeredgecolor": "white"} if here.mode.size == 1 else {"markersize": 3}
        axes.plot(here.noised_variance, here.half_time, marker, color=colour, label=label, **look)
        axes.plot(here.noised_variance, here.half_time_limit, color=colour, linewidth=0.7)
    if "images_half_time" in data:
        axes.plot(
            data.images_noised_variance, data.images_half_time, "o", color=style.BLACK, markersize=5,
            markerfacecolor="none", markeredgewidth=0.6, label="trained on the digits",
        )  # fmt: skip
    axes.set(xscale="log", yscale="log")
    axes.set_ylim(top=3.5 * float(data.half_time.max()))  # room for the legend
    style.plain_log(axes.xaxis)
    style.plain_log(axes.yaxis)
    axes.set_xlabel(_VARIANCE)
    axes.set_ylabel(r"$\tau$ at half of the target")
    axes.legend(loc="upper right")
