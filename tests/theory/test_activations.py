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
        (lambda x: 1j * np.tanh(x), "real numbers"),
        (lambda x: 1 if x > 0 else -1, "raised ValueError"),
        (lambda x: np.exp(x * x / 3), "square-integrable"),
        (lambda x: np.random.default_rng(0).random(x.shape), "kinks and jumps"),
        ("relu", "center=True"),
        ("tanhh", "did you mean 'tanh'"),
    ],
)
def test_bad_activations_are_refused(activation, sentence):
    with np.errstate(divide="ignore", invalid="ignore"), pytest.raises(InputError, match=sentence):
        gaussian_constants(activation, 0.1)


def test_any_activation_is_centred_on_request():
    """ReLU: mean Gamma / sqrt(2 pi), mu1 = Gamma / 2, variance Gamma^2 (1/2 - 1/(2 pi))."""
    c = gaussian_constants(lambda x: np.maximum(x, 0), 0.1, 4.0, center=True)
    assert c.mean == pytest.approx(c.gamma / np.sqrt(2 * np.pi), rel=CONSTANTS)
    assert c.mu1 == pytest.approx(c.gamma / 2, rel=CONSTANTS)
    assert c.norm2 == pytest.approx(c.gamma**2 * (0.5 - 0.5 / np.pi), rel=CONSTANTS)
    assert c.v2 + c.s2 == pytest.approx(c.norm2 - c.mu1**2, rel=CONSTANTS)
    asked, plain = (gaussian_constants("tanh", 0.1, center=c).s2 for c in (True, False))
    assert asked == pytest.approx(plain, rel=1e-12)


def test_a_shift_changes_nothing_once_centred():
    plain = RandomFeatures(2, 4, 0.1).learning_curves([1.0, 100.0])
    shifted = RandomFeatures(2, 4, 0.1, lambda x: np.tanh(x) + 3, center=True).learning_curves([1.0, 100.0])
    np.testing.assert_allclose(shifted.test, plain.test, rtol=1e-10)


def correlation(t: float, variance: float) -> mpmath.mpf:
    """rho of two copies' pre-activations, in thirty digits."""
    signal = mpmath.exp(-2 * mpmath.mpf(t)) * variance
    return signal / (signal - mpmath.expm1(-2 * mpmath.mpf(t)))


def relu_covariance(rho):
    """Cho and Saul (2009): the arc-cosine kernel of first order, less the means."""
    return (mpmath.sqrt(1 - rho**2) + rho * (mpmath.pi - mpmath.acos(rho)) - 1) / (2 * mpmath.pi)


# Named activation: E[sigma(z) sigma(z')] as a function of the correlation, and mu1^2, at Gamma = 1.
KERNELS = {
    "relu": (relu_covariance, lambda: mpmath.mpf(1) / 4),
    "sign": (lambda rho: 2 / mpmath.pi * mpmath.asin(rho), lambda: 2 / mpmath.pi),
    "erf": (lambda rho: 2 / mpmath.pi * mpmath.asin(2 * rho / 3), lambda: 4 / (3 * mpmath.pi)),
    "cos": (lambda rho: mpmath.exp(-1) * (mpmath.cosh(rho) - 1), lambda: mpmath.mpf(0)),
    "linear": (lambda rho: rho, lambda: mpmath.mpf(1)),
}


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("t", [1e-4, 0.1, 0.7, 3.0, 10.0])
def test_kernels_in_closed_form(name, t):
    with mpmath.workdps(50):
        kernel, linear = KERNELS[name]
        linear = linear()
        rho = correlation(t, 1.0)
        v2 = kernel(rho) - linear * rho
        s2 = kernel(mpmath.mpf(1)) - linear - v2
        c = gaussian_constants(name, t, center=True)
        assert c.mu1 == pytest.approx(float(mpmath.sqrt(linear)), rel=CONSTANTS)
        assert c.v2 == pytest.approx(float(v2), rel=CONSTANTS, abs=0)
        assert c.s2 == pytest.approx(float(s2), rel=CONSTANTS, abs=0)


def test_published_values_of_kinks_at_large_t():
    """Relu, sigma_x = 1, t = 3, of an independent computation."""
    c = gaussian_constants("relu", 3.0, center=True)
    assert c.v2 == pytest.approx(4.8894e-7, rel=1e-4) and c.s2 == pytest.approx(0.09084457, abs=1e-8)


@pytest.mark.parametrize("t", [0.1, 3.0])
def test_hard_tanh_against_mpmath(t):
    """Kinks at points that the quadrature is not told: the inner average in error functions, the outer by mpmath."""
    with mpmath.workdps(20):
        delta, scale = -mpmath.expm1(-2 * mpmath.mpf(t)), mpmath.exp(-mpmath.mpf(t))
        cdf, pdf = mpmath.ncdf, mpmath.npdf

        def inner(u):
            low, high = ((edge - scale * u) / mpmath.sqrt(delta) for edge in (-1, 1))
            middle = scale * u * (cdf(high) - cdf(low)) + mpmath.sqrt(delta) * (pdf(low) - pdf(high))
            return middle - cdf(low) + cdf(-high)

        mu1 = 2 * cdf(1) - 1
        v2 = mpmath.quad(lambda u: (inner(u) - mu1 * scale * u) ** 2 * pdf(u), range(-12, 13, 2))
    c = gaussian_constants("hard-tanh", t)
    assert c.mu1 == pytest.approx(float(mu1), rel=CONSTANTS)
    assert c.v2 == pytest.approx(float(v2), rel=CONSTANTS, abs=1e-30)


