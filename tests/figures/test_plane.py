"""The plane of n and W: measured regimes are read off the runs' times, the predicted ones off the closed form's."""

import numpy as np
import pytest

from genmem.empirics.analysis.mapping import map_of
from genmem.empirics.analysis.measure import measure
from genmem.empirics.records.runs import find
from genmem.figures.drawing import style
from genmem.figures.pictures import plane
from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures
from genmem.theory.phases import PHASES
from tests.figures.recorded import write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Times that fall as 1/W; the narrow network does not memorize the most images within its run."""
    root = tmp_path_factory.mktemp("plane")
    for width in (4, 8):
        for n in (32, 64, 128):
            write_run(root, n, 0, gen=600 / width, mem=8 * 15 * n / width, steps=2500, width=width)
    return root


@pytest.fixture(scope="module")
def runs(folder):
    return measure(find(folder)).lawful


@pytest.fixture(scope="module")
def data(folder):
    return plane.calculate(find(folder))


def test_measured_regimes_are_those_at_the_two_steps(data, runs):
    assert data.key.values.tolist() == [run.record.key for run in runs]
    assert float(data.step[0]) < float(data.step[1])
    for k, step in enumerate(data.step.values):
        for run, code in zip(runs, data.phase.values[k], strict=True):
            if not run.mem.censored and step >= run.mem.value:
                expected = "memorization"
            else:
                expected = "underfit" if step < run.gen.value else "generalization"
            ended = run.mem.censored and step >= run.mem.value
            assert code == (-1 if ended else PHASES.index(expected))
    assert data.censored.values.sum() == 1 and len(np.unique(data.phase.values[0])) >= 2


def test_predicted_regimes_are_those_of_the_mapped_network(data, runs):
    fitted = map_of(runs, data.attrs["t"])
    seen = set()
    for k, i, j in ((0, 3, 5), (0, 40, 20), (1, 3, 85), (1, 40, 2), (0, 20, 88)):
        width, size = float(data.W_grid[i]), float(data.n_grid[j])
        model = RandomFeatures(size / 64, fitted.psi_p_at(width), data.attrs["t"], "tanh", fitted.spectrum)
        times, step = model.timescales(), float(data.step[k])
        scale = fitted.steps_per_tau_at(fitted.reference | {"W": width})
        expected = "underfit" if step < scale * times.gen else "generalization"
        if expected == "generalization" and np.isinf(times.mem):
            expected = "architectural_regularization"
        elif expected == "generalization" and step >= scale * times.mem:
            expected = "memorization"
        assert PHASES[int(data.predicted[k, i, j])] == expected
        seen.add(expected)
    assert len(seen) >= 2


@pytest.mark.parametrize("width", [style.SINGLE, style.DOUBLE])
def test_every_run_stands_on_both_sides_and_an_end_before_memorization_is_marked(data, width):
    figure = plane.build(data, width)
    assert len(figure.axes) == 4
    for axes in figure.axes:
        assert len([line for line in axes.lines if line.get_marker() == "o"]) == data.sizes["run"]
    dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert [line.get_xdata().tolist() for line in dashed] == [[64, 128]]
    assert dashed[0].get_ydata().tolist() == [4, 4]


def test_one_width_is_no_plane(folder):
    with pytest.raises(InputError, match="two widths, but hold 3 and 1"):
        plane.calculate([record for record in find(folder) if record.config.width == 8])
