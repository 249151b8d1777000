"""How good samples are in training time: their distance to held-out images, and the floor that real images have."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from genmem.empirics.analysis.fidelity import all_metrics
from genmem.empirics.samples.metrics import LEAST_SAMPLES
from genmem.figures.drawing import style
from genmem.figures.drawing.histories import by_n, histories, one_setting, with_samples
from genmem.shared.errors import InputError

if TYPE_CHECKING:
    import xarray

    from genmem.empirics.records.runs import RunRecord

CAPTION = (
    "Distance of generated samples to all held-out images against training time, in random convolutional features, of "
    "networks that differ in the number n of training images (and in seeds): the kernel distance (KID, unbiased; on a "
    "logarithmic scale, where points below a standard error are drawn at it), and the sliced Wasserstein distance. "
    "Dots: the first step at which copies were seen (τ_copy). Grey: as many real images that no run has trained on, "
    "the floor (mean and two standard deviations of one such set)."
)
_KINDS = {"kid": "kernel distance (KID)", "swd": "sliced Wasserstein distance"}


def calculate(records: Sequence["RunRecord"]) -> "xarray.Dataset":
    """The distances of the runs that differ in n and seed alone, of the setting with the most n, and their floors."""
    chosen = [record for record in one_setting(with_samples(records)) if record.config.samples >= LEAST_SAMPLES]
    if not chosen:
        raise InputError(f"runs must hold at least one with {LEAST_SAMPLES} samples, but none has so many")
    ends = [all_metrics(record)[-1] for record in chosen]
    if any(metrics.older for metrics in ends):
        raise InputError("runs must hold distances to all held-out images, but an older version recorded them to fewer")
    data = histories(chosen, distances=True)
    for name in _KINDS:
        floors = np.array([metrics.real[name] for metrics in ends])
        data[f"{name}_floor"] = ("run", floors[:, 0], {"long_name": f"{name} of as many real images, mean"})
        data[f"{name}_floor_error"] = ("run", floors[:, 1], {"long_name": "standard deviation of one such number"})
    return data


@style.styled
def build(data: "xarray.Dataset", width: float = style.SINGLE) -> Figure:
    """Draw both distances against optimizer steps, below one another in one column and side by side in two."""
    if width > style.SINGLE:
        figure = style.new(width, 2.7)
        panels = figure.subplots(1, 2)
    else:
        figure = style.new(width, 4.2)
        panels = figure.subplots(2, 1, sharex=True)
    groups = by_n(data)
    colours = style.ordered(len(groups))
    copied = data.tau.sel(event="copy").where(~data.censored.sel(event="copy").astype(bool))
    for axes, (name, label) in zip(panels, _KINDS.items(), strict=True):
        middle, error = (float(data[f"{name}_floor{part}"].mean()) for part in ("", "_error"))
        axes.axhspan(middle - 2 * error, middle + 2 * error, color=style.GREY, alpha=0.3, linewidth=0)
        for colour, (_, runs) in zip(colours, groups, strict=True):
            for key in runs.key.values:
                run = runs.isel(run=int(np.flatnonzero(runs.key == key)[0]))
                values = np.maximum(run[name], run[f"{name}_error"]) if name == "kid" else run[name]
                axes.plot(run.step, values, color=colour)
                time = float(copied.isel(run=int(np.flatnonzero(data.key == key)[0])))
                if np.isfinite(time):
                    there = run.step.notnull()
                    height = np.interp(np.log(time), np.log(run.step[there]), values[there])
                    axes.plot(time, height, "o", color=colour, markersize=4)
        axes.set(xscale="log", yscale="log", ylabel=label)
    for axes in panels if width > style.SINGLE else panels[-1:]:
        axes.set_xlabel("optimizer steps")
    handles = [Line2D([], [], color=colour, label=f"n = {n:,}") for colour, (n, _) in zip(colours, groups)]
    handles.append(Line2D([], [], color=style.GREY, alpha=0.5, linewidth=5, label="real images"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3 if width <= style.SINGLE else len(handles))
    return figure
