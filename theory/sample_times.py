"""When a linear denoiser should stop for the best samples, and when for the best loss: two times, and they differ."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from genmem.shared.errors import InputError, finite

# Training times per factor ten among which a minimum is looked for before it is refined.
_PER_DECADE = 12
# Times a minimum is narrowed down, and training times evaluated each time.
_NARROWED, _AT_ONCE = 8, 9
# A curve that ends this close to its least value only falls.
_FLAT = 1e-10


@dataclass(frozen=True)
class SampleTimes:
    """Training times in steps x learning rate / d; inf where the curve only falls.

    kl: when KL(generated || data noised to t0) is least, with this value `kl_min` (per dimension). rise: when it first
    exceeds kl_min by the fraction asked for: the samples' overfitting, as tau_mem is the loss's. frechet: when the
    distance `Generated.frechet` is least. loss: when the test loss is least, averaged over the noise levels of a
    U-Net's training. excess: by what factor the KL at `loss` exceeds kl_min, less one: the price of watching the loss.
    """

    kl: float
    rise: float
    frechet: float
    loss: float
    kl_min: float
    excess: float


def sample_times(
    kl: Callable, frechet: Callable, loss: Callable, rates: tuple[float, float], rise: float
) -> SampleTimes:
    """The SampleTimes of three curves, functions of arrays of training times, inf included.

    rates: the fastest and the slowest at which what is generated relaxes. Raises InputError unless rise > 0.
    """
    if not finite("rise", rise) > 0:
        raise InputError(f"rise must be positive, but {rise!r} was given")
    fastest, slowest = rates
    grid = _grid(0.01 / fastest, 40 / slowest)
    at = _minimum(kl, grid)
    least = float(kl(at))
    # The loss is averaged down to noise times far below t0.
    at_loss = _minimum(loss, _grid(0.01 / fastest, 1e10))
    excess = float(kl(at_loss)) / least - 1
    return SampleTimes(at, _rise(kl, grid, at, (1 + rise) * least), _minimum(frechet, grid), at_loss, least, excess)


def _grid(first: float, last: float) -> np.ndarray:
    return np.geomspace(first, last, 2 + int(_PER_DECADE * np.log10(last / first)))


def _minimum(curve: Callable, grid: np.ndarray) -> float:
    """The training time at which a curve is least, as well as rounding lets it be seen; inf if it is least at the end.

    Narrowed by evaluating it at several times at once, which costs little more than at one.
    """
    end = float(curve(np.inf))
    for _ in range(_NARROWED):
        values = curve(grid)
        best = int(np.argmin(values))
        if values[best] >= end - _FLAT * abs(end):
            return np.inf
        grid = np.geomspace(grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)], _AT_ONCE)
    return float(grid[_AT_ONCE // 2])


def _rise(curve: Callable, grid: np.ndarray, after: float, level: float) -> float:
    """The first training time after the minimum at which the curve reaches a level; inf if it never does."""
    from scipy.optimize import brentq

    later = np.append(after, grid[grid > after]) if np.isfinite(after) else np.zeros(0)
    above = np.flatnonzero(curve(later) >= level)
    if above.size == 0:
        return np.inf
    low, high = np.log(later[above[0] - 1 : above[0] + 1])
    return float(np.exp(brentq(lambda x: float(curve(np.exp(x))) - level, low, high, xtol=1e-10)))
