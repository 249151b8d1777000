"""Finitely many noise copies m: the test loss has a second descent in the network's size, whose peak moves with m."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from genmem.figures.drawing import style
from genmem.theory.model import RandomFeatures
from genmem.theory.problem import Problem

if TYPE_CHECKING:
    import xarray

CAPTION = (
    "Double descent with m noise copies of each training point, ψ_n = n/d = 2. Test loss late in training against the "
    "network's size, predicted (lines) and simulated (points: mean and standard error over networks of dimension d = "
    "40, which differ from the limit by terms of order 1/d); and where its peak lies, with the exponent b in m (least "
    "squares and standard error). The later, the closer it comes to p = n m, where the network can just fit every "
    "noised point and where, without ridge, the loss is infinite at τ = ∞. With the noise averaged exactly (m = ∞) "
    "there is no peak."
)
PSI_N = 2.0
COPIES = (1.0, 2.0, 4.0, 8.0, np.inf)
# Training times in units of the power of ten below 1 / (Delta s^2), when eigenvalues of U as small as s^2 are learned:
# the later, the sharper the peak.
LATE = (1e1, 1e2, 1e3, 1e4)
SHOWN = 1e3
# How far from p = n m the peak is looked for, and at how many sizes before it is refined.
_REACH, _GRID = 4.0, 41
_MARKERS = ("o", "s", "D", "^", "v")
# Dark for late: the colours of the other panel stand for m.
_GREYS = ("#B5B5B5", "#8C8C8C", "#5C5C5C", style.BLACK)


def calculate(problem: Problem) -> "xarray.Dataset":
    """Test losses and peaks for several m, and networks of dimension 40 around each peak."""
    shares = (0.25, 0.5, 1.0, 2.0)
    places = [(m, share * PSI_N * (m if np.isfinite(m) else 4)) for m in COPIES for share in shares]
    summits = PSI_N * np.outer(COPIES[:-1], np.exp(np.linspace(-0.1, 0.1, 9)))
    psi_p = np.union1d(np.geomspace(0.4, 64, 80), summits)
    places = [(m, p) for m, p in places if p <= 16]
    return double_descent(problem, psi_p, np.geomspace(1, 64, 13), places, d=40, draws=4)


def double_descent(
    problem: Problem, psi_p: np.ndarray, peak_copies: np.ndarray, places: list[tuple], d: int, draws: int
) -> "xarray.Dataset":
    """The test loss over (copies, psi_p) at a late time; the peak's place over (peak_copies, tau), its exponent in m.

    psi_p: (P,). peak_copies: (M,), the m at which the peak is looked for. places: pairs (m, psi_p) at which networks of
    dimension d are simulated, `draws` each. A peak that does not exist is nan.
    """
    import xarray

    from genmem.theory import simulate

    def network(m: float, p: float):
        return RandomFeatures.of(replace(problem, copies=float(m)), PSI_N, p)

    constants = network(np.inf, 1.0).constants
    unit = 10 ** np.floor(-np.log10(constants.delta * constants.s2))
    tau = unit * np.array(LATE)
    shown = unit * SHOWN
    test = [[float(network(m, p).learning_curves(shown).test) for p in psi_p] for m in COPIES]
    runs = [simulate(network(m, p), d=d, seed=k, tau=shown, draws=draws) for k, (m, p) in enumerate(places)]
    peaks = np.array([_peaks(lambda p, m=m: network(m, p), m, tau) for m in peak_copies])
    exponents = np.array([_exponent(peak_copies, column) for column in peaks[..., 0].T])
    time = {"units": "steps x learning rate / d^2", "long_name": "training time"}
    return xarray.Dataset(
        {
            "test": (("copies", "psi_p"), test, {"long_name": "predicted test loss at tau_shown"}),
            "simulated": ("place", [float(run.test) for run in runs], {"long_name": "simulated test loss, mean"}),
            "standard_error": ("place", [float(run.standard_error["test"]) for run in runs]),
            "peak_psi_p": (("peak_copies", "tau"), peaks[..., 0], {"long_name": "p/d where the test loss peaks"}),
            "peak_test": (("peak_copies", "tau"), peaks[..., 1], {"long_name": "test loss at the peak"}),
            "exponent": ("tau", exponents[:, 0], {"long_name": "b of peak_psi_p ~ m^b, least squares", "units": "1"}),
            "exponent_error": ("tau", exponents[:, 1], {"long_name": "standard error of b"}),
        },
        coords={
            "copies": ("copies", list(COPIES), {"long_name": "noise copies of each training point, m"}),
            "psi_p": ("psi_p", psi_p, {"long_name": "hidden units per dimension, p/d"}),
            "peak_copies": ("peak_copies", peak_copies, {"long_name": "noise copies of each training point, m"}),
            "tau": ("tau", tau, time),
            "simulated_copies": ("place", [m for m, _ in places]),
            "simulated_psi_p": ("place", [p for _, p in places]),
        },
        attrs={"tau_shown": shown, "psi_n": PSI_N, "t": problem.t, "d": d, "draws": draws},
    )


def _peaks(network, m: float, tau: np.ndarray) -> np.ndarray:
    """The size psi_p and the test loss at the highest peak near p = n m, shape (len(tau), 2); nan if there is none."""
    from scipy.optimize import minimize_scalar

    grid = np.log(PSI_N * m) + np.linspace(-1, 1, _GRID) * np.log(_REACH)
    test = np.array([network(float(np.exp(x))).learning_curves(tau).test for x in grid])
    found = np.full((tau.size, 2), np.nan)
    for k, at in enumerate(tau):
        inner = 1 + np.flatnonzero((test[1:-1, k] > test[:-2, k]) & (test[1:-1, k] > test[2:, k]))
        if inner.size:
            top = inner[np.argmax(test[inner, k])]
            best = minimize_scalar(
                lambda x, at=at: -float(network(float(np.exp(x))).learning_curves(at).test),
                bounds=(grid[top - 1], grid[top + 1]), method="bounded", options={"xatol": 1e-5},
            )  # fmt: skip
            found[k] = np.exp(best.x), -best.fun
    return found


def _exponent(m: np.ndarray, psi_p: np.ndarray) -> tuple[float, float]:
    """The slope of log psi_p in log m where there is a peak, and its standard error; nan with fewer than three."""
    from scipy.stats import linregress

    seen = np.isfinite(psi_p)
    if seen.sum() < 3:
        return np.nan, np.nan
    fit = linregress(np.log(m[seen]), np.log(psi_p[seen]))
    return fit.slope, fit.stderr


@style.styled
def build(data: "xarray.Dataset", width: float = style.DOUBLE) -> Figure:
    """Draw the test loss against the network's size for each m, and the place of its peak against m."""
    if width > style.SINGLE:
        figure = style.new(width, 3.0)
        losses, peaks = figure.subplots(1, 2, width_ratios=(1.25, 1))
    else:
        figure = style.new(width, 5.2)
        losses, peaks = figure.subplots(2, 1)
    _losses(losses, data)
    _places(peaks, data)
    return figure


