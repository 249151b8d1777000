"""The regimes over the plane of network size and training points, from a coarse grid to ever finer ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genmem.shared.errors import SolverError
from genmem.theory.model import RandomFeatures
from genmem.theory.phases import classify, interpolates
from genmem.theory.problem import Problem
from genmem.theory.timescales import Fractions

# The ends of both axes, log2 of psi.
PSI = (-2.0, 10.0)
# Each grid holds the one before it; the first costs as much as a few curves.
LEVELS = (5, 9, 17, 33)
PIXELS = 240
# Cells that a contour may pass outside the region of its values before it counts as cut: rounding at its border.
_GAP = 3


class RefinedRegimes:
    """tau_gen and tau_mem over the plane of psi_n and psi_p, from a coarse grid to ever finer ones.

    Neither jumps, but tau_mem is infinite beyond a threshold. So a third quantity is kept, which is smooth there: the
    margin log((L(tau = inf) - L_min) / (0.1 F)), positive where the test loss rises by more than defines tau_mem.
    """

    def __init__(self, problem: Problem, noise: float = 0.0):
        """Compute the first grid. noise: of SGD, as a share of RandomFeatures.critical_gradient_noise."""
        self.problem, self._noise = problem, noise
        self._psi = 2 ** np.linspace(*PSI, LEVELS[-1])
        # log tau_gen, log tau_mem, margin, the test loss's fall: [psi_p, psi_n]
        self._values = np.full((4, LEVELS[-1], LEVELS[-1]), np.nan)
        self._reached = np.zeros((LEVELS[-1], LEVELS[-1]), dtype=bool)
        self._level = -1
        self._missing: list[tuple[int, int]] = []
        self._drawn: tuple[np.ndarray, np.ndarray, list]
        while self._level < 0:
            self.refine()

    @property
    def points(self) -> int:
        """Points along each axis of the finest grid that is complete."""
        return LEVELS[self._level]

    @property
    def finished(self) -> bool:
        return self._level == len(LEVELS) - 1

    def refine(self, points: int = 8) -> bool:
        """Compute up to `points` points of the next grid; whether that completed it."""
        if not self._missing:
            stride = (LEVELS[-1] - 1) // (LEVELS[self._level + 1] - 1)
            wanted = np.zeros_like(self._reached)
            wanted[::stride, ::stride] = True
            self._missing = list(zip(*np.nonzero(wanted & ~self._reached), strict=True))
        batch, self._missing = self._missing[:points], self._missing[points:]
        for i, j in batch:
            model = RandomFeatures.of(self.problem, self._psi[j], self._psi[i])
            self._values[:, i, j] = _times_and_margin(model, self._noise)
            self._reached[i, j] = True
        if self._missing:
            return False
        self._level += 1
        self._drawn = self._interpolate()
        return True

    def at(self, tau: float) -> "RegimesAtTime":
        """The regimes at one training time, as far as they are computed."""
        gen, mem, contours = self._drawn
        psi = 2 ** centres()
        zero = interpolates(psi, psi[:, None], self.problem.copies, self.problem.ridge)
        return RegimesAtTime(classify(tau, gen, mem, zero), contours, self.points, self.finished)

    def _interpolate(self) -> tuple[np.ndarray, np.ndarray, list]:
        """tau_gen and tau_mem on PIXELS x PIXELS cells, nan where the equations could not be solved; the contours."""
        stride = (LEVELS[-1] - 1) // (self.points - 1)
        log_gen, log_mem, margin, fall = self._values[:, ::stride, ::stride]
        gen = np.exp(_interpolated(_filled(log_gen)))
        # Towards the threshold tau_mem grows on: one point further, at a pace that leaves its contours smooth.
        further = np.full_like(log_mem, np.nan)
        further[:, 2:] = 2 * log_mem[:, 1:-1] - log_mem[:, :-2]
        log_mem = np.where(np.isnan(log_mem), further, log_mem)
        log_mem, reached = _interpolated(_filled(log_mem)), _interpolated(_filled(margin)) > 0
        mem = np.where(reached, np.exp(log_mem), np.inf)
        # Under strong gradient noise the test loss never falls: nothing is learned, and nothing lost.
        learns = _interpolated((fall > 0).astype(float)) > 0.5
        unsolved = _interpolated(np.isnan(fall).astype(float)) > 0.5
        gen, mem = np.where(learns, gen, np.inf), np.where(learns, mem, np.inf)
        reached = reached & learns
        gen, mem = np.where(unsolved, np.nan, gen), np.where(unsolved, np.nan, mem)
        return gen, mem, _contours(log_mem / np.log(10), reached & ~unsolved)


@dataclass(frozen=True, eq=False)
class RegimesAtTime:
    """The regimes at one training time, as far as they are computed.

    phase: (PIXELS, PIXELS) codes into genmem.theory.phases.PHASES over psi_p and psi_n, -1 where nothing is known.
    contours: lines of constant tau_mem: its decimal exponent, psi_n and psi_p along the line. points, finished: see
    Regimes.
    """

    phase: np.ndarray
    contours: Sequence[tuple[int, np.ndarray, np.ndarray]]
    points: int
    finished: bool


def centres() -> np.ndarray:
    """log2 of psi at the centres of the cells, (PIXELS,)."""
    return PSI[0] + (PSI[1] - PSI[0]) * (np.arange(PIXELS) + 0.5) / PIXELS


def _contours(exponent: np.ndarray, inside: np.ndarray) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Lines of whole decimal exponents, cut where they leave the cells `inside`.

    Drawn through all cells and cut afterwards: a line along the border of a mask would be broken at each of its steps.
    """
    from contourpy import contour_generator

    if not inside.any():
        return []
    lines = contour_generator(centres(), centres(), exponent)
    lowest, highest = exponent[inside].min(), exponent[inside].max()
    cells = (PSI[1] - PSI[0]) / PIXELS
    found = []
    for k in range(int(np.ceil(lowest)), int(np.floor(highest)) + 1):
        for line in lines.lines(k):
            column, row = np.clip(((line - PSI[0]) / cells).astype(int), 0, PIXELS - 1).T
            kept = np.flatnonzero(inside[row, column])
            parts = np.split(kept, np.flatnonzero(np.diff(kept) > _GAP) + 1)
            found += [(k, 2 ** line[part, 0], 2 ** line[part, 1]) for part in parts if part.size > 1]
    return found


