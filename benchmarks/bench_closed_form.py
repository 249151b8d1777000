"""How long a learning curve takes, against the same curve from many draws of the finite network.

Baseline: theory.simulate at d = 100, one draw, which fluctuates by about one per cent; the closed form has no such
error. Times are medians over repetitions on one thread.
"""

import os
import resource

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import subprocess
import sys
import tempfile
import time

import numpy as np
from timing import median_time

from genmem.theory import RandomFeatures, Spectrum, descent_curves, learning_curves_of, simulate

TAU = np.geomspace(1e-1, 1e6, 96)


def first_use() -> float:
    """Seconds for the first curve and the first times in a fresh process with an empty compilation cache."""
    code = "from genmem.theory import RandomFeatures as R; m = R(2, 4, 0.1); m.learning_curves([1.0]); m.timescales()"
    with tempfile.TemporaryDirectory() as cache:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], env=os.environ | {"NUMBA_CACHE_DIR": cache}, check=True)
        return time.perf_counter() - start


def empirical_too(model: RandomFeatures) -> None:
    model.learning_curves(TAU).empirical  # noqa: B018 - computed when it is read


def large_problem() -> None:
    """2000 atoms x 10,000 times: seconds, and what the peak of this process's memory grows by."""
    model = RandomFeatures(4, 8, 0.1, spectrum=Spectrum(np.geomspace(0.01, 10, 2000)))
    model.learning_curves([1.0])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    model.learning_curves(np.geomspace(1e-1, 1e6, 10_000))
    spent = time.perf_counter() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"2000 atoms x 10,000 times: {spent:.1f} s, memory grows by {grown:.0f} MB")


def main() -> None:
    two, many = Spectrum([0.5, 1.5]), Spectrum(np.linspace(0.2, 3, 64))
    baseline = median_time(lambda: simulate(RandomFeatures(4, 8, 0.1, spectrum=two), d=100, seed=0, tau=TAU), 3)
    print("96 training times: train, test, score, bias, variance; psi_n = 4, psi_p = 8, t = 0.1")
    print(f"{'':44} {'ms':>9} {'baseline / this':>16}")
    print(f"{'baseline: one finite network at d = 100':44} {1e3 * baseline:9.1f} {1:16}")
    for label, spectrum, copies, noise in (
        ("two atoms, m = inf", two, np.inf, 0.0),
        ("two atoms, m = inf, SGD", two, np.inf, 1.0),
        ("two atoms, m = 3", two, 3, 0.0),
        ("64 atoms, m = inf", many, np.inf, 0.0),
        ("64 atoms, m = 3", many, 3, 0.0),
    ):
        model = RandomFeatures(4, 8, 0.1, spectrum=spectrum, copies=copies)
        spent = median_time(lambda: model.learning_curves(TAU, noise), 50)
        print(f"{label:44} {1e3 * spent:9.2f} {baseline / spent:16.0f}")
    model = RandomFeatures(4, 8, 0.1, spectrum=two, copies=3)
    spent = median_time(lambda: empirical_too(model), 50)
    print(f"{'two atoms, m = 3, with the empirical loss':44} {1e3 * spent:9.2f} {baseline / spent:16.0f}")
    kernel = RandomFeatures(4, np.inf, 0.1, spectrum=two)
    spent = median_time(lambda: kernel.learning_curves(TAU), 50)
    print(f"{'two atoms, m = inf, infinite width':44} {1e3 * spent:9.2f} {baseline / spent:16.0f}")
    models = [RandomFeatures(n, 8, 0.1, spectrum=two) for n in np.geomspace(1, 64, 64)]
    spent = median_time(lambda: learning_curves_of(models, TAU), 5) / 64
    print(f"{f'each of 64 models at once, {os.cpu_count()} cores':44} {1e3 * spent:9.2f} {baseline / spent:16.0f}")
    spent = median_time(RandomFeatures(16, 64, 0.1).timescales, 50)
    print(f"{'the three times, refined, one atom':44} {1e3 * spent:9.2f} {baseline / spent:16.0f}")
    spent = median_time(lambda: RandomFeatures(16, 64, 0.1).timescales(gradient_noise=1.0), 50)
    print(f"{'the same of SGD':44} {1e3 * spent:9.2f} {baseline / spent:16.0f}")
    steps = np.unique(np.geomspace(1, 10_000, 96).round())
    spent = median_time(lambda: descent_curves(RandomFeatures(4, 8, 0.1, spectrum=two), steps, 1.0, 0.9), 3)
    print(f"{'momentum 0.9, ' + str(steps.size) + ' numbers of steps':44} {1e3 * spent:9.2f} {baseline / spent:16.0f}")
    large_problem()
    print(f"first use after install, compilation included: {first_use():.1f} s")


if __name__ == "__main__":
    main()
