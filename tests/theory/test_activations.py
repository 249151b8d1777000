"""The Gaussian-equivalence constants against closed forms and mpmath."""

import mpmath
import numpy as np
import pytest

from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures
from genmem.theory.activations import gaussian_constants
from tests.tolerances import CONSTANTS


@pytest.mark.parametrize("t", [1e-4, 0.01, 0.1, 1.0, 5.0])
@pytest.mark.parametrize("variance", [0.3, 1.0, 2.0])
def test_sine_has_closed_form(t, variance):
    c = gaussian_constants("sin", t, variance)
    signal, delta = np.exp(-2 * t), -np.expm1(-2 * t)
    gamma2 = signal * variance + delta
    r = signal * variance
    assert c.mu1 == pytest.approx(np.sqrt(gamma2) * np.exp(-gamma2 / 2), rel=CONSTANTS)
    assert c.norm2 == pytest.approx(np.exp(-gamma2) * np.sinh(gamma2), rel=CONSTANTS)
    # E_u[(E_w sin)^2] = e^{-Gamma^2} sinh(r), by the covariance of two sines; less the linear part e^{-Gamma^2} r.
    v2 = float(mpmath.exp(-gamma2) * (mpmath.sinh(mpmath.mpf(r)) - mpmath.mpf(r)))
    assert c.v2 == pytest.approx(v2, rel=1e-8, abs=1e-18)
    assert c.s2 == pytest.approx(c.norm2 - c.mu1**2 - v2, abs=1e-12)


@pytest.mark.parametrize("t", [0.01, 0.1, 1.0])
def test_erf_has_closed_form(t):
    c = gaussian_constants("erf", t, 1.0)
    covariance = lambda r: 2 / np.pi * np.arcsin(2 * r / 3)  # noqa: E731
    assert c.norm2 == pytest.approx(covariance(1.0), rel=CONSTANTS)
    assert c.mu1 == pytest.approx(2 / np.sqrt(np.pi) / np.sqrt(3), rel=CONSTANTS)
    signal = np.exp(-2 * t)
    assert c.v2 == pytest.approx(covariance(signal) - c.mu1**2 * signal, rel=1e-9)


def test_tanh_against_mpmath():
    """mu1 by thirty digits of mpmath; v^2 and s^2 from an independent prototype."""
    mpmath.mp.dps = 30
    mu1 = mpmath.quad(lambda z: z * mpmath.tanh(z) * mpmath.npdf(z), mpmath.linspace(-14, 14, 29))
    c = gaussian_constants("tanh", 0.1, 1.0)
    assert c.mu1 == pytest.approx(float(mu1), rel=1e-14)
    assert c.v2 == pytest.approx(0.0138414537, abs=1e-10)
    assert c.s2 == pytest.approx(0.0135738725, abs=3e-10)


def test_noise_constant_is_linear_in_small_t():
    """s^2 = Delta Var[sigma'(Gamma z)] + O(Delta^2): no cancellation is left at t = 1e-6."""
    ratio = [gaussian_constants("tanh", t, 1.0).s2 / t for t in (1e-6, 1e-5)]
    assert ratio[0] == pytest.approx(ratio[1], rel=1e-3)


def test_a_name_and_its_function_agree():
    assert gaussian_constants("tanh", 0.1) == gaussian_constants(np.tanh, 0.1)


@pytest.mark.parametrize(
    "activation, sentence",
    [
        (lambda x: np.maximum(x, 0), "centred"),
        (lambda x: 0 * x, "constant"),
        (lambda x: 1 / x, "activation"),
        (lambda x: 1.0, "array"),
        ("tanhh", "did you mean 'tanh'"),
    ],
)
def test_bad_activations_are_refused(activation, sentence):
    with np.errstate(divide="ignore", invalid="ignore"), pytest.raises(InputError, match=sentence):
        gaussian_constants(activation, 0.1)


def test_any_activation_is_centred_on_request():
    """ReLU: mean Gamma / sqrt(2 pi), mu1 = Gamma / 2, variance Gamma^2 (1/2 - 1/(2 pi))."""
    c = gaussian_constants(lambda x: np.maximum(x, 0), 0.1, 4.0, center=True)
    assert c.mean == pytest.approx(c.gamma / np.sqrt(2 * np.pi), rel=1e-4)
    assert c.mu1 == pytest.approx(c.gamma / 2, rel=1e-4)
    assert c.norm2 == pytest.approx(c.gamma**2 * (0.5 - 0.5 / np.pi), rel=1e-4)
    assert c.v2 + c.s2 == pytest.approx(c.norm2 - c.mu1**2, rel=1e-4)
    asked, plain = (gaussian_constants("tanh", 0.1, center=c).s2 for c in (True, False))
    assert asked == pytest.approx(plain, rel=1e-12)


def test_a_shift_changes_nothing_once_centred():
    plain = RandomFeatures(2, 4, 0.1).learning_curves([1.0, 100.0])
    shifted = RandomFeatures(2, 4, 0.1, lambda x: np.tanh(x) + 3, center=True).learning_curves([1.0, 100.0])
    np.testing.assert_allclose(shifted.test, plain.test, rtol=1e-10)
