import numpy as np
import pytest

from genmem.empirics.data import datasets
from genmem.empirics.data.synthetic import MIXTURE
from genmem.shared.errors import InputError
from tests import tolerances


@pytest.mark.parametrize("t", [0.0, 0.1, 1.0])
def test_the_score_is_the_gradient_of_the_log_density(t):
    x = np.random.default_rng(0).normal(size=(5, 8))
    h = 1e-5
    numeric = [(MIXTURE.log_density(x + h * e, t) - MIXTURE.log_density(x - h * e, t)) / (2 * h) for e in np.eye(8)]
    np.testing.assert_allclose(MIXTURE.score(x, t), np.transpose(numeric), atol=1e-8)


def test_the_density_is_that_of_two_gaussians_and_of_the_noised_samples():
    from scipy.stats import multivariate_normal

    x = np.random.default_rng(1).normal(size=(5, 8))
    two = [multivariate_normal(sign * np.ones(8), np.eye(8)).pdf(x) for sign in (1, -1)]
    np.testing.assert_allclose(MIXTURE.log_density(x), np.log(np.mean(two, axis=0)), rtol=1e-12)
    # At later times: Stein's identity E[score(x_t) x_t^T] = -1 over the noised samples.
    data = datasets.load("gmm").pool[:, :, 0, 0].astype(float)
    t = 0.3
    noised = np.exp(-t) * data + np.sqrt(1 - np.exp(-2 * t)) * np.random.default_rng(2).normal(size=data.shape)
    stein = MIXTURE.score(noised, t).T @ noised / len(noised)
    assert abs(stein + np.eye(8)).max() < tolerances.SAMPLED


def test_mixture_data_have_both_components_and_no_bound():
    data = datasets.load("gmm")
    assert data.pool.shape[1:] == (8, 1, 1) and data.bound is None
    assert abs(data.pool_labels.mean() - 0.5) < tolerances.SAMPLED
    for label, center in ((0, 1.0), (1, -1.0)):
        part = data.pool[data.pool_labels == label][:, :, 0, 0]
        assert abs(part.mean(axis=0) - center).max() < tolerances.SAMPLED
        assert abs(part.var(axis=0) - 1).max() < 2 * tolerances.SAMPLED
    assert not {row.tobytes() for row in data.pool} & {row.tobytes() for row in data.held_out}


def test_gaussian_data_have_the_covariance_given(tmp_path):
    factor = np.random.default_rng(0).normal(size=(5, 5))
    covariance = factor @ factor.T
    np.save(tmp_path / "c.npy", covariance)
    data = datasets.load(f"gaussian:{tmp_path / 'c.npy'}")
    vectors = np.concatenate([data.pool, data.held_out])[:, :, 0, 0]
    scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    assert abs(np.cov(vectors.T) - covariance).max() < 2 * tolerances.SAMPLED * scale.max()
    assert data.bound is None


def test_gaussian_data_with_the_moments_of_the_digits():
    digits, data = datasets.load("digits").pool.reshape(1285, 64), datasets.load("gaussian:digits")
    assert data.pool.shape == (8192, 1, 8, 8)
    vectors = data.pool.reshape(-1, 64)
    assert abs(vectors.mean(axis=0) - digits.mean(axis=0)).max() < tolerances.SAMPLED
    assert abs(np.cov(vectors.T) - np.cov(digits.T)).max() < tolerances.SAMPLED
    # They are not the digits: many of their pixels leave the range.
    assert (abs(vectors) > 1).mean() > 0.1


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.ones((3, 2)), "shape"),
        (np.array([[1.0, 2], [0, 1]]), "not symmetric"),
        (np.diag([1.0, -1]), "eigenvalue -1"),
        (np.diag([np.inf, 1]), "finite"),
        (np.zeros((2, 2)), "eigenvalue 0"),
    ],
)
def test_a_matrix_that_is_no_covariance_is_refused(tmp_path, matrix, words):
    np.save(tmp_path / "c.npy", matrix)
    with pytest.raises(InputError, match=words):
        datasets.load(f"gaussian:{tmp_path / 'c.npy'}")
