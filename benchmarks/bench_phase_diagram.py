"""How long a phase diagram takes, and that the time is linear in the grid points.

Baseline: the times read off a dense curve of 400 training times per grid point, without the refinement of
genmem.theory.closed_form_times.
"""

import os
import resource
import time

import numpy as np

from genmem.theory import RandomFeatures, phase_diagram
from genmem.theory.timescales import timescales_of_curves


def axis(points: int) -> np.ndarray:
    return np.geomspace(1, 1024, points)


def dense_curve(points: int) -> float:
    """Seconds per grid point of the baseline."""
    tau = np.geomspace(1e-1, 1e8, 400)
    start = time.perf_counter()
    for n in axis(points):
        for p in axis(points):
            curves = RandomFeatures(n, p, 0.1).learning_curves(tau)
            timescales_of_curves(tau, curves.train, curves.test, initial=1.0)
    return (time.perf_counter() - start) / points**2


def main() -> None:
    phase_diagram(axis(2), axis(2), 0.1, tau=1e3)
    baseline = dense_curve(8)
    print(f"tau_gen, tau_mem, tau_gap and the lines between the phases on {os.cpu_count()} cores, t = 0.1")
    print(f"{'':34} {'s':>8} {'ms / point':>11} {'baseline / this':>16}")
    print(f"{'baseline: dense curves, one core':34} {'':8} {1e3 * baseline:11.2f} {1:16}")
    for points in (30, 60, 100):
        start = time.perf_counter()
        phase_diagram(axis(points), axis(points), 0.1, tau=1e3)
        spent = time.perf_counter() - start
        each = spent / points**2
        print(f"{f'{points} x {points}':34} {spent:8.2f} {1e3 * each:11.2f} {baseline / each:16.1f}")
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
