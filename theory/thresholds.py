"""Where tau_mem passes a level along psi_n, at one width: a bracket from a grid, then a secant on a height."""

from functools import lru_cache

import numpy as np

from genmem.shared.errors import SolverError
from genmem.theory.model import RandomFeatures
from genmem.theory.timescales import Fractions, Timescales

# Relative accuracy of a threshold, and how far beyond the grid it is looked for.
ACCURACY, REACH = 1e-4, 1e4
# Where memorization is looked for between grid points: ratio of psi_n, and the least width of its range in log psi_n.
POCKET_RATIO, POCKET = 1.25, 0.05


class Row:
    """Networks of one width, and one gradient noise, by their psi_n; the times of each are computed once."""

    def __init__(self, psi_p: float, t: float, model: dict, floor, fractions: Fractions, noise: float):
        self.psi_p, self.noise, self.fractions = psi_p, noise, fractions
        self.copies = model.get("copies", np.inf)
        self._t, self._model, self._floor = t, model, floor
        self.times = lru_cache(maxsize=None)(self._times)

    def network(self, psi_n: float) -> RandomFeatures:
        return RandomFeatures(psi_n, self.psi_p, self._t, **self._model)

    def _times(self, psi_n: float) -> Timescales | None:
        """The times; inf where SGD diverges, None where the equations could not be solved."""
        network = self.network(psi_n)
        try:
            if network.diverges(self.noise):
                return Timescales(np.inf, np.inf, np.inf, np.inf, 1.0, 1.0)
            return network.timescales(self._floor, self.fractions, self.noise)
        except SolverError:
            return None

    def mem(self, psi_n: float) -> float:
        times = self.times(float(psi_n))
        return np.nan if times is None else times.mem

    def rise(self, psi_n: float) -> float:
        """(L_test(inf) - L_min) / F; -inf where the test loss never falls, or is not known."""
        times = self.times(float(psi_n))
        if times is None or not times.loss_min < 1:
            return -np.inf
        try:
            limit = self.network(psi_n).final_test_loss(self.noise)
        except SolverError:
            return -np.inf
        return (limit - times.loss_min) / (1 - times.loss_min)

    def height(self, psi_n: float, level: float) -> float:
        """Positive where tau_mem < level, and zero where it passes it; infinite where it only has that sign.

        At a finite level the distance in log tau; at level = inf how far the test loss rises beyond the fraction.
        """
        mem = self.mem(psi_n)
        if np.isfinite(level):
            value = np.log(level / mem) if 0 < mem < np.inf else -np.inf
        else:
            value = self.rise(psi_n) - self.fractions.mem
        # The loss may rise beyond the fraction and fall back below it in the end: then its limit does not tell.
        below = mem < level
        return value if (value > 0) == below else np.inf if below else -np.inf


def crossing(row: Row, psi_n: np.ndarray, level: float) -> float:
    """The largest psi_n below which tau_mem < level and above which it is not; nan if there is none in reach.

    psi_n: the grid (N,), from which the bracket is taken, or from between its points, or from beyond its ends.
    """
    mem = np.array([row.mem(n) for n in psi_n])
    early = psi_n[mem < level]
    found = float(early[-1]) if early.size else None
    peak = row.psi_p / row.copies if np.isfinite(row.copies) else 0.0
    # At n m = p the test loss has its peak: if anywhere between the grid points, it memorizes there.
    if peak > (found or 0) and psi_n[0] <= peak <= psi_n[-1] and row.mem(peak) < level:
        found = peak
    if found is None:
        found = _pocket(row, psi_n, level)
    low = high = float(psi_n[0]) if found is None else found
    if found is None:
        while not row.mem(low) < level:
            low, high = low / 4, low
            if low * REACH < psi_n[0]:
                return np.nan
    later = psi_n[psi_n > low]
    if high == low and later.size:
        high = float(later[0])
    while high == low or row.mem(high) < level:
        low, high = high, 4 * high
        if high > psi_n[-1] * REACH:
            return np.nan
    return float(np.exp(_root(lambda x: row.height(np.exp(x), level), np.log(low), np.log(high))))


def _root(height, low: float, high: float) -> float:
    """Where `height`, positive at low and negative at high, changes sign, to ACCURACY: by a secant inside the bracket.

    Where a height is infinite only its sign is known, and the bracket is halved. Both ends are kept at a distance, so
    that a converged secant closes the bracket from the other side.
    """
    at_low, at_high = height(low), height(high)
    side = 0
    while high - low > ACCURACY:
        middle = 0.5 * (low + high)
        if np.isfinite(at_low) and np.isfinite(at_high):
            middle = low + (high - low) * at_low / (at_low - at_high)
            margin = min(0.9 * ACCURACY, 0.5 * (high - low))
            middle = min(max(middle, low + margin), high - margin)
        value = height(middle)
        if value > 0:
            low, at_low = middle, value
            at_high = 0.5 * at_high if side == 1 else at_high  # the Illinois rule
            side = 1
        else:
            high, at_high = middle, value
            at_low = 0.5 * at_low if side == -1 else at_low
            side = -1
    return 0.5 * (low + high)


def _pocket(row: Row, psi_n: np.ndarray, level: float) -> float | None:
    """A psi_n with tau_mem < level where the grid has none, or None.

    Looked for at ratios of 1.25, then by golden section where the final rise of the test loss is largest.
    """
    number = 1 + int(np.ceil(np.log(psi_n[-1] / psi_n[0]) / np.log(POCKET_RATIO)))
    psi_n = np.union1d(psi_n, np.geomspace(psi_n[0], psi_n[-1], number)) if psi_n.size < number else psi_n
    mem = np.array([row.mem(n) for n in psi_n])
    if np.any(mem < level):
        return float(psi_n[mem < level][-1])
    best = int(np.argmax([row.rise(n) for n in psi_n]))
    low, high = np.log(psi_n[max(best - 1, 0)]), np.log(psi_n[min(best + 1, psi_n.size - 1)])
    while high - low > POCKET:
        left, right = low + 0.382 * (high - low), low + 0.618 * (high - low)
        for at in (left, right):
            if row.mem(np.exp(at)) < level:
                return float(np.exp(at))
        low, high = (low, right) if row.rise(np.exp(left)) > row.rise(np.exp(right)) else (left, high)
    return None
