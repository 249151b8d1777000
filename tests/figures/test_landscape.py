"""The test loss over the plane: the models' own losses, a peak at p = n m for few noises and none for fresh ones."""

import numpy as np
import pytest

from genmem.figures.drawing import style
from genmem.figures.pictures import landscape
from genmem.theory import RandomFeatures, simulate
from genmem.theory.problem import Problem

PSI = np.geomspace(0.5, 32, 13)


@pytest.fixture(scope="module")
def data():
    return landscape.landscape(Problem(), PSI, PSI, copies=2)


def test_losses_are_the_models(data):
    for m in (np.inf, 2):
        model = RandomFeatures(PSI[3], PSI[8], 0.1, copies=m)
        curves = model.learning_curves(data.loss_tau.values)
        here = data.sel(copies=m).isel(psi_n=3, psi_p=8)
        assert np.array_equal(here.test, curves.test) and np.array_equal(here.train, curves.train)
        assert np.allclose(here.excess, curves.test - model.bayes_loss)
    assert data.attrs["bayes_loss"] == RandomFeatures(1, 1, 0.1).bayes_loss


def test_the_early_time_lies_in_the_window_and_the_late_one_far_beyond(data):
    times = RandomFeatures(64, 256, 0.1).timescales()
    early, late = data.loss_tau.values
    assert times.gen < early < times.mem < late


def test_late_losses_peak_where_few_noises_can_just_be_interpolated(data):
    late = data.excess.isel(loss_tau=1).sel(copies=2)
    for column in range(3, 9):
        peak = PSI[int(late[:, column].argmax("psi_p"))]
        assert abs(np.log(peak / (2 * PSI[column]))) < np.log(PSI[1] / PSI[0])
    fresh = data.excess.isel(loss_tau=1).sel(copies=np.inf)
    assert np.all(fresh[:, 3].diff("psi_p")[4:] > 0)  # without a peak: the more units, the worse


def test_the_peak_is_that_of_simulated_networks(data):
    tau = float(data.loss_tau[1])
    losses = [simulate(RandomFeatures(2, p, 0.1, copies=2), 24, 0, tau, draws=4).test for p in (1, 4, 16)]
    assert losses[1] > 3 * max(losses[0], losses[2])


@pytest.mark.parametrize("width", [style.SINGLE, style.DOUBLE])
def test_panels_show_the_excess_with_the_threshold_and_the_interpolation_line(data, width):
    panels = landscape.build(data, width).axes[:4]
    for axes, (row, column) in zip(panels, np.ndindex(2, 2)):
        here = data.isel(copies=row, loss_tau=column)
        assert np.array_equal(np.reshape(axes.collections[0].get_array(), here.excess.shape), here.excess)
        drawn = [np.column_stack(line.get_data()).astype(float) for line in axes.lines]
        assert np.array_equal(drawn[0], np.column_stack([here.psi_n_architectural, PSI]), equal_nan=True)
        assert len(drawn) == 1 + row
    assert np.allclose(drawn[1], np.column_stack([PSI, 2 * PSI]))
