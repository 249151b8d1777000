"""Samples are shown above the training images nearest to them, as recorded, and copies are framed."""

import dataclasses

import numpy as np
import pytest
import xarray
from matplotlib.patches import Rectangle

from genmem.empirics.records.runs import find
from genmem.figures.drawing import style
from genmem.figures.pictures import samples
from genmem.shared.errors import InputError
from tests.figures.recorded import write_run


@pytest.fixture(scope="module")
def record(runs):
    return next(record for record in find(runs) if record.config.n == 32)


def made(copied, channels=1):
    images = np.random.default_rng(0).uniform(-1, 1, (1, len(copied), channels, 8, 8))
    dims = samples._IMAGES
    return xarray.Dataset(
        {
            "generated": (dims, images),
            "nearest": (dims, images[:, ::-1]),
            "copied": (dims[:2], [copied]),
            "f_mem": ("milestone", [0.5]),
        },
        coords={
            name: ("milestone", [value])
            for name, value in (("step", 1200), ("n", 32), ("tau_mem", 1000.0), ("tau_mem_censored", 0))
        },
    )


def test_samples_are_those_of_the_record(record):
    data = samples.pictured([(record, int(np.argmin(record.test_loss))), (record, len(record.steps) - 1)], count=4)
    before, after = (data.isel(milestone=k) for k in (0, 1))
    assert int(before.step) == record.steps[np.argmin(record.test_loss)] and int(after.step) == record.steps[-1]
    assert not before.copied.any() and after.copied.values.tolist() == [True, False, True, False]
    assert np.array_equal(after.nearest, record.training_images()[:4].astype(np.float32))
    assert np.array_equal(after.generated, record.samples(int(after.step))[:4])
    # Every second sample of the made-up record is an exact copy, up to the rounding of a byte.
    distance = np.abs(after.generated - after.nearest).max(("channel", "y", "x"))
    assert np.array_equal(distance < 0.01, after.copied)


def test_the_most_images_with_a_window_and_the_most_copies_are_shown(runs):
    """At n = 128 no run saw tau_mem; the most copies are at n = 32, where half of the samples are."""
    data = samples.calculate(find(runs))
    assert data.n.values.tolist() == [64, 32] and float(data.f_mem[1]) == 0.5 and float(data.f_mem[0]) == 0
    assert data.sizes["sample"] == samples.COUNT
    inside = next(record for record in find(runs) if record.key == data.key[0])
    assert int(data.step[0]) == inside.steps[np.argmin(inside.test_loss)] < float(data.tau_mem[0])


def test_runs_without_samples_are_refused(record):
    silent = dataclasses.replace(record, facts=record.facts | {"config": record.facts["config"] | {"samples": 0}})
    with pytest.raises(InputError, match="generated samples"):
        samples.calculate([silent])


@pytest.mark.parametrize("width", [style.SINGLE, style.DOUBLE])
def test_copies_are_framed_and_only_copies(width):
    data = made([False, True, False])
    figure = samples.build(data, width)
    framed = [any(isinstance(patch, Rectangle) for patch in axes.patches) for axes in figure.axes]
    assert framed == [False, True, False] * 2
    shown = [axes.images[0].get_array() for axes in figure.axes]
    for row, name in enumerate(("generated", "nearest")):
        for column in range(3):
            assert np.allclose(shown[3 * row + column], (data[name].values[0, column, 0] + 1) / 2)


def test_the_title_says_when_and_how_many():
    data = made([False])
    for mem, censored, words in ((1000, 0, "after"), (1300, 0, "before"), (1200, 1, "not yet at")):
        here = data.isel(milestone=0).assign_coords(tau_mem=mem, tau_mem_censored=censored)
        title = samples._title(here)
        assert words in title and "step 1,200" in title and "50 % of all samples are copies" in title


def test_colour_images_are_shown_in_colour():
    data = made([False], channels=3)
    data["generated"][:] = 0
    data["generated"][0, 0, 0] = 1  # red
    assert samples.build(data).axes[0].images[0].get_array()[0, 0].tolist() == [1, 0.5, 0.5]


def test_a_run_whose_test_loss_still_falls_is_shown_once(tmp_path):
    record = write_run(tmp_path, 32, 0, gen=1e5, mem=1e8, milestones=4)
    assert samples.calculate([record]).step.values.tolist() == [record.steps[-1]]
