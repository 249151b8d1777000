"""Learning curves on top of each other: against tau until they generalize, against tau / psi_n as they memorize."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from genmem.figures.drawing import style
from genmem.theory.model import RandomFeatures
from genmem.theory.problem import Problem

if TYPE_CHECKING:
    import xarray


CAPTION = (
    "Predicted learning curves (lines) and exact simulations (points: extrapolated in 1/d from networks of dimension "
    "d = 20 and 40, with the standard error over draws) for several numbers of training points per dimension ψ_n. "
    "Left: against the training time τ, in steps × learning rate / d², the losses fall together. Right: against τ/ψ_n "
    "they part together. The score error is the sum of bias² and variance; overfitting begins as variance."
)
PSI_N = (16.0, 32.0, 64.0)
PSI_P = 32.0
LOSSES, SCORES = ("train", "test"), ("score", "bias", "variance")
LABELS = {"train": "train loss", "test": "test loss", "score": "score error", "bias": "bias²", "variance": "variance"}
_DASHES = {"train": "--", "test": "-", "score": "-", "bias": ":", "variance": "--"}
_MARKERS = {"train": "s", "test": "o", "score": "o", "bias": "D", "variance": "s"}


def calculate(problem: Problem) -> "xarray.Dataset":
    """Curves of three networks that differ in the number of training points, and simulations of each."""
    return curves([RandomFeatures.of(problem, n, PSI_P) for n in PSI_N], draws={20: 8, 40: 4}, seed=0)


def curves(
    models: list[RandomFeatures], draws: dict[int, int], seed: int, points: int = 97, every: int = 6
) -> "xarray.Dataset":
    """Predictions over (psi_n, tau), and simulations over (psi_n, tau_simulated), at every sixth time.

    draws: the number of networks by dimension d, for two dimensions. simulated_NAME and error_NAME: means and their
    standard errors, extrapolated to 1/d = 0; finite_NAME: means at each dimension.
    """
    import xarray

    times = [model.timescales() for model in models]
    latest = max([time.mem for time in times if np.isfinite(time.mem)] or [100 * time.gen for time in times])
    tau = np.geomspace(min(time.gen for time in times) / 30, 30 * latest, points)
    predicted = [model.learning_curves(tau) for model in models]
    about = {name: {"long_name": text, "units": "1"} for name, text in LABELS.items()}
    unit = {"units": "steps x learning rate / d^2", "long_name": "training time"}
    data = {name: (("psi_n", "tau"), [getattr(each, name) for each in predicted], about[name]) for name in LABELS}
    # Shape (psi_n, d, name, mean or error, tau): every simulated number.
    found = np.array(
        [
            [list(simulated(model, d, number, seed, tau[::every]).values()) for d, number in draws.items()]
            for model in models
        ]
    )
    small, large = draws
    weight = np.array([-small, large]) / (large - small)
    means = np.einsum("d,ndkt->knt", weight, found[:, :, :, 0])
    errors = np.sqrt(np.einsum("d,ndkt->knt", weight**2, found[:, :, :, 1] ** 2))
    for k, name in enumerate(LABELS):
        data[f"finite_{name}"] = ("psi_n", "d", "tau_simulated"), found[:, :, k, 0], about[name]
        data[f"simulated_{name}"] = ("psi_n", "tau_simulated"), means[k], about[name]
        text = f"standard error of the simulated {LABELS[name]}"
        data[f"error_{name}"] = ("psi_n", "tau_simulated"), errors[k], {"long_name": text, "units": "1"}
    return xarray.Dataset(
        data,
        coords={
            "psi_n": ("psi_n", [model.psi_n for model in models], {"long_name": "training points per dimension, n/d"}),
            "tau": ("tau", tau, unit),
            "tau_simulated": ("tau_simulated", tau[::every], unit),
            "d": ("d", list(draws), {"long_name": "dimension of the simulated data"}),
            "draws": ("d", list(draws.values())),
        },
        attrs={"psi_p": models[0].psi_p, "t": models[0].t, "seed": seed},
    )


def simulated(model: RandomFeatures, d: int, draws: int, seed: int, tau) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Mean and standard error over draws of each of LABELS, shape (K,), from theory.simulate.

    The bias is that of the mean network, so no single draw has one; and its square over few draws holds a share of the
    variance. Jackknife pseudo-values, one for each draw, take that share off exactly, because bias^2 is quadratic in
    the mean. Nonlinear parts of the mean network, of order 1/d, count as variance.
    """
    from genmem import theory

    runs = [theory.simulate(model, d, np.random.SeedSequence(seed, spawn_key=(k,)), tau) for k in range(draws)]
    modes = np.array([run.modes for run in runs])

    def squared_bias(mean):
        return model.spectrum.average((mean - model.target_modes) ** 2 / -model.target_modes)

    whole = squared_bias(modes.mean(axis=0))
    others = [squared_bias(np.delete(modes, k, axis=0).mean(axis=0)) for k in range(draws)]
    values = {name: np.array([getattr(run, name) for run in runs]) for name in (*LOSSES, "score")}
    values["bias"] = draws * whole - (draws - 1) * np.array(others)
    values["variance"] = values["score"] - values["bias"]
    return {name: (values[name].mean(axis=0), values[name].std(axis=0, ddof=1) / np.sqrt(draws)) for name in LABELS}


