"""How long the exact dynamics of a finite network take, and against what.

Baseline: gradient descent with fresh noise on all training points (theory.descend, algorithm "sgd", batch size n) at
half the largest stable learning rate, to the same training time; its time per step is measured over a few steps and
multiplied, for its millions of steps would take days. Times are the shortest of five, on one thread.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import math
import time

import numpy as np
from numba import njit
from scipy.linalg import eigh

from genmem.theory import RandomFeatures, cost, descend, simulate
from genmem.theory.hermite import hermite_coefficients
from genmem.theory.network import draw_network

MODEL, D = RandomFeatures(psi_n=4, psi_p=8, t=0.1), 200
TAU = np.geomspace(1e-1, 1e6, 100)
STEPS = 10


def least_time(call, repetitions: int = 5) -> float:
    spent = []
    for _ in range(repetitions):
        start = time.perf_counter()
        call()
        spent.append(time.perf_counter() - start)
    return min(spent)


@njit(error_model="numpy")
def compiled_coefficients(mean, scale, z, table):
    """c_k of tanh by the same quadrature as genmem.theory.hermite, as a compiled loop."""
    p, points = mean.shape
    c = np.zeros((p, len(table), points))
    for i in range(p):
        for j in range(z.size):
            for a in range(points):
                value = math.tanh(mean[i, a] + scale[i] * z[j])
                for k in range(len(table)):
                    c[i, k, a] += table[k, j] * value
    return c


def quadrature() -> tuple[float, float]:
    """Seconds for nine coefficients by 60 nodes at 1600 x 100 pre-activations: numpy, and compiled."""
    rng = np.random.default_rng(0)
    mean, scale = rng.standard_normal((1600, 100)), np.full(1600, 0.42)
    z, table = rng.standard_normal(60), rng.standard_normal((9, 60))
    compiled_coefficients(mean[:2], scale, z, table)
    return (
        least_time(lambda: hermite_coefficients(np.tanh, mean, scale, 8, 60)),
        least_time(lambda: compiled_coefficients(mean, scale, z, table)),
    )


def main() -> None:
    expected = cost(MODEL, D, times=TAU.size)
    whole = least_time(lambda: simulate(MODEL, D, 0, TAU))
    network = draw_network(MODEL, D, np.random.default_rng(0))
    moments = least_time(network.train_moments) + least_time(network.population_moments)
    u = network.train_moments()[0]
    decomposition = least_time(lambda: eigh(u, driver="evd", check_finite=False))
    print(f"exact dynamics of one network, {TAU.size} times: {expected.describe()} (predicted)")
    print(f"{'':58} {'seconds':>9} {'share':>6}")
    for label, spent in (
        ("all", whole),
        ("eigendecomposition", decomposition),
        ("noise averages: U and V, train and population", moments),
    ):
        print(f"{label:58} {spent:9.2f} {spent / whole:6.0%}")

    numpy_time, compiled = quadrature()
    print(f"\n{'quadrature of 1600 x 100 pre-activations, numpy':58} {numpy_time:9.3f}")
    print(f"{'the same as a compiled loop (numba)':58} {compiled:9.3f} {compiled / numpy_time:5.1f} x")

    largest = np.linalg.eigvalsh(u)[-1]
    rate = D**2 / (MODEL.rate * largest)
    descend(MODEL, 20, 0, 2, 1.0, "sgd", batch_size=10)

    def descent(steps: int) -> float:
        return least_time(lambda: descend(MODEL, D, 0, steps, rate, "sgd", batch_size=network.sizes[1], points=2), 1)

    step = (descent(1 + STEPS) - descent(1)) / STEPS
    print(f"\nbaseline: gradient descent with fresh noise, {step:.3f} s a step")
    print(f"{'training time tau':>20} {'steps':>12} {'baseline s':>12} {'baseline / exact':>18}")
    for tau in (1e2, 1e4, 1e6):
        steps = math.ceil(tau * D**2 / rate)
        print(f"{tau:20.0e} {steps:12d} {steps * step:12.3g} {steps * step / whole:18.3g}")


if __name__ == "__main__":
    main()
