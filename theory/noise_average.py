"""Losses averaged over the noise level, as a U-Net is trained: one network for each t, the average by quadrature.

A U-Net sees the DDPM step k drawn uniformly; its Ornstein-Uhlenbeck time is t(k) = -log(alpha_bar(k)) / 2. The
random-features theory has a network of its own for each t, all with the same learning rate, so tau is the same for all.
"""

from dataclasses import dataclass, replace

import numpy as np

from genmem.shared.errors import InputError, count, times
from genmem.theory.model import RandomFeatures


@dataclass(frozen=True)
class AveragedCurves:
    """tau, train, test: shape (K,), losses averaged over t. error: of the average, from half the nodes."""

    tau: np.ndarray
    train: np.ndarray
    test: np.ndarray
    error: float


def ddpm_noise(nodes: int = 16, steps: int = 1000, beta: tuple[float, float] = (1e-4, 2e-2)):
    """Gauss-Legendre rule for t under a uniform DDPM step with linear beta (Ho et al. 2020).

    Returns (t, weights), each of shape (nodes,); the weights sum to one. A step stands for the unit interval around it;
    between the steps log alpha_bar is interpolated by a cubic spline.
    """
    from scipy.interpolate import CubicSpline

    nodes, steps = count("nodes", nodes), count("steps", steps, 2)
    t = -0.5 * np.cumsum(np.log1p(-np.linspace(*beta, steps)))
    x, w = np.polynomial.legendre.leggauss(nodes)
    return CubicSpline(np.arange(1, steps + 1), t)(0.5 + steps * (x + 1) / 2), w / 2


def averaged_curves(model: RandomFeatures, tau, noise=ddpm_noise) -> AveragedCurves:
    """Train and test loss at training times tau (K,), averaged over the noise level; model.t is not used.

    noise: a function of the number of nodes that returns (t, weights). The number is doubled from 8 until the averages
    move by less than 1e-6, at most to 128; the last move is the `error`. Raises InputError for bad times.
    """
    tau = times("tau", tau)
    if not isinstance(model, RandomFeatures):
        raise InputError(f"model must be a genmem.RandomFeatures, but {model!r} was given")
    if tau.size == 0:
        return AveragedCurves(tau, tau, tau, 0.0)
    previous, nodes = None, 8
    while True:
        t, weights = noise(nodes)
        if abs(np.sum(weights) - 1) > 1e-9 or np.any(np.asarray(t) <= 0):
            raise InputError("noise must return positive times t with weights that sum to one")
        curves = [replace(model, t=float(x)).learning_curves(tau) for x in t]
        train = sum(w * c.train for w, c in zip(weights, curves))
        test = sum(w * c.test for w, c in zip(weights, curves))
        if previous is not None:
            error = float(max(np.abs(train - previous[0]).max(), np.abs(test - previous[1]).max()))
            if error < 1e-6 or nodes >= 128:
                return AveragedCurves(tau, train, test, error)
        previous, nodes = (train, test), 2 * nodes