@style.styled
def build(data: "xarray.Dataset", width: float = style.DOUBLE) -> Figure:
    """Draw losses above and score errors below, against tau on the left and tau / psi_n on the right.

    data: of `calculate`. One colour for each psi_n; lines are predictions, points with error bars simulations.
    """
    wide = width > style.SINGLE
    figure = style.new(width, 4.8)
    panels = figure.subplots(2, 2, sharey="row", sharex="col")
    colours = style.ordered(data.sizes["psi_n"])
    for column, scale in enumerate((np.ones(len(colours)), data.psi_n.values)):
        for axes, names in zip(panels[:, column], (LOSSES, SCORES)):
            for k, colour in enumerate(colours):
                _draw(axes, data.isel(psi_n=k), names, float(scale[k]), colour, size=3 if wide else 2.2)
        first, last = float(data.tau[0] / scale[0]), float(data.tau[-1] / scale[-1])
        axes.set(xscale="log", xlim=(first / 1.2, last * 1.2))
        axes.set_xlabel((r"training time $\tau$", r"rescaled time $\tau/\psi_n$")[column])
        panels[0, column].set_title(("generalization", "memorization")[column], fontweight="bold")
    # After tau_mem the test loss may run away, and the bias passes through zero.
    low, fall = float(data.train.min()), float(1 - data.test.min())
    panels[0, 0].set(ylim=(low - 0.1 * fall, 1 + 0.6 * fall), ylabel="loss per dimension")
    panels[1, 0].set(yscale="log", ylabel="score error per dimension")
    panels[1, 0].set_ylim(float(data.score.min()) / 12, 2 * float(data.score.max()))
    marks = {"markersize": 3, "markerfacecolor": "white", "linewidth": 1}
    handles = [
        Line2D([], [], color=style.BLACK, linestyle=_DASHES[name], marker=_MARKERS[name], label=text, **marks)
        for name, text in LABELS.items()
    ]
    handles.append(Line2D([], [], color=style.GREY, linestyle="", marker="o", label="simulation", **marks))
    for n, colour in zip(data.psi_n.values, colours):
        handles.append(Line2D([], [], color=colour, linewidth=2, label=rf"$\psi_n$ = {n:g}"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _draw(axes, here: "xarray.Dataset", names, scale: float, colour, size: float) -> None:
    """One psi_n on one panel, with times divided by `scale`."""
    for name in names:
        axes.plot(here.tau / scale, here[name], color=colour, linestyle=_DASHES[name], linewidth=1)
        axes.errorbar(
            here.tau_simulated / scale, here[f"simulated_{name}"], here[f"error_{name}"], color=colour,
            linestyle="none", marker=_MARKERS[name], markersize=size, markerfacecolor="white", markeredgewidth=0.7,
            elinewidth=0.7,
        )  # fmt: skip
