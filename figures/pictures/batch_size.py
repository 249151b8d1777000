"""The times and the best test loss against batch size and learning rate: the theory of SGD beside recorded runs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from genmem.empirics.analysis.measure import best_losses, times_of
from genmem.figures.drawing import style
from genmem.figures.pictures.collapse import sweep
from genmem.shared.errors import InputError
from genmem.shared.vocabulary import PREDICTED, RECORDED
from genmem.theory.model import RandomFeatures

if TYPE_CHECKING:
    import xarray

    from genmem.empirics.records.runs import RunRecord

CAPTION = (
    "Times (in steps) and best test loss against batch size B at one learning rate η, and against η at one B. Left: "
    "random features under plain SGD, in closed form (ψ_n = 16, ψ_p = 64, t = 0.1), where only κ = η/(Bd) matters; it "
    "diverges at κ_c. Right: recorded runs. Dashed: in proportion to 1/B, the claimed onset of memorization, and to "
    "1/η, a fixed normalised onset (Marion and Wu); arrows: where the best quality is claimed to lie. In the theory "
    "noise only harms: neither 1/B nor a better peak at small B or large η comes from SGD's noise with fixed features. "
    "Hollow: the time lies beyond the run's end."
)
PSI_N, PSI_P, T = 16.0, 64.0, 0.1
# kappa / kappa_c, from hardly any noise to where the test loss never falls.
_SHARES = np.geomspace(1e-3, 0.5, 60)
_VARIED = {"batch_size": "B", "learning_rate": "η"}
_CLAIMED = {"batch_size": ("left", "← claimed better"), "learning_rate": ("right", "claimed better →")}


def calculate(records: Sequence["RunRecord"]) -> "xarray.Dataset":
    """The theory's times over (event, share of the critical noise), and each run's times with what was varied in it.

    Raises InputError if the runs differ neither in batch size alone nor in learning rate alone.
    """
    import xarray

    model = RandomFeatures(PSI_N, PSI_P, T)
    critical = model.critical_gradient_noise
    found = [model.timescales(gradient_noise=critical * share) for share in _SHARES]
    chosen = {factor: sweep(records, factor) for factor in _VARIED}
    runs = [(factor, record) for factor, group in chosen.items() for record in group]
    if not runs:
        raise InputError("runs must differ in batch size alone or in learning rate alone, but these do not")
    times = [times_of(record) for _, record in runs]
    return xarray.Dataset(
        {
            "tau": (
                ("event", "share"),
                [[getattr(each, event) for each in found] for event in PREDICTED],
                {"units": "steps x learning rate / d^2", "long_name": "times of SGD in closed form"},
            ),
            "loss": ("share", [each.loss_min for each in found], {"long_name": "best test loss in closed form"}),
            "step": (
                ("run", "recorded"),
                [[getattr(each, event).value for event in RECORDED] for each in times],
                {"long_name": "times of the runs", "units": "optimizer steps"},
            ),
            "beyond": (
                ("run", "recorded"),
                [[getattr(each, event).censored for event in RECORDED] for each in times],
                {"long_name": "whether the time lies beyond the run's end"},
            ),
            "best": (
                "run",
                [next(iter(best_losses([record]).values())) for _, record in runs],
                {"long_name": "best test loss of the run"},
            ),
        },
        coords={
            "event": list(PREDICTED),
            "recorded": list(RECORDED),
            "share": ("share", _SHARES, {"long_name": "kappa / kappa_c"}),
            "varied": ("run", [factor for factor, _ in runs], {"long_name": "what is varied"}),
            "value": ("run", [float(getattr(record.config, factor)) for factor, record in runs]),
            "seed": ("run", [record.config.seed for _, record in runs]),
        },
        attrs={
            "psi_n": PSI_N,
            "psi_p": PSI_P,
            "t": T,
            "critical_gradient_noise": critical,
            "recorded": " and ".join(sorted({_named(record) for _, record in runs})),
        },
    )


def _named(record: "RunRecord") -> str:
    """The network and its optimizer."""
    config = record.config
    network = "U-Net" if config.network == "unet" else config.network
    return f"{network}, {config.optimizer.upper() if config.optimizer == 'sgd' else config.optimizer.capitalize()}"


@style.styled
def build(data: "xarray.Dataset", width: float = style.DOUBLE) -> Figure:
    """Draw the times above the best losses, theory left of the runs in two columns; below one another in one."""
    factors = [factor for factor in _VARIED if factor in data.varied.values]
    double = width > style.SINGLE
    figure = style.new(width, 3.9 if double else 7.0)
    left, right = figure.subfigures(1, 2) if double else figure.subfigures(2, 1)
    theory = left.subplots(2, 2, height_ratios=(3, 2))
    runs = right.subplots(2, len(factors), squeeze=False, height_ratios=(3, 2))
    left.suptitle("theory: random features, SGD", fontsize=8, fontweight="bold")
    right.suptitle(f"recorded: {data.attrs['recorded']}", fontsize=8, fontweight="bold")
    _theory(theory, data)
    _runs(runs, data, factors)
    handles = [
        Line2D([], [], color=style.TIME_COLOURS[e], marker=style.TIME_MARKERS[e], label=style.TIME_LABELS[e])
        for e in data.recorded.values
    ]
    handles.append(Line2D([], [], color=style.GREY, linestyle="--", label="∝ 1/B, ∝ 1/η"))
    figure.legend(handles=handles, loc="outside lower center", ncols=5, columnspacing=1.2)
    return figure


def _theory(panels: np.ndarray, data: "xarray.Dataset") -> None:
    share = data.share.values
    # At a fixed rate a step is a fixed time; at a fixed batch size, one in proportion to the rate.
    axes_of = {"batch_size": (1 / share, np.ones_like(share)), "learning_rate": (share, 1 / share)}
    labels = {"batch_size": r"batch size $B / B_c$", "learning_rate": r"learning rate $\eta / \eta_c$"}
    units = {"batch_size": r"steps $\times\ \eta / d^2$", "learning_rate": r"steps $\times\ \eta_c / d^2$"}
    for (times, losses), factor in zip(panels.T, _VARIED, strict=True):
        x, scale = axes_of[factor]
        for event in data.event.values:
            tau = data.tau.sel(event=event).values * scale
            known = np.isfinite(tau)
            look = {"color": style.TIME_COLOURS[event], "marker": style.TIME_MARKERS[event], "markersize": 3}
            times.plot(x[known], tau[known], **look, markevery=(0, 12))
        known = np.isfinite(data.tau.sel(event="mem").values)
        mem = data.tau.sel(event="mem").values * scale
        _guide(times, x[known], mem[known], np.argmin(x[known]) if factor == "learning_rate" else np.argmax(x[known]))
        times.set_yscale("log")
        if factor == "batch_size":
            # The guide leaves the panel, so that the times keep their room.
            times.set_ylim(np.nanmin(np.where(np.isfinite(data.tau), data.tau, np.nan)) / 2, 30 * np.max(mem[known]))
        losses.plot(x, np.minimum(data.loss, 1), color=style.LOSS_COLOURS["test"])
        _claim(losses, factor)
        times.set_ylabel(units[factor])
        losses.set_xlabel(labels[factor])
        for axes in (times, losses):
            axes.set(xscale="log", xlim=(x.min(), x.max()))
        times.tick_params(labelbottom=False)
    panels[1, 0].set_ylabel("best test loss")
    panels[1, 1].sharey(panels[1, 0])


def _runs(panels: np.ndarray, data: "xarray.Dataset", factors: list[str]) -> None:
    for (times, losses), factor in zip(panels.T, factors, strict=True):
        here = data.isel(run=np.flatnonzero(data.varied.values == factor))
        value = here.value.values
        for k, event in enumerate(here.recorded.values):
            colour = style.TIME_COLOURS[event]
            step, beyond = here.step.sel(recorded=event).values, here.beyond.sel(recorded=event).values
            # Side by side, so that markers do not hide each other.
            at = value * 1.06 ** (k - 1.5)
            look = {"marker": style.TIME_MARKERS[event], "linestyle": "none", "markersize": 3.5, "color": colour}
            times.plot(at[~beyond], step[~beyond], **look)
            times.plot(at[beyond], step[beyond], **look, markerfacecolor="none")
        unique = np.unique(value)
        typical = np.array([np.exp(np.mean(np.log(here.step.sel(recorded="mem").values[value == v]))) for v in unique])
        _guide(times, unique, typical, -1 if factor == "batch_size" else 0)
        losses.plot(value, here.best, ".", color=style.LOSS_COLOURS["test"])
        _claim(losses, factor)
        times.set(yscale="log")
        style.plain_log(times.yaxis)
        losses.set_xlabel("batch size B" if factor == "batch_size" else "learning rate η")
        for axes in (times, losses):
            axes.set_xscale("log")
            axes.set_xticks(unique, [f"{v:g}" for v in unique])
            axes.minorticks_off()
            axes.set_xlim(unique[0] / 1.4, unique[-1] * 1.4)
        times.tick_params(labelbottom=False)
    panels[0, 0].set_ylabel("optimizer steps")
    panels[1, 0].set_ylabel("best test loss")


def _guide(axes: Axes, x: np.ndarray, y: np.ndarray, anchor: int) -> None:
    """A dashed line in proportion to 1/x through the point at `anchor`."""
    ends = np.array([x.min(), x.max()])
    axes.plot(ends, y[anchor] * x[anchor] / ends, "--", color=style.GREY, zorder=0)


def _claim(axes: Axes, factor: str) -> None:
    side, text = _CLAIMED[factor]
    axes.set_title(text, loc=side, fontsize=7, color=style.GREY, pad=2)
