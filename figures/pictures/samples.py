"""Generated samples above their nearest training images, before and after memorization."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from genmem.empirics.analysis.measure import times_of
from genmem.empirics.samples.metrics import memorized
from genmem.figures.pictures import style
from genmem.figures.pictures.histories import with_samples
from genmem.shared.errors import InputError

if TYPE_CHECKING:
    import xarray

    from genmem.empirics.records.runs import RunRecord

CAPTION = (
    "Samples of one network (the first ones, not the best) at the step of its lowest test loss and at the end of its "
    "training, each above the training image nearest to it; framed: copies (nearest training image closer than a third "
    "of the second nearest)."
)
COUNT = 8
_IMAGES = ("milestone", "sample", "channel", "y", "x")


def calculate(records: Sequence["RunRecord"]) -> "xarray.Dataset":
    """The first samples of the run with the most copies at its end: where its test loss was lowest, and at its end."""
    return before_and_after(max(with_samples(records), key=lambda record: record.f_mem[-1]), COUNT)


def before_and_after(record: "RunRecord", count: int) -> "xarray.Dataset":
    """Samples and the training images nearest to them, at the lowest test loss and at the last step of a run.

    Raises InputError if the data are no images.
    """
    import xarray

    # One milestone alone while the test loss still falls.
    rows = sorted({int(np.argmin(record.test_loss)), len(record.steps) - 1})
    steps = record.steps[rows]
    training = record.training_images()
    found = [record.distances(int(step)) for step in steps]
    generated = np.array([record.samples(int(step))[:count] for step in steps])
    kept = generated.shape[1]
    if generated.shape[2] not in (1, 3):
        raise InputError(f"runs must be of grey or colour images to show samples, but {record.config.data} is neither")
    mem = times_of(record).mem
    return xarray.Dataset(
        {
            "generated": (_IMAGES, generated, {"long_name": "generated images, from -1 to 1"}),
            "nearest": (
                _IMAGES,
                np.array([training[index[:kept]] for _, _, index in found], np.float32),
                {"long_name": "the training image nearest to each, from -1 to 1"},
            ),
            "copied": (
                ("milestone", "sample"),
                [memorized(d1[:kept], d2[:kept]) for d1, d2, _ in found],
                {"long_name": "nearest training image closer than 1/3 of the second nearest"},
            ),
            "f_mem": ("milestone", record.f_mem[rows], {"long_name": "copies among all samples of the milestone"}),
        },
        coords={"step": ("milestone", steps, {"units": "optimizer steps"})},
        attrs={
            "data": record.config.data,
            "key": record.key,
            "n": record.config.n,
            "tau_mem": mem.value,
            "tau_mem_censored": int(mem.censored),
        },
    )


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
    mem, symbol = here.attrs["tau_mem"], style.TIME_LABELS["mem"]
    if here.attrs["tau_mem_censored"]:
        place = f"not yet at {symbol}"
    else:
        place = f"{'before' if here.step < mem else 'after'} {symbol} = {mem:,.0f}"
    share = f"{100 * float(here.f_mem):.0f} % of all samples are copies"
    return f"n = {here.attrs['n']:,}, step {int(here.step):,}, {place}\n{share}"


def _displayable(image: np.ndarray) -> np.ndarray:
    """(C, H, W) in [-1, 1] to (H, W) or (H, W, 3) in [0, 1]."""
    scaled = np.clip((image + 1) / 2, 0, 1)
    return scaled[0] if len(scaled) == 1 else np.moveaxis(scaled, 0, -1)
