"""Why tau_mem is infinite: the causes against the losses at infinite time; the phases and thresholds that follow."""

from dataclasses import replace

import numpy as np
import pytest

from genmem.theory import RandomFeatures, Spectrum, phase_diagram
from genmem.theory.never import CAUSES, cause
from genmem.theory.phases import PHASES, classify, interpolates
from genmem.theory.prediction import prediction
from genmem.theory.prediction_text import as_table

SMALL = RandomFeatures(512, 64, 0.1)
BENIGN = RandomFeatures(1, 64, 1.0, copies=1)
HELD_BACK = RandomFeatures(8, 64, 0.1, ridge=3.0)


@pytest.mark.parametrize(
    "model, expected",
    [
        (SMALL, "size"),
        (BENIGN, "interpolation"),
        (HELD_BACK, "ridge"),
        (replace(SMALL, ridge=0.1), "size"),
        (replace(BENIGN, ridge=0.1), "ridge on interpolation"),
    ],
)
def test_each_cause_is_named(model, expected):
    assert model.timescales().mem == np.inf and cause(model) == expected
    assert CAUSES[expected] in as_table(prediction(model))
    # What the cause says, by the losses at infinite time.
    end, times = model.learning_curves(np.inf), model.timescales()
    free = replace(model, ridge=0.0)
    assert end.test < times.loss_min + 0.1 * (1 - times.loss_min)
    assert (free.learning_curves(np.inf).train < 1e-12) == ("interpolation" in expected)
    assert np.isfinite(free.timescales().mem) == (expected == "ridge")


@pytest.mark.parametrize("copies", [1, 2.5, np.inf])
@pytest.mark.parametrize("ridge", [0, 1e-3])
def test_networks_interpolate_where_their_train_loss_vanishes(copies, ridge):
    for psi_p in (1, 4, 9.99, 10, 10.01, 25.01, 400):
        train = RandomFeatures(10, psi_p, 0.1, copies=copies, ridge=ridge).learning_curves(np.inf).train
        assert interpolates(10, psi_p, copies, ridge) == (train < 1e-12)


def test_the_phase_of_few_points_is_not_architectural():
    """n* = 164, where tau_mem becomes infinite; at psi_n = 1 the network of 64 interpolates and does no harm."""
    psi_n = [1, 2, 4, 8, 16, 32, 64, 128]
    diagram = phase_diagram(psi_n, [64], 1.0, tau=1e3, copies=1)
    names = [PHASES[code] for code in diagram.phase.values[0]]
    assert names[0] == "benign_overfitting" and "architectural_regularization" not in names
    assert float(diagram.psi_n_architectural[0]) == pytest.approx(164, rel=0.01)
    codes = classify(10.0, [5, 5, 20], [np.inf, np.inf, np.inf], [True, False, True])
    assert [PHASES[code] for code in codes] == ["benign_overfitting", "architectural_regularization", "underfit"]


@pytest.mark.parametrize(
    "settings, psi_p, grid, inside",
    [
        # Around n m = p, and far from it.
        ({"t": 0.399, "copies": 3, "ridge": 0.0018115, "spectrum": Spectrum([0.1585])}, 23.91, [0.5, 2, 30, 60], 7.0),
        (
            {"t": 0.2131, "copies": 5, "ridge": 0.0038488, "spectrum": Spectrum([0.36308, 0.041687, 0.014454])},
            12.795,
            [0.05, 0.1, 0.5, 2, 6],
            0.2,
        ),
    ],
)
def test_memorization_between_two_grid_points_is_found(settings, psi_p, grid, inside):
    mem = lambda n: RandomFeatures(n, psi_p, **settings).timescales().mem  # noqa: E731
    assert np.isfinite(mem(inside))
    diagram = phase_diagram(grid, [psi_p], **settings)
    assert np.isinf(diagram.tau_mem).all()
    threshold = float(diagram.psi_n_architectural[0])
    assert inside < threshold < grid[2]
    assert np.isfinite(mem(0.999 * threshold)) and np.isinf(mem(1.001 * threshold))
