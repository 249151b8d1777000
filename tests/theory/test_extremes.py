"""Exact thresholds and extreme times: the limit, or a sentence, but never a number that is neither."""

import numpy as np
import pytest

from genmem.shared.errors import SolverError
from genmem.theory import RandomFeatures, Spectrum


def limit(excess: float, copies: float):
    """The limit of infinite time at n m = 8 (1 + excess), p = 8."""
    spectrum = Spectrum([0.2, 2.0], [0.6, 0.4])
    return RandomFeatures(8 * (1 + excess) / copies, 8, 0.1, spectrum=spectrum, copies=copies).learning_curves(np.inf)


def test_at_the_threshold_the_mean_score_is_finite_and_the_test_loss_infinite():
    found = RandomFeatures(4, 8, 0.1, copies=2).learning_curves(np.inf)
    assert found.bias == pytest.approx(0.647396, abs=5e-7) and found.modes[0] == pytest.approx(-1.804609, abs=5e-7)
    assert found.test == np.inf and found.variance == np.inf and found.train == 0


@pytest.mark.parametrize("copies", [1, 2, 3, 10])
@pytest.mark.parametrize("side", [-1, 1])
def test_the_threshold_is_approached_from_both_sides(copies, side):
    """Mean score continuous; test loss C / |excess|, the same C near and far; train loss linear in the excess."""
    at, near, far = limit(0, copies), limit(side * 1e-12, copies), limit(side * 1e-5, copies)
    np.testing.assert_allclose(near.modes, at.modes, rtol=1e-10)
    np.testing.assert_allclose(far.modes, at.modes, rtol=1e-3)
    assert near.test * 1e-12 == pytest.approx(far.test * 1e-5, rel=2e-3)
    if side < 0:
        assert near.train == far.train == 0
    else:
        assert near.train / 1e-12 == pytest.approx(far.train / 1e-5, rel=2e-3) and near.train > 0


@pytest.mark.parametrize("copies, psi_p", [(np.inf, 8), (3.5, 60), (1, 60), (4, 3)])
def test_times_beyond_double_precision_have_the_limit_or_the_start(copies, psi_p):
    model = RandomFeatures(4, psi_p, 0.1, copies=copies)
    tau = [1e-300, 1e-120, 1e29, 3.67e54, 1e100, 1e300, np.inf]
    curves = model.learning_curves(tau)
    assert np.all(curves.test[:2] == 1) and np.all(curves.train[:2] == 1)
    np.testing.assert_allclose(curves.test[2:], curves.test[-1], rtol=1e-9)
    np.testing.assert_allclose(curves.bias[2:], curves.bias[-1], rtol=1e-9)
    assert curves.error < 1e-9


def test_a_loss_that_still_grows_there_is_refused():
    model = RandomFeatures(4, 8, 0.1, copies=2)
    # At n m = p the test loss grows like the square root of time.
    early, late = model.learning_curves([1e12, 1e16]).test
    assert late / early == pytest.approx(100, rel=1e-2)
    for tau in (1e40, 1e100):
        with pytest.raises(SolverError, match="beyond double precision"):
            model.learning_curves(tau)


def test_times_at_and_near_the_threshold():
    at, near = (RandomFeatures(4 * scale, 8, 0.1, copies=2).timescales() for scale in (1, 1 + 1e-12))
    for name in ("gen", "mem", "gap", "minimum"):
        assert getattr(near, name) == pytest.approx(getattr(at, name), rel=1e-8)
