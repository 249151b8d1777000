"""Times against batch size and learning rate: the theory's are its own, the runs' are theirs, each in its place."""

import numpy as np
import pytest

from genmem.empirics.analysis.measure import times_of
from genmem.empirics.records.runs import find
from genmem.figures.drawing import style
from genmem.figures.pictures import batch_size
from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures
from tests.figures.recorded import write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Batches of 16 and 64 at one rate, whose times are as 1/B, and a smaller rate at the larger batch."""
    root = tmp_path_factory.mktemp("batches")
    for batch, rate in ((16, 2e-3), (64, 2e-3), (64, 1e-3)):
        write_run(root, 64, 0, 6400 / batch, 64000 / batch, 8000, batch_size=batch, learning_rate=rate)
    return root


def test_times_are_those_of_the_theory_and_of_each_run(folder):
    data = batch_size.calculate(find(folder))
    assert data.varied.values.tolist() == ["batch_size"] * 2 + ["learning_rate"] * 2
    assert data.value.values.tolist() == [16, 64, 1e-3, 2e-3]
    share = float(data.share[20])
    model = RandomFeatures(data.psi_n, data.psi_p, data.t)
    exact = model.timescales(gradient_noise=share * model.critical_gradient_noise)
    assert data.tau[:, 20].values.tolist() == [exact.gen, exact.gap, exact.mem] and data.loss[20] == exact.loss_min
    for record in find(folder):
        mem = times_of(record).mem.value
        assert mem in data.step.sel(recorded="mem").values
    # The theory's answer: less noise memorizes later, and learns better.
    mem = data.tau.sel(event="mem").values
    assert np.all(np.diff(mem[np.isfinite(mem)]) < 0) and np.all(np.diff(data.loss) >= 0)
    assert data.attrs["recorded"] == "U-Net, Adam"


@pytest.mark.parametrize("width", [style.SINGLE, style.DOUBLE])
def test_the_drawing_holds_every_time(folder, width):
    figure = batch_size.build(batch_size.calculate(find(folder)), width)
    theory, runs = figure.subfigs[0].axes, figure.subfigs[1].axes
    assert len(theory) == len(runs) == 4
    drawn = sum(len(line.get_xdata()) for line in runs[0].get_lines() if line.get_linestyle() == "None")
    assert drawn == 2 * 4  # two runs, four times each
    # Without gradient noise a step's time does not depend on the batch: the line ends flat.
    (mem,) = [line for line in theory[0].get_lines() if line.get_marker() == "s"]
    y = mem.get_ydata()
    assert y[0] / y[5] == pytest.approx(1, abs=0.01)


def test_runs_that_vary_neither_are_refused(runs):
    with pytest.raises(InputError, match="runs must differ in batch size alone or in learning rate alone"):
        batch_size.calculate(find(runs))
