"""Generated samples above their nearest training images: where a model generalizes, and where one memorizes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from genmem.empirics.analysis.measure import times_of
from genmem.empirics.samples.metrics import memorized
from genmem.figures.drawing import style
from genmem.figures.drawing.histories import with_samples
from genmem.shared.errors import InputError

if TYPE_CHECKING:
    import xarray

    from genmem.empirics.records.runs import RunRecord

CAPTION = (
    "The first samples, not the best, each above the training image nearest to it: of the run on the most images of "
    "which both τ_gen and τ_mem were seen, at the step of its lowest test loss, and of the run with the most copies, "
    "at its end; framed: copies (nearest training image closer than a third of the second nearest)."
)
COUNT = 8
_IMAGES = ("milestone", "sample", "channel", "y", "x")


def calculate(records: Sequence["RunRecord"]) -> "xarray.Dataset":
    """The first samples where a model generalizes and where one memorizes (`moments`)."""
    return pictured(moments(with_samples(records)), COUNT)


def moments(records: Sequence["RunRecord"]) -> list[tuple["RunRecord", int]]:
    """Two runs with a milestone (its place) each: inside a window, and the end with the most copies.

    The first is that of the lowest test loss of the run with the most images, then the widest network, of which both
    tau_gen and tau_mem were seen; of the run with the most copies where none has a window. One alone if both are the
    same.
    """
    last = max(records, key=lambda record: record.f_mem[-1])
    times = [times_of(record) for record in records]
    windows = [
        record for record, time in zip(records, times, strict=True) if not (time.gen.censored or time.mem.censored)
    ]
    first = max(windows, key=lambda record: (record.config.n, record.config.width, len(record.steps)), default=last)
    found = [(first, int(np.argmin(first.test_loss))), (last, len(last.steps) - 1)]
    return found[: 1 if found[0] == found[1] else 2]


def pictured(milestones: Sequence[tuple["RunRecord", int]], count: int) -> "xarray.Dataset":
    """The first `count` samples at the milestones of the runs, and the training images nearest to them.

    Raises InputError if the data are no images.
    """
    import xarray

    steps = [int(record.steps[row]) for record, row in milestones]
    found = [record.distances(step) for (record, _), step in zip(milestones, steps, strict=True)]
    drawn = [record.samples(step) for (record, _), step in zip(milestones, steps, strict=True)]
    count = min([count, *map(len, drawn)])
    generated = np.array([images[:count] for images in drawn])
    if generated.ndim != 5 or generated.shape[2] not in (1, 3):
        data = milestones[0][0].config.data
        raise InputError(f"runs must be of grey or colour images to show samples, but {data} is neither")
    nearest = [
        record.training_images()[index[:count]] for (record, _), (_, _, index) in zip(milestones, found, strict=True)
    ]
    mem = [times_of(record).mem for record, _ in milestones]
    return xarray.Dataset(
        {
            "generated": (_IMAGES, generated, {"long_name": "generated images, from -1 to 1"}),
            "nearest": (
                _IMAGES,
                np.array(nearest, np.float32),
                {"long_name": "the training image nearest to each, from -1 to 1"},
            ),
            "copied": (
                ("milestone", "sample"),
                [memorized(d1[:count], d2[:count]) for d1, d2, _ in found],
                {"long_name": "nearest training image closer than 1/3 of the second nearest"},
            ),
            "f_mem": (
                "milestone",
                [record.f_mem[row] for record, row in milestones],
                {"long_name": "copies among all samples of the milestone"},
            ),
        },
        coords={
            "step": ("milestone", steps, {"units": "optimizer steps"}),
            "key": ("milestone", [record.key for record, _ in milestones]),
            "n": ("milestone", [record.config.n for record, _ in milestones], {"long_name": "training images"}),
            "tau_mem": ("milestone", [time.value for time in mem], {"units": "optimizer steps"}),
            "tau_mem_censored": ("milestone", [int(time.censored) for time in mem]),
        },
        attrs={"data": milestones[0][0].config.data},
    )  # fmt: skip


@style.styled
def build(data: "xarray.Dataset", width: float = style.SINGLE) -> Figure:
    """Draw each milestone as two rows, generated samples above their nearest training images; copies are framed.

    The milestones are below one another in one column and side by side in two.
    """
    milestones, columns = data.sizes["milestone"], data.sizes["sample"]
    wide = width > style.SINGLE
    part_width = width / milestones if wide else width
    part_height = 0.4 + 2.1 * part_width / (columns + 1.9)
    figure = style.new(width, part_height if wide else milestones * part_height)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    parts = figure.subfigures(*((1, milestones) if wide else (milestones, 1)), squeeze=False).flat
    for k, part in enumerate(parts):
        here = data.isel(milestone=k)
        part.suptitle(_title(here), fontsize=7.5, x=0.01, ha="left")
        grid = part.subplots(2, columns, squeeze=False)
        for axes in grid.flat:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        for column in range(columns):
            for axes, name in zip(grid[:, column], ("generated", "nearest"), strict=True):
                axes.imshow(_displayable(here[name].values[column]), cmap="gray", vmin=0, vmax=1)
                if here.copied[column]:
                    frame = Rectangle((0, 0), 1, 1, fill=False, color=style.VERMILION, linewidth=1.5)
                    frame.set_transform(axes.transAxes)
                    frame.set_clip_on(False)
                    axes.add_patch(frame)
        for axes, label in zip(grid[:, 0], ("generated", "nearest\ntraining\nimage"), strict=True):
            axes.set_ylabel(label, rotation=0, ha="right", va="center")
    return figure


def _title(here: "xarray.Dataset") -> str:
    """What a milestone is: the run, the step, where that is relative to tau_mem, and how many copies there are."""
    mem, symbol = float(here.tau_mem), style.TIME_LABELS["mem"]
    if here.tau_mem_censored:
        place = f"not yet at {symbol}"
    else:
        place = f"{'before' if here.step < mem else 'after'} {symbol} = {mem:,.0f}"
    share = f"{100 * float(here.f_mem):.0f} % of all samples are copies"
    return f"n = {int(here.n):,}, step {int(here.step):,}, {place}\n{share}"


def _displayable(image: np.ndarray) -> np.ndarray:
    """(C, H, W) in [-1, 1] to (H, W) or (H, W, 3) in [0, 1]."""
    scaled = np.clip((image + 1) / 2, 0, 1)
    return scaled[0] if len(scaled) == 1 else np.moveaxis(scaled, 0, -1)