def _losses(axes: Axes, data: "xarray.Dataset") -> None:
    finite = [m for m in data.copies.values if np.isfinite(m)]
    colours = dict(zip(finite, style.ordered(len(finite)), strict=True)) | {np.inf: style.BLACK}
    handles = []
    for m, marker in zip(data.copies.values, _MARKERS, strict=True):
        colour, drawn = colours[m], np.flatnonzero(data.simulated_copies.values == m)
        label = rf"$m$ = {m:g}" if np.isfinite(m) else r"$m = \infty$"
        axes.plot(data.psi_p, data.test.sel(copies=m), color=colour)
        handles.append(Line2D([], [], color=colour, marker=marker, markerfacecolor="white", label=label))
        here = data.isel(place=drawn)
        axes.errorbar(
            here.simulated_psi_p, here.simulated, here.standard_error, color=colour, linestyle="", marker=marker,
            markerfacecolor="white", capsize=1.5,
        )  # fmt: skip
        if np.isfinite(m):
            axes.axvline(data.attrs["psi_n"] * m, color=colour, linestyle=":", linewidth=0.8, zorder=0)
    axes.set(xscale="log", yscale="log", xlim=(float(data.psi_p[0]), float(data.psi_p[-1])))
    style.plain_log(axes.xaxis)
    style.plain_log(axes.yaxis)
    axes.set_xlabel(r"hidden units per dimension, $\psi_p = p/d$")
    axes.set_ylabel("test loss")
    axes.set_title(rf"$\psi_n$ = {data.attrs['psi_n']:g}, $\tau$ = {_power(data.attrs['tau_shown'])}; dotted: $p = nm$")
    axes.legend(handles=handles, loc="best")


def _places(axes: Axes, data: "xarray.Dataset") -> None:
    m = data.peak_copies.values
    for k, (colour, marker) in enumerate(zip(_GREYS, _MARKERS)):
        here = data.isel(tau=k)
        b, error = float(here.exponent), float(here.exponent_error)
        label = rf"$\tau$ = {_power(float(here.tau))}: $b$ = {b:.3f} ± {error:.3f}"
        axes.plot(m, here.peak_psi_p, color=colour, marker=marker, markersize=3, label=label)
    axes.plot(m, data.attrs["psi_n"] * m, color=style.VERMILION, linestyle="--", label="$p = nm$: $b$ = 1")
    axes.set(xscale="log", yscale="log")
    style.plain_log(axes.xaxis)
    style.plain_log(axes.yaxis)
    axes.set_xlabel("noise copies of each point, $m$")
    axes.set_ylabel(r"$\psi_p$ at the peak, $\propto m^b$")
    axes.legend(loc="best")


def _power(value: float) -> str:
    return rf"$10^{{{round(np.log10(value))}}}$"
