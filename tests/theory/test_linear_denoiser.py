"""The linear denoiser in closed form: against finite sample covariances, the random-features theory, and limits."""

import numpy as np
import pytest

from genmem.shared.errors import InputError
from genmem.theory import LinearDenoiser, RandomFeatures, Spectrum
from genmem.theory.linear_denoiser import log_variance
from genmem.theory.probability_flow import signal_and_noise
from genmem.theory.sample_covariance import contour
from tests.tolerances import CHECK_VALUES, CLOSED_FORM, EXPONENT, FINITE_TRACES, LIMIT, SAME_NUMBER

GEOMETRIC = Spectrum(np.geomspace(2, 0.1, 300))
TWO_ATOMS = Spectrum([0.5, 1.5], [0.5, 0.5])
TAU = np.array([3.0, 30.0, 300.0, 3e4])


def test_the_check_values():
    """Computed apart from this code, printed with five digits."""
    made = LinearDenoiser(3.0, GEOMETRIC).generated(TAU)
    assert made.kl == pytest.approx([0.32204, 0.07110, 0.08029, 0.08217], abs=CHECK_VALUES)
    assert made.agreement == pytest.approx([0.98178, 0.94907, 0.93886, 0.93824], abs=CHECK_VALUES)


@pytest.mark.parametrize("psi_n", [0.5, 1.0, 3.0])
def test_what_a_finite_sample_covariance_generates(psi_n):
    """Dense matrices at d = 300, below, at and above one: every field by its definition, and Frechet by its own."""
    d, lam = 300, GEOMETRIC.eigenvalues
    n, rng = int(psi_n * d), np.random.default_rng(0)
    points = rng.standard_normal((2, n, d)) * np.sqrt(lam)
    logs, roots = [], []
    for x in points:
        mu, vectors = np.linalg.eigh(x.T @ x / n)
        logs.append(log_variance(np.maximum(mu, 0), TAU, 0.01, 5.0))
        roots.append(np.einsum("ij,kj,lj->kil", vectors, np.exp(logs[-1] / 2), vectors))
    made = LinearDenoiser(psi_n, GEOMETRIC).generated(TAU)
    for k in range(TAU.size):
        covariance = roots[0][k] @ roots[0][k]
        trace, overlap = np.trace(covariance), np.trace(roots[0][k] @ roots[1][k])
        kl = (np.trace(covariance / lam) - d - logs[0][k].sum() + np.log(lam).sum()) / (2 * d)
        assert made.kl[k] == pytest.approx(kl, rel=FINITE_TRACES)
        assert made.agreement[k] == pytest.approx(overlap / trace, rel=FINITE_TRACES)
        scale = np.sqrt(lam)
        paired = (trace + lam.sum() - 2 * np.trace(roots[0][k] * scale)) / d
        fidelity = np.sqrt(np.maximum(np.linalg.eigvalsh(covariance * np.outer(scale, scale)), 0)).sum()
        frechet = (trace + lam.sum() - 2 * fidelity) / d
        assert made.frechet[k] == pytest.approx(paired, rel=2 * FINITE_TRACES)
        assert 0.9 * made.frechet[k] < frechet < made.frechet[k] * (1 + FINITE_TRACES)


@pytest.mark.parametrize("psi_n", [0.05, 0.9, 1.0, 40.0, np.inf])
@pytest.mark.parametrize("gap", [1e-4, 1.0])
def test_moments_of_the_sample_covariance(psi_n, gap):
    """1, S and S^2 have the diagonals 1, lambda and lambda^2 + lambda Tr Sigma / n, with a direction of no variance."""
    spectrum = Spectrum([0.0, 1e-3, 1.0, 5.0], [0.1, 0.2, 0.3, 0.4])
    rule, lam = contour(spectrum, psi_n, gap), spectrum.eigenvalues
    square = lam**2 + lam * spectrum.mean / psi_n
    assert rule.diagonal(np.ones(rule.z.size)) == pytest.approx(np.ones(4), abs=CLOSED_FORM)
    assert rule.diagonal(rule.z) == pytest.approx(lam, abs=CLOSED_FORM * (1 + 1 / psi_n))
    assert rule.diagonal(rule.z**2) == pytest.approx(square, abs=CLOSED_FORM * square.max())


@pytest.mark.parametrize("psi_n", [0.5, 3.0])
def test_losses_are_those_of_infinitely_many_linear_features(psi_n):
    """Another theory's curves, to which the distance falls as 1 / psi_p; its time is that of a = 1."""
    curves = LinearDenoiser(psi_n, TWO_ATOMS).learning_curves(TAU, 0.1)
    gaps = []
    for psi_p in (1e3, 1e4):
        features = RandomFeatures(psi_n, psi_p, 0.1, "linear", TWO_ATOMS).learning_curves(TAU)
        gaps.append(
            [np.abs(getattr(features, name) - getattr(curves, name)).max() for name in ("train", "test", "score")]
        )
    assert np.log10(np.divide(*gaps)) == pytest.approx(np.ones(3), abs=EXPONENT)


def test_infinitely_many_points_give_the_data_noised_to_t0():
    made = LinearDenoiser(np.inf, TWO_ATOMS).generated(np.inf, t0=0.02, T=12.0)
    signal, delta = signal_and_noise(0.02)
    assert made.variance == pytest.approx(signal * TWO_ATOMS.eigenvalues + delta, rel=SAME_NUMBER)
    assert made.kl_noised == pytest.approx(0, abs=SAME_NUMBER) and made.agreement == pytest.approx(1, abs=SAME_NUMBER)


