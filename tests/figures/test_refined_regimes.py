"""The phase diagram that gets finer: each grid against the theory at points that no grid holds."""

import numpy as np
import pytest

from genmem.figures.explorer.refined_regimes import LEVELS, PIXELS, PSI, RefinedRegimes, centres
from genmem.theory import RandomFeatures
from genmem.theory.phases import classify
from genmem.theory.problem import Problem

TAU = 1000.0
PROBLEM = Problem()


def refined(problem: Problem, points: int) -> RefinedRegimes:
    regimes = RefinedRegimes(problem)
    while regimes.points < points:
        regimes.refine()
    return regimes


def exact(problem: Problem, cells: np.ndarray) -> np.ndarray:
    """The phases at cells (row, column)."""
    psi = 2 ** centres()
    times = [RandomFeatures.of(problem, psi[j], psi[i]).timescales() for i, j in cells]
    return np.array([int(classify(TAU, each.gen, each.mem)) for each in times])


@pytest.mark.parametrize(("points", "wrong"), [(5, 0.12), (9, 0.06), (17, 0.02)])
@pytest.mark.parametrize("copies", [np.inf, 2.0])
def test_phases_are_those_of_the_theory_but_for_a_share_that_falls(points, wrong, copies):
    problem = Problem(copies=copies)
    cells = np.random.default_rng(0).integers(PIXELS, size=(100, 2))
    phase = refined(problem, points).at(TAU).phase[tuple(cells.T)]
    truth = exact(problem, cells)
    assert len(np.unique(truth)) >= 3  # else agreement would be cheap
    assert np.mean(phase != truth) <= wrong


def test_contours_lie_where_tau_mem_is_that_power_of_ten():
    contours = refined(PROBLEM, 17).at(TAU).contours
    assert {k for k, _, _ in contours} >= {2, 3, 4}
    for k, psi_n, psi_p in contours:
        middle = len(psi_n) // 2
        if k in (2, 3):
            mem = RandomFeatures.of(PROBLEM, psi_n[middle], psi_p[middle]).timescales().mem
            assert abs(np.log10(mem) - k) < 0.1


def test_the_training_time_moves_the_phases_but_not_the_contours():
    regimes = refined(PROBLEM, 9)
    early, late = regimes.at(1.0), regimes.at(1e7)
    assert np.all(early.phase == 1)  # nobody generalizes that early
    assert set(np.unique(late.phase)) == {3, 4}
    assert early.contours is late.contours


def test_no_point_is_computed_twice(monkeypatch):
    asked, plain = [], RandomFeatures.of
    monkeypatch.setattr(RandomFeatures, "of", lambda problem, *psi: asked.append(psi) or plain(problem, *psi))
    regimes = refined(PROBLEM, 9)
    assert len(asked) == len(set(asked)) == 81 and not regimes.finished
    psi = 2 ** np.linspace(*PSI, 9)
    assert np.allclose(sorted({n for n, _ in asked}), psi)


def test_refinement_comes_in_small_pieces_and_ends():
    regimes = RefinedRegimes(PROBLEM)
    pieces = 0
    while not regimes.finished:
        pieces += 1
        completed = regimes.refine(points=40)
        assert completed == (regimes.points == LEVELS[-1]) or regimes.points < LEVELS[-1]
    assert pieces == sum(-(-(fine**2 - coarse**2) // 40) for coarse, fine in zip(LEVELS, LEVELS[1:]))