def test_tanh_on_pixels():
    """Variance 5000: tanh is nearly a sign. The averages over one Gaussian by mpmath, the sum rule for v^2 + s^2."""
    c = gaussian_constants("tanh", 0.1, 5000.0)
    with mpmath.workdps(20):
        points = [0, 0.01, 0.03, 0.1, 0.3, 1, 3, 6, 12]
        mu1, norm2 = (
            2 * mpmath.quad(lambda z, k=k: z**k * mpmath.tanh(c.gamma * z) ** (2 - k) * mpmath.npdf(z), points)
            for k in (1, 0)
        )
    assert c.mu1 == pytest.approx(float(mu1), rel=CONSTANTS) and c.norm2 == pytest.approx(float(norm2), rel=CONSTANTS)
    assert c.v2 + c.s2 == pytest.approx(c.norm2 - c.mu1**2, rel=1e-9)
    assert 0 < c.s2 < gaussian_constants("sign", 0.1, 5000.0).s2


def test_linear_features_are_least_squares():
    """mu1 alone is left. At tau = infinity: E_score of ridgeless regression on the noised data, by its own equation."""
    curves = RandomFeatures(4, 8, 0.1, "linear").learning_curves([10.0, 1e3, np.inf])
    np.testing.assert_allclose(curves.test[:2], [0.843798, 0.872064], atol=2e-6)
    # M / Delta = 1 + kappa with kappa = signal / (Delta (1 + delta)), delta = kappa / (1 + kappa) / psi_n (1 + delta).
    signal, delta = np.exp(-0.2), -np.expm1(-0.2)
    rng = np.random.default_rng(0)
    d, losses = 400, []
    for _ in range(4):
        x = rng.standard_normal((4 * d, d))
        sample = signal * x.T @ x / len(x) + delta * np.eye(d)
        inverse = np.linalg.inv(sample)
        losses.append(1 + delta / d * (-2 * np.trace(inverse) + np.trace(inverse @ inverse)))
    assert curves.test[2] == pytest.approx(np.mean(losses), rel=1e-3)
    wide, narrow = (RandomFeatures(4, p, 0.1, "linear").learning_curves(np.inf).test for p in (1.0, 100.0))
    assert wide == pytest.approx(narrow, rel=1e-12)


@pytest.mark.parametrize("copies, threshold", [(1, 1.0), (2, 0.5)])
def test_linear_features_diverge_where_samples_span_the_space(copies, threshold):
    below, at, above = (
        RandomFeatures(n, 3, 0.1, "linear", copies=copies).learning_curves(np.inf).test
        for n in (threshold * 0.999, threshold, threshold * 1.001)
    )
    assert np.isinf(at) and 50 < below < 1e5 and 50 < above < 1e5


@pytest.mark.parametrize("activation", [lambda x: x**3 - 3 * x, "cos"])
def test_an_activation_without_linear_part_learns_nothing(activation):
    """At Gamma = 1 x^3 - 3x is a Hermite polynomial; copies that are drawn are memorized nonetheless."""
    tau = [1.0, 1e3, np.inf]
    exact = RandomFeatures(4, 8, 0.1, activation, center=True)
    curves = exact.learning_curves(tau)
    assert np.all(curves.test == 1) and np.all(curves.train == 1) and exact.timescales().gen == np.inf
    drawn = RandomFeatures(4, 8, 0.1, activation, center=True, copies=1).learning_curves(tau)
    assert drawn.train[2] < 1e-12 and drawn.test[2] == pytest.approx(2, rel=1e-10)


def test_the_error_of_the_curves_holds_that_of_the_constants():
    """An activation in single precision: the constants carry 1e-8, and the losses say so."""
    single = RandomFeatures(4, 8, 0.1, lambda x: np.tanh(x.astype(np.float32)))
    double = RandomFeatures(4, 8, 0.1, "tanh")
    assert max(single.constants.errors) > 1e-12 > max(double.constants.errors)
    a, b = (model.learning_curves([1.0, 10.0, 100.0]) for model in (single, double))
    assert np.abs(a.test - b.test).max() < a.error < 1e-6 and b.error < 1e-11
    kinked = RandomFeatures(4, 8, 0.1, "hard-tanh")
    assert max(kinked.constants.errors) < 1e-13 and kinked.learning_curves([10.0]).error < 1e-11


def test_noise_without_signal():
    """t = 400: e^{-2t} is zero, and what is left is the score of white noise."""
    curves = RandomFeatures(4, 64, 400.0, "sin").learning_curves([np.inf])
    assert 0 < curves.test[0] < 0.05 and curves.test[0] == pytest.approx(curves.train[0], rel=1e-9)
