"""The figure of fidelity shows the stored distances, and the floor of real images."""

import dataclasses

import numpy as np
import pytest

from genmem.empirics.analysis import fidelity as metrics
from genmem.figures.drawing import style
from genmem.figures.pictures import fidelity
from genmem.shared.errors import InputError
from tests.figures.recorded import distances, write_run


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    return [write_run(root, n, 0, gen=100, mem=mem, steps=960, milestones=12) for n, mem in ((32, 480), (64, 2000))]


@pytest.mark.parametrize("width", [style.SINGLE, style.DOUBLE])
def test_the_curves_are_the_stored_distances_and_copies_are_marked(records, width):
    data = fidelity.calculate(records)
    for k, record in enumerate(records):
        np.testing.assert_allclose(data.kid[k], distances(record.steps, 100))
    np.testing.assert_allclose(data.kid_floor, 0.02)
    figure = fidelity.build(data, width)
    for axes in figure.axes:
        curves = [line for line in axes.lines if line.get_linestyle() == "-"]
        marks = [line for line in axes.lines if line.get_marker() == "o"]
        # Copies appear in the first run alone.
        assert len(curves) == 2 and len(marks) == 1
        assert marks[0].get_color() == curves[0].get_color()
        assert 400 < float(marks[0].get_xdata()[0]) < 900
        (floor,) = axes.patches
        assert floor.get_y() == pytest.approx(0.018) and floor.get_height() == pytest.approx(0.004)


def test_distances_of_an_older_version_are_not_drawn(records, monkeypatch):
    older = [dataclasses.replace(metrics.all_metrics(records[0])[-1], older=True)]
    monkeypatch.setattr(fidelity, "all_metrics", lambda record: older)
    with pytest.raises(InputError, match="an older version recorded them to fewer"):
        fidelity.calculate(records)
