"""The random-features network trained on real images, beside the closed form: no parameter is free."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from genmem.figures.drawing import style
from genmem.shared.errors import InputError

if TYPE_CHECKING:
    import xarray

    from genmem.empirics.records.runs import RunRecord

CAPTION = (
    "A random-features network trained on real images by stochastic gradient descent, and the closed form for the "
    "covariance of these images; nothing is fitted. Between the two stand exact simulations of finite networks, on the "
    "images and on Gaussian vectors of their covariance. Marks below the test losses: τ_gen and τ_mem of each. Last "
    "panel: the test loss of each stage less the closed form's."
)
# From what was done to what was assumed; the stages of genmem.empirics.analysis.closed_form.
_STAGES = {
    "trained": ("trained", style.VERMILION, "o", ""),
    "on_images": ("finite, these images", style.ORANGE, "", "--"),
    "on_gaussian": ("finite, Gaussian data", style.BLUE, "", ":"),
    "closed_form": ("closed form", style.BLACK, "", "-"),
}
_TIMES = {"gen": "o", "mem": "s"}


def calculate(records: Sequence["RunRecord"]) -> "xarray.Dataset":
    """The losses of the stages for the longest run of the network random-features; InputError if there is none."""
    import numpy as np
    import xarray

    from genmem.empirics.analysis.closed_form import beside_prediction

    runs = [record for record in records if record.config.is_theory]
    if not runs:
        raise InputError("runs must hold one of the network random-features, but none does")
    found = beside_prediction(max(runs, key=lambda record: (record.steps[-1], record.key)))
    stages = list(_STAGES)
    stacked = {split: np.array([getattr(found, split)[stage] for stage in stages]) for split in ("train", "test")}
    times = np.array([[getattr(found.times[stage], event) for event in _TIMES] for stage in stages])
    config, unit = found.record.config, "steps x learning rate / d^2"
    return xarray.Dataset(
        {
            **{split: (("stage", "tau"), values, {"long_name": f"{split} loss"}) for split, values in stacked.items()},
            "time": (("stage", "event"), times, {"units": unit, "long_name": "inf: not reached"}),
        },
        coords={
            "stage": stages,
            "tau": ("tau", found.tau, {"units": unit}),
            "steps": ("tau", found.steps, {"units": "optimizer steps"}),
            "event": list(_TIMES),
        },
        attrs={"data": config.data, "n": config.n, "d": found.d, "p": config.width, "t": found.model.t},
    )


@style.styled
def build(data: "xarray.Dataset", width: float = style.SINGLE) -> Figure:
    """Draw the Dataset of `calculate`: losses, times and what is left, side by side for two columns."""
    wide = width > style.SINGLE
    figure = style.new(width, 3.3 if wide else 6.4)
    train, test, left = figure.subplots(*((1, 3) if wide else (3, 1)), sharex=True)
    for split, axes in (("train", train), ("test", test)):
        for stage in data.stage.values:
            _draw(axes, data.tau, data[split].sel(stage=stage), stage)
        axes.set_ylabel(f"{split} loss")
    for k, stage in enumerate(data.stage.values):
        _, colour, _, _ = _STAGES[stage]
        for event, marker in _TIMES.items():
            # Just above the axis, one row for each stage.
            test.plot(
                data.time.sel(stage=stage, event=event),
                0.03 + 0.045 * k,
                marker,
                color=colour,
                markersize=3.5,
                transform=test.get_xaxis_transform(),
                clip_on=False,
            )
    for stage in data.stage.values[:-1]:
        _draw(left, data.tau, data.test.sel(stage=stage) - data.test.sel(stage="closed_form"), stage)
    left.axhline(0, color=style.BLACK, linewidth=0.8)
    left.set_ylabel("test loss less closed form")
    low, high = test.get_ylim()
    test.set_ylim(low - 0.3 * (high - low), high)
    for axes in (train, test, left) if wide else (left,):
        axes.set_xlabel(r"training time $\tau$")
    train.set_xscale("log")
    a = data.attrs
    title = f"{a['data']}: n = {a['n']}, d = {a['d']}, p = {a['p']}, t = {a['t']:.2g}; nothing is fitted"
    figure.suptitle(title, fontsize=8)
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle=line, label=label)
        for label, colour, marker, line in _STAGES.values()
    ]
    handles += [
        Line2D([], [], color=style.GREY, marker=marker, linestyle="", label=style.TIME_LABELS[event])
        for event, marker in _TIMES.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=6 if wide else 2)
    return figure


def _draw(axes: Axes, tau, values, stage: str) -> None:
    _, colour, marker, line = _STAGES[stage]
    axes.plot(tau, values, marker=marker, linestyle=line, color=colour, markersize=3)
