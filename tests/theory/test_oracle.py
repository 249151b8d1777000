"""The closed form to ten digits and better against mpmath at thirty digits (tests/theory/oracle.py)."""

import numpy as np
import pytest

from genmem.theory import RandomFeatures, Spectrum
from genmem.theory.dynamics import begin
from genmem.theory.resolvent import state_size
from tests.theory.oracle import Oracle
from tests.tolerances import CLOSED_FORM


def nearby(model):
    """The double-precision solution at z: a guess for mpmath, which then finds its own root and checks its branch."""
    e = model.equations

    def solution(z):
        x = np.zeros((1, state_size(e.kinds)), complex)
        begin(np.array([z]), 0.0, 1.0, e.norm_bound, x, e)
        return [x[0, 0] / e.psi_p, *x[0, 1 : 1 + len(e.kinds)]]

    return solution


@pytest.mark.parametrize(
    "psi_n, psi_p, t, copies, tau",
    [
        (2, 4, 0.1, np.inf, 1e4),
        (30, 5, 0.01, np.inf, 3.0),
        (2, 4, 0.1, 4, 300.0),
        pytest.param(0.5, 8, 0.5, 3, 3.0, marks=pytest.mark.slow),
        pytest.param(100, 300, 0.001, 2, 1e6, marks=pytest.mark.slow),
    ],
)
def test_closed_form_to_ten_digits(psi_n, psi_p, t, copies, tau):
    model = RandomFeatures(psi_n, psi_p, t, spectrum=Spectrum([0.5, 1.5], [0.3, 0.7]), copies=copies)
    exact = Oracle(psi_n, psi_p, t, [0.5, 1.5], [0.3, 0.7], copies).losses(tau, nearby(model))
    curves = model.learning_curves(tau)
    ours = np.array([curves.train, curves.test, curves.empirical])
    np.testing.assert_allclose(ours, exact, rtol=CLOSED_FORM)
    # The estimate must not promise more than it holds.
    assert np.abs(ours - exact).max() < 20 * curves.error + 1e-14
