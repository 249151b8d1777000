"""The plane of training images n and network width W, measured and predicted: which regime after how many steps."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.tri import Triangulation

from genmem.figures.drawing import style
from genmem.figures.drawing.overlaid import (
    UNKNOWN,
    evenness,
    lawful_networks,
    phase_of,
    phases_in_time,
    stated,
    wrapped,
)
from genmem.figures.drawing.phase_diagram import COLOURS, STRONG, paint
from genmem.shared.errors import InputError
from genmem.theory.phases import PHASES, classify, phase_diagram

if TYPE_CHECKING:
    import xarray

    from genmem.empirics.records.runs import RunRecord

CAPTION = (
    "Regimes over the number n of training images and the network's width W, measured (left; one symbol a run, white "
    "where it had ended) and predicted (right) for the covariance of the same images, after two numbers of optimizer "
    "steps, with contours of τ_mem in steps. Blue: on the right the predicted threshold n*(W), beyond which a network "
    "is too small to memorize however long it is trained. Dashed: for each W, from the largest n at which memorization "
    "was seen to the next n, at which the runs ended before it. Above: the fitted map from (n, W, steps) to "
    "(ψ_n, ψ_p, τ); the same symbols stand on both sides, so that what disagrees with the colour under it is a misfit."
)
_POINTS = (90, 45)  # of the predicted plane, along n and W
_KNOWN = 0.75  # share of the runs whose regime must be known at the later step


def calculate(records: Sequence["RunRecord"]) -> "xarray.Dataset":
    """The runs of the most frequent batch size and learning rate, and what the fitted map predicts around them.

    phase (step, run): codes into PHASES at two numbers of steps, -1 where a run had ended; mem, censored (run): tau_mem
    in optimizer steps; predicted (step, W_grid, n_grid): codes; predicted_mem (W_grid, n_grid) and n_star (W_grid), the
    number of images beyond which tau_mem is infinite, nan if none is. The first step tells most regimes apart; the
    second is the last at which the regime of three quarters of the runs is known.
    Raises InputError for runs of fewer than two n or two widths, or that cannot be mapped (see `map_of`).
    """
    import xarray

    from genmem.empirics.analysis.mapping import map_of

    runs = lawful_networks(records)
    common = Counter((run.record.config.batch_size, run.record.config.learning_rate) for run in runs).most_common(1)
    runs = [run for run in runs if common[0][0] == (run.record.config.batch_size, run.record.config.learning_rate)]
    n, width = (np.array([getattr(run.record.config, name) for run in runs], float) for name in ("n", "width"))
    if min(len(np.unique(n)), len(np.unique(width))) < 2:
        raise InputError(
            "runs must hold at least two numbers of training images and two widths, but hold "
            f"{len(np.unique(n))} and {len(np.unique(width))}"
        )
    t = runs[0].record.config.loss_times[0]
    fitted = map_of(runs, t)
    steps = _telling_steps(runs)
    n_grid = np.geomspace(n.min() / 1.5, n.max() * 1.5, _POINTS[0])
    w_grid = np.geomspace(width.min() / 1.5, width.max() * 1.5, _POINTS[1])
    psi_p, row = np.unique([fitted.psi_p_at(w) for w in w_grid], return_inverse=True)
    theory = phase_diagram(n_grid / fitted.d, psi_p, t, spectrum=fitted.spectrum).isel(psi_p=row)
    scale = np.array([fitted.steps_per_tau_at(fitted.reference | {"W": w}) for w in w_grid])[:, None]
    gen, mem = (scale * theory[name].values for name in ("tau_gen", "tau_mem"))
    predicted = [classify(step, gen, mem) for step in steps]
    codes = {"flag_meanings": " ".join(PHASES), "long_name": "regime; -1: not known"}
    in_steps = {"units": "optimizer steps"}
    return xarray.Dataset(
        {
            "phase": (("step", "run"), [[phase_of(run, step) for run in runs] for step in steps], codes),
            "mem": ("run", [run.mem.value for run in runs], in_steps),
            "censored": ("run", [run.mem.censored for run in runs]),
            "predicted": (("step", "W_grid", "n_grid"), predicted, codes),
            "predicted_mem": (("W_grid", "n_grid"), mem, in_steps),
            "n_star": ("W_grid", fitted.d * theory.psi_n_architectural.values, {"units": "images"}),
        },
        coords={
            "step": ("step", list(steps), in_steps),
            "n": ("run", n, {"long_name": "training images"}),
            "W": ("run", width, {"long_name": "base width of the U-Net"}),
            "key": ("run", [run.record.key for run in runs]),
            "seed": ("run", [run.record.config.seed for run in runs]),
            "n_grid": n_grid,
            "W_grid": w_grid,
        },
        attrs={"data": runs[0].record.config.data, "t": t, "d": fitted.d, "map": stated(fitted)},
    )


def _telling_steps(runs) -> tuple[float, float]:
    steps, phases = phases_in_time(runs, np.ones(len(runs)))
    first = max(range(len(steps)), key=lambda k: evenness(phases[k]))
    known = [k for k, found in enumerate(phases) if np.mean(found != UNKNOWN) >= _KNOWN and k > first]
    return float(steps[first]), float(steps[known[-1] if known else min(first + 10, len(steps) - 1)])


@style.styled
def build(data: "xarray.Dataset", width: float = style.DOUBLE) -> Figure:
    """Draw the Dataset of `calculate`: measured beside predicted, a row for each number of steps."""
    wide = width > style.SINGLE
    figure = style.new(width, 5.2 if wide else 4.6)
    panels = figure.subplots(data.sizes["step"], 2, sharex=True, sharey=True)
    levels = _levels(data)
    for (measured, predicted), k in zip(panels, range(data.sizes["step"]), strict=True):
        at = data.isel(step=k)
        _draw_cells(measured, at)
        _draw_measured_contours(measured, data, levels)
        _draw_seen_threshold(measured, data)
        _draw_prediction(predicted, at, levels)
        for axes, side in ((measured, "measured"), (predicted, "predicted")):
            _draw_runs(axes, at)
            axes.set_title(f"{side}, {float(at.step):,.0f} steps")
    _axes(panels, data)
    figure.suptitle(wrapped(list(data.attrs["map"]), 118 if wide else 56), fontsize=7, x=0.02, ha="left")
    figure.legend(handles=_handles(data), loc="outside lower center", ncols=4 if wide else 2)
    return figure


def _levels(data: "xarray.Dataset") -> list[float]:
    """Steps 1, 2, 5 times powers of ten within the measured times."""
    seen = data.mem.values[~data.censored.values.astype(bool)]
    if not seen.size:
        return []
    steps = [digit * 10.0**power for power in range(9) for digit in (1, 2, 5)]
    return [step for step in steps if seen.min() < step < seen.max()]


def _edges(values: np.ndarray) -> np.ndarray:
    """Borders between increasing values, halfway in the logarithm, and as far beyond the first and the last."""
    log = np.log(values)
    middle = (log[1:] + log[:-1]) / 2
    return np.exp(np.concatenate([[2 * log[0] - middle[0]], middle, [2 * log[-1] - middle[-1]]]))


def _draw_cells(axes: Axes, at: "xarray.Dataset") -> None:
    """A rectangle around each (n, W) that was run, in the colour of most of its runs."""
    sizes, widths = np.unique(at.n), np.unique(at.W)
    across, up = _edges(sizes), _edges(widths)
    for i, size in enumerate(sizes):
        for j, width in enumerate(widths):
            here = at.phase.values[(at.n.values == size) & (at.W.values == width)]
            known = here[here != UNKNOWN]
            if known.size:
                code = Counter(known.tolist()).most_common(1)[0][0]
                corner, extent = (across[i], up[j]), (across[i + 1] - across[i], up[j + 1] - up[j])
                axes.add_patch(Rectangle(corner, *extent, color=COLOURS[PHASES[code]], linewidth=0))


def _draw_runs(axes: Axes, at: "xarray.Dataset") -> None:
    """A circle for each run; those of one (n, W) side by side, by a factor in n that is too small to be a value."""
    for place in sorted(set(zip(at.n.values.tolist(), at.W.values.tolist(), strict=True))):
        codes = at.phase.values[(at.n.values == place[0]) & (at.W.values == place[1])]
        for k, code in enumerate(codes):
            x = place[0] * 1.12 ** (k - (len(codes) - 1) / 2)
            colour = STRONG[PHASES[code]] if code >= 0 else "white"
            axes.plot(x, place[1], "o", color=style.BLACK, markerfacecolor=colour, markeredgewidth=0.5, markersize=4)


def _draw_measured_contours(axes: Axes, data: "xarray.Dataset", levels: list[float]) -> None:
    """Lines of equal tau_mem, between the means of the runs that memorized; none where these lie on one line."""
    seen = ~data.censored.values.astype(bool)
    places = np.stack([np.log(data.n.values), np.log(data.W.values)], axis=1)[seen]
    unique, member = np.unique(places, axis=0, return_inverse=True)
    if len(unique) < 3 or np.linalg.matrix_rank(unique - unique[0], tol=1e-9) < 2 or not levels:
        return
    log_mem = np.log(data.mem.values[seen])
    mean = np.bincount(member.ravel(), log_mem) / np.bincount(member.ravel())
    mesh = Triangulation(*np.exp(unique).T, triangles=Triangulation(*unique.T).triangles)
    lines = axes.tricontour(mesh, mean, levels=np.log(levels), colors=style.BLACK, linewidths=0.7)
    axes.clabel(lines, fmt=lambda level: f"{np.exp(level):,.0f}", fontsize=7)


def _draw_seen_threshold(axes: Axes, data: "xarray.Dataset") -> None:
    """For each width, from the largest n at which memorization was seen to the next one, at which it never was."""
    late = data.censored.values.astype(bool)
    for width in np.unique(data.W):
        here = data.W.values == width
        memorized, ended = data.n.values[here & ~late], data.n.values[here & late]
        beyond = ended[ended > memorized.max(initial=0)]
        if beyond.size:
            left = memorized.max() if memorized.size else data.n_grid.values[0]
            axes.plot([left, beyond.min()], [width, width], color=style.BLUE, linestyle="--", linewidth=1.2, zorder=1)


def _draw_prediction(axes: Axes, at: "xarray.Dataset", levels: list[float]) -> None:
    axes.set(xscale="log", yscale="log")
    paint(axes, at.n_grid, at.W_grid, at.predicted)
    mem = np.ma.masked_invalid(np.log(np.where(np.isfinite(at.predicted_mem), at.predicted_mem, np.nan)))
    if levels and mem.count():
        lines = axes.contour(at.n_grid, at.W_grid, mem, levels=np.log(levels), colors=style.BLACK, linewidths=0.7)
        axes.clabel(lines, fmt=lambda level: f"{np.exp(level):,.0f}", fontsize=7)
    axes.plot(at.n_star, at.W_grid, color=style.BLUE, linewidth=1.6)


def _axes(panels: np.ndarray, data: "xarray.Dataset") -> None:
    sizes, widths = np.unique(data.n), np.unique(data.W)
    for axes in panels.flat:
        axes.set(xscale="log", yscale="log")
        axes.set(
            xlim=(data.n_grid.values[0], data.n_grid.values[-1]), ylim=(data.W_grid.values[0], data.W_grid.values[-1])
        )
        axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
        axes.set_yticks(widths, [f"{width:g}" for width in widths])
        axes.set_xticks([], minor=True)
        axes.set_yticks([], minor=True)
    for axes in panels[-1]:
        axes.set_xlabel("training images $n$")
    for axes in panels[:, 0]:
        axes.set_ylabel("width $W$")


def _handles(data: "xarray.Dataset") -> list:
    present = np.unique(np.concatenate([data.phase.values.ravel(), data.predicted.values.ravel()]))
    names = [PHASES[code] for code in present if code >= 0]
    handles: list = [Patch(color=COLOURS[name], label=name.replace("_", " ")) for name in names]
    handles.append(Line2D([], [], color=style.BLACK, linewidth=0.7, label=r"contours of $\tau_{mem}$, in steps"))
    if np.any(data.n_star.values < data.n_grid.values[-1]):
        handles.append(Line2D([], [], color=style.BLUE, linewidth=1.6, label=r"predicted threshold $n^*(W)$"))
    if data.censored.values.any():
        handles.append(Line2D([], [], color=style.BLUE, linestyle="--", label="memorization seen, not seen"))
    handles.append(
        Line2D(
            [],
            [],
            color=style.BLACK,
            marker="o",
            markerfacecolor="white",
            linestyle="",
            label="a run (white: had ended)",
        )
    )
    return handles
