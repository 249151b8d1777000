"""What an exact simulation will take in memory and time, known before it starts."""

import os
import time
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from genmem.shared.errors import InputError
from genmem.theory.hermite import BLOCK, QUADRATURE_BLOCK, ROWS, resolution
from genmem.theory.model import RandomFeatures
from genmem.theory.network import network_sizes, own_points

# Features and points that stand for all when the length of the Hermite series is estimated.
_FEATURES, _POINTS = 512, 32
# Seconds of choosing the quadrature and of calls, which small networks notice.
_OVERHEAD = 0.03
_GIGA = 1e9


@dataclass(frozen=True)
class Cost:
    """Sizes of a simulation, its peak memory in bytes and its time in seconds on this machine."""

    d: int
    n: int
    p: int
    draws: int
    bytes: float
    seconds: float

    def describe(self) -> str:
        """One line for people."""
        what = f"{self.draws} draws of d" if self.draws > 1 else "d"
        return (
            f"{what} = {self.d}, n = {self.n} points, p = {self.p} features: "
            f"about {_amount(self.bytes)} of memory and {_duration(self.seconds)}"
        )


def cost(
    model: RandomFeatures, d: int | None = None, *, data=None, held_out=None, draws: int = 1, times: int = 100
) -> Cost:
    """Estimate the Cost of theory.simulate with these arguments at `times` training times.

    Memory is counted from the arrays that live at once; time from the operations, at rates measured on this machine
    in about half a second. Raises InputError as `simulate` does for sizes that make no sense.
    """
    if data is not None:
        data, held_out = own_points(data, held_out)
    d, n, p = network_sizes(model, d, data)
    population = 1 if held_out is None else len(held_out)
    seconds = draws * _seconds(model, d, n, p, population, data)
    return Cost(d, n, p, draws, memory(model, d, data=data, held_out=held_out, times=times), seconds)


def memory(model: RandomFeatures, d: int | None = None, *, data=None, held_out=None, times: int = 100) -> float:
    """Peak memory of theory.simulate in bytes, above what Python and its libraries take."""
    d, n, p = network_sizes(model, d, data)
    population = 1 if held_out is None else len(held_out)
    drawn = np.isfinite(model.copies)
    network = p * d + (2 + (model.copies if drawn else 0)) * n * d + 2 * population * d
    matrix, labels = p**2, p * d

    def coefficients(points: int) -> float:
        return 1.3 * min(BLOCK, 8 * p * points) + 3 * QUADRATURE_BLOCK

    # The training moments; LAPACK's divide and conquer, which works in 2 p^2 beside the matrix; then the eigenvectors
    # with one more matrix, its coefficients or blocks of rows, V in both bases and the flow at every time.
    first = matrix + labels + (0 if drawn else coefficients(n))
    decomposition = 3 * matrix + labels
    again = coefficients(max(population, n if drawn else 1))
    losses = 2 * matrix + 3 * labels + 2 * p * times + max(again, 4 * ROWS * p)
    return 8.0 * (network + max(first, decomposition, losses))


def require_memory(needed: float) -> None:
    """Raise InputError if `needed` bytes exceed this machine's memory."""
    available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > available:
        raise InputError(
            f"d, psi_p and psi_n must be small enough for this machine's memory of {_amount(available)}, "
            f"but the simulation needs {_amount(needed)}"
        )


def _seconds(model, d: int, n: int, p: int, population: int, data) -> float:
    """Time of one draw."""
    product, decomposition = _rates()
    sigma, constants = model.sigma, model.constants
    rng = np.random.default_rng(0)
    w = rng.standard_normal((min(p, _FEATURES), d)) / np.sqrt(d)
    if data is None:
        points = np.sqrt(model.spectrum.mean) * rng.standard_normal((_POINTS, d))
    else:
        points = data[:_POINTS]
    rays = w * np.sqrt(constants.delta)
    scale = np.linalg.norm(rays, axis=1)
    rays /= scale[:, None]
    nodes, order = resolution(sigma, w, np.sqrt(constants.signal) * points, scale, rays)
    sample = np.linspace(-3, 3, QUADRATURE_BLOCK)
    activation = _least_time(lambda: sigma(sample + sample) ** 2) / sample.size

    def average(number: int) -> float:
        """Of the noise integrated at `number` points, half of each symmetric product done.

        A pass over memory counts as ten operations of a large square product; blocks are half as fast, thin ones a
        third.
        """
        series = 2 * p**2 * number * (order + 1) + 6 * p * number * nodes * (order + 2) + p**2 * (d + 20 * order)
        return product * series + activation * p * number * nodes

    total = _OVERHEAD + average(population) + decomposition * p**3 + product * (4 * p**3 + 8 * p**2 * d)
    if np.isinf(model.copies):
        return total + average(n)
    drawn = model.copies * n * (2 * p**2 + 4 * p * d) * product + activation * p * n * model.copies
    return total + drawn + average(n) + product * 4 * p**3


@lru_cache(maxsize=1)
def _rates() -> tuple[float, float]:
    """Seconds per operation of a matrix product, and per p^3 of an eigendecomposition."""
    from scipy.linalg import eigh

    side = 512
    matrix = np.random.default_rng(0).standard_normal((side, side))
    matrix += matrix.T
    product = _least_time(lambda: matrix @ matrix) / (2 * side**3)
    return product, _least_time(lambda: eigh(matrix, check_finite=False, driver="evd")) / side**3


def _least_time(work) -> float:
    """The shortest of up to five runs in 0.1 s: the first may start the libraries' threads, any may be disturbed."""
    spent: list[float] = []
    while len(spent) < 5 and sum(spent) < 0.1:
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return min(spent)


def _amount(size: float) -> str:
    return f"{size / _GIGA:.2g} GB" if size >= 0.1 * _GIGA else f"{size / 1e6:.0f} MB"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "less than a second"
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds:.2g} s"
