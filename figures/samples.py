"""Generated samples above their nearest training images, before and after memorization."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from empirics.measure import times_of
from empirics.metrics import THRESHOLD
from figures import style

if TYPE_CHECKING:
    from empirics.runs import RunRecord


@dataclass(frozen=True)
class Samples:
    """Samples of one milestone.

    title: what the milestone is. generated, nearest: shape (S, C, H, W) in [-1, 1], the samples and the training image
    closest to each. copied: shape (S,), whether the sample counts as a copy of it.
    """

    title: str
    generated: np.ndarray
    nearest: np.ndarray
    copied: np.ndarray


def before_and_after(records: Sequence["RunRecord"], count: int = 8) -> list[Samples]:
    """The run with the most copies at its end: where its test loss was lowest, and at its end."""
    record = max(records, key=lambda record: record.f_mem[-1])
    mem = times_of(record).mem
    symbol = style.TIME_LABELS["mem"]
    after = f"not yet at {symbol}" if mem.censored else f"after {symbol} = {mem.value:.0f}"
    best = int(np.argmin(record.test_loss))
    return [_at_milestone(record, best, "lowest test loss", count), _at_milestone(record, -1, after, count)]


def _at_milestone(record: "RunRecord", k: int, words: str, count: int) -> Samples:
    """The first `count` samples, not the best ones, of milestone k."""
    step = int(record.steps[k])
    first, second, index = (values[:count] for values in record.distances(step))
    title = f"n = {record.config.n}, step {step}, {words}\n{100 * record.f_mem[k]:.0f} % of all samples are copies"
    copied = (first < THRESHOLD * second) | (second == 0)
    return Samples(title, record.samples(step)[:count], record.training_images()[index], copied)


@style.styled
def build(milestones: Sequence[Samples]) -> Figure:
    """Draw each milestone as two rows, generated samples above their nearest training images; copies are framed."""
    columns = max(len(milestone.generated) for milestone in milestones)
    figure = style.new(style.SINGLE, len(milestones) * (0.35 + 2.1 * style.SINGLE / (columns + 1.9)))
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    parts = np.atleast_1d(figure.subfigures(len(milestones), 1))
    for part, milestone in zip(parts, milestones, strict=True):
        part.suptitle(milestone.title, fontsize=7.5, x=0.01, ha="left")
        grid = part.subplots(2, columns, squeeze=False)
        for axes in grid.flat:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        for column, copied in enumerate(milestone.copied):
            for row, images in enumerate((milestone.generated, milestone.nearest)):
                grid[row, column].imshow(_displayable(images[column]), cmap="gray", vmin=0, vmax=1)
                if copied:
                    frame = Rectangle((0, 0), 1, 1, fill=False, color=style.VERMILION, linewidth=1.5)
                    frame.set_transform(grid[row, column].transAxes)
                    frame.set_clip_on(False)
                    grid[row, column].add_patch(frame)
        for row, label in enumerate(("generated", "nearest\ntraining\nimage")):
            grid[row, 0].set_ylabel(label, rotation=0, ha="right", va="center")
    return figure


def _displayable(image: np.ndarray) -> np.ndarray:
    """(C, H, W) in [-1, 1] to (H, W) or (H, W, 3) in [0, 1]."""
    scaled = np.clip((image + 1) / 2, 0, 1)
    return scaled[0] if len(scaled) == 1 else np.moveaxis(scaled, 0, -1)