def _times_and_margin(model: RandomFeatures, noise: float) -> tuple[float, float, float, float]:
    try:
        kappa = noise * model.critical_gradient_noise if noise else 0.0
        times = model.timescales(gradient_noise=kappa)
        limit = float(model.learning_curves(np.inf, kappa).test)
    except SolverError:
        return np.nan, np.nan, np.nan, np.nan
    fall = times.loss_initial - times.loss_min
    if not fall > 0:
        return np.nan, np.nan, np.nan, 0.0
    margin = np.log(np.clip((limit - times.loss_min) / fall, 1e-6, 1e6) / Fractions().mem)
    # Where rounding or a test loss that falls again contradicts it, tau_mem itself decides.
    margin = max(margin, 1e-9) if np.isfinite(times.mem) else min(margin, -1e-9)
    return np.log(times.gen), np.log(times.mem) if np.isfinite(times.mem) else np.nan, margin, fall


def _filled(grid: np.ndarray) -> np.ndarray:
    """The grid with nan replaced by the nearest value; zeros if there is none."""
    from scipy.ndimage import distance_transform_edt

    missing = np.isnan(grid)
    if missing.all():
        return np.zeros_like(grid)
    return grid[tuple(distance_transform_edt(missing, return_distances=False, return_indices=True))]


def _interpolated(grid: np.ndarray) -> np.ndarray:
    """A square grid over the plane, bilinear at the cells' centres."""
    place = (np.arange(PIXELS) + 0.5) / PIXELS * (len(grid) - 1)
    left = np.minimum(place.astype(int), len(grid) - 2)
    share = place - left
    rows = grid[left] * (1 - share)[:, None] + grid[left + 1] * share[:, None]
    return rows[:, left] * (1 - share) + rows[:, left + 1] * share