def test_an_untrained_network_only_blows_up_the_noise():
    made = LinearDenoiser(2.0, TWO_ATOMS).generated(0.0, t0=0.1, T=3.0)
    assert made.variance == pytest.approx(np.exp(2 * 2.9) * np.ones(2), rel=SAME_NUMBER)
    assert made.agreement == pytest.approx(1, rel=SAME_NUMBER)


def test_shapes_and_late_times():
    denoiser = LinearDenoiser(3.0, TWO_ATOMS)
    assert denoiser.generated(np.ones((2, 3))).variance.shape == (2, 3, 2)
    assert denoiser.generated(1.0).kl.shape == () and denoiser.learning_curves(np.ones((2, 1))).test.shape == (2, 1)
    late, never = denoiser.generated(1e12), denoiser.generated(np.inf)
    assert late.kl == pytest.approx(float(never.kl), rel=LIMIT)
    curves = denoiser.learning_curves([0.0, np.inf])
    assert curves.train[0] == curves.test[0] == 1 and curves.train[1] < curves.test[1]


def test_a_direction_without_variance_has_no_finite_divergence_until_it_is_noised():
    made = LinearDenoiser(3.0, Spectrum([0.0, 1.0])).generated(TAU)
    assert np.all(np.isinf(made.kl)) and np.all(np.isfinite(made.kl_noised))


def test_the_samples_have_a_best_time_of_their_own():
    """Minimum and rise lie where a dense curve has them; the averaged loss's minimum is another time, and costs KL."""
    for psi_n in (0.5, 16.0):
        denoiser = LinearDenoiser(psi_n)
        found = denoiser.stopping()
        tau = np.geomspace(found.kl / 3, 3 * found.rise, 601)
        curve = denoiser.generated(tau).kl_noised
        assert found.kl == pytest.approx(tau[curve.argmin()], rel=1e-2)
        assert found.kl_min == pytest.approx(curve.min(), rel=1e-4)
        after = tau > found.kl
        assert found.rise == pytest.approx(tau[after][curve[after] >= 1.1 * curve.min()][0], rel=1e-2)
        at_loss = float(denoiser.generated(found.loss).kl_noised)
        assert found.excess == pytest.approx(at_loss / found.kl_min - 1, rel=1e-6) and found.excess > 0.1
        assert (found.loss < found.kl) == (psi_n < 1)


def test_with_many_points_overfitting_of_the_samples_never_costs_ten_percent():
    found = LinearDenoiser(64.0).stopping()
    assert np.isfinite(found.kl) and np.isinf(found.rise)


def test_the_mean_network_generates_what_its_modes_say():
    """Wide linear features: c_k is minus the diagonal of m_t(S), and the variance is its integral by another rule."""
    denoiser = LinearDenoiser(3.0, TWO_ATOMS)
    tau, t0, T = np.array([2.0, 50.0]), 0.05, 4.0
    made = RandomFeatures(3.0, 1e6, 1.0, "linear", TWO_ATOMS).generated(tau, t0, T)
    t = np.geomspace(t0, T, 121)
    slope = []
    for at in t:
        signal, delta = signal_and_noise(at)
        rule = contour(TWO_ATOMS, 3.0, float(np.expm1(2 * at)))
        c = signal * rule.z + delta
        slope.append(1 - rule.diagonal(-np.expm1(-2 * delta * np.multiply.outer(tau, c)) / c))
    slope = np.array(slope)
    integral = np.einsum("ikl,i->kl", (slope[1:] + slope[:-1]) / 2, np.diff(t))
    assert made.variance == pytest.approx(np.exp(2 * integral), rel=1e-3)
    assert np.all(made.variance < denoiser.generated(tau, t0, T).variance)  # the mean of an exponential is larger


def test_mean_networks_learn_the_data_and_then_shrink_it():
    model = RandomFeatures(4, 64, 0.1, spectrum=TWO_ATOMS)
    made = model.generated([3.0, 30.0, np.inf])
    assert made.kl[1] < 0.002 < 0.1 < min(made.kl[0], made.kl[2]) and np.all(
        made.variance[2] < 0.5 * TWO_ATOMS.eigenvalues
    )
    assert made.kl_noised.shape == (3,) and made.variance.shape == (3, 2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: LinearDenoiser(0.0), "psi_n must be positive"),
        (lambda: LinearDenoiser(2.0, [1.0]), "spectrum must be a genmem.Spectrum"),
        (lambda: LinearDenoiser().generated(-1.0), "tau must be zero or positive"),
        (lambda: LinearDenoiser().generated(1.0, t0=0.0), "t0 must be positive"),
        (lambda: LinearDenoiser().generated(1.0, t0=2.0, T=1.0), "T must be later than t0 = 2"),
        (lambda: LinearDenoiser().learning_curves(1.0, t=0.0), "t must be positive"),
        (lambda: LinearDenoiser().stopping(rise=0.0), "rise must be positive"),
        (lambda: RandomFeatures().generated(1.0, t0=2.0, T=1.0), "T must be later than t0 = 2"),
    ],
)
def test_mistakes_are_one_sentence(call, words):
    with pytest.raises(InputError, match=words):
        call()
