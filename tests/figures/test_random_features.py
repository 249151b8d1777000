"""The figure of the random-features network holds the run's own losses and those of the theory."""

from pathlib import Path

import numpy as np
import pytest

from genmem.empirics.records.runs import find
from genmem.figures.drawing import style
from genmem.figures.pictures import random_features
from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, Spectrum
from tests.figures import made
from tests.tolerances import SAME_NUMBER

RECORDS = Path(__file__).parents[2] / "records" / "random-features"


def test_the_losses_are_the_records_and_the_closed_forms():
    from genmem.empirics.data.datasets import load

    data = made.random_features()
    record = find(RECORDS)[0]
    assert np.array_equal(data.test.sel(stage="trained"), record.loss(0.1)[1])
    assert data.tau.values == pytest.approx(record.steps * 2000 / 64**2, rel=SAME_NUMBER)
    spectrum = Spectrum.from_data(load("digits").pool.reshape(-1, 64))
    curves = RandomFeatures(32 / 64, 256 / 64, data.attrs["t"], spectrum=spectrum).learning_curves(data.tau.values)
    # The images were centred before and are by the covariance: two roundings of one spectrum.
    assert data.test.sel(stage="closed_form").values == pytest.approx(curves.test, rel=1e-5)
    # Trained and predicted are close, and would not be for half as many images.
    half = RandomFeatures(16 / 64, 256 / 64, data.attrs["t"], spectrum=spectrum).learning_curves(data.tau.values)
    left = np.abs(data.test.sel(stage="trained") - data.test.sel(stage="closed_form")).max()
    assert left < 0.05 < np.abs(data.test.sel(stage="trained") - half.test).max() / 2


def test_the_panels_draw_every_stage_and_what_is_left():
    data = made.random_features()
    train, test, left = random_features.build(data, style.DOUBLE).axes
    for axes, split in ((train, "train"), (test, "test")):
        for line, stage in zip(axes.lines, data.stage.values, strict=False):
            assert np.array_equal(line.get_ydata(), data[split].sel(stage=stage))
    for line, stage in zip(left.lines, data.stage.values[:-1], strict=False):
        assert np.array_equal(line.get_ydata(), data.test.sel(stage=stage) - data.test.sel(stage="closed_form"))
    marks = [float(line.get_xdata()[0]) for line in test.lines[len(data.stage) :]]
    assert marks == data.time.values.ravel().tolist()


def test_runs_of_other_networks_are_refused(runs):
    with pytest.raises(InputError, match="random-features"):
        random_features.calculate(find(runs))
