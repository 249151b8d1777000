"""Losses averaged over the noise level."""

import numpy as np
import pytest

from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, Spectrum
from genmem.theory.noise_average import averaged_curves, ddpm_noise


def test_one_noise_level_is_the_model_itself():
    model = RandomFeatures(2, 4, 0.3)
    averaged = averaged_curves(model, [1.0, 50.0], noise=lambda nodes: (np.full(nodes, 0.3), np.full(nodes, 1 / nodes)))
    np.testing.assert_allclose(averaged.test, model.learning_curves([1.0, 50.0]).test, rtol=1e-12)


def test_ddpm_times():
    """t = 0.01 lies near step 40 and t = 0.1 near step 137 of the linear schedule (Ho et al., arXiv:2006.11239)."""
    steps = np.arange(1, 1001)
    t = -0.5 * np.cumsum(np.log1p(-np.linspace(1e-4, 2e-2, 1000)))
    assert abs(np.interp(0.01, t, steps) - 40) < 2 and abs(np.interp(0.1, t, steps) - 137) < 2
    nodes, weights = ddpm_noise(32)
    assert weights.sum() == pytest.approx(1) and nodes.min() > t[0] and nodes.max() < t[-1]
    assert weights @ nodes == pytest.approx(t.mean(), rel=2e-3)


def test_the_average_is_the_plain_mean_over_steps():
    model, tau = RandomFeatures(4, 8, 0.1, spectrum=Spectrum([0.5, 1.5])), [10.0, 1e3]
    averaged = averaged_curves(model, tau)
    t = -0.5 * np.cumsum(np.log1p(-np.linspace(1e-4, 2e-2, 1000)))
    tests = [RandomFeatures(4, 8, x, spectrum=model.spectrum).learning_curves(tau).test for x in t[2::5]]
    np.testing.assert_allclose(averaged.test, np.mean(tests, axis=0), rtol=1e-4)
    assert averaged.error < 1e-5


def test_bad_weights_are_refused():
    with pytest.raises(InputError, match="sum to one"):
        averaged_curves(RandomFeatures(2, 4, 0.1), [1.0], noise=lambda nodes: (np.ones(nodes), np.ones(nodes)))
