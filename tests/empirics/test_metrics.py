import numpy as np
import pytest
import torch

from genmem.empirics.data import datasets
from genmem.empirics.processes.neighbours import nearest_two
from genmem.empirics.samples.metrics import (
    Reference,
    cosine_similarity,
    fraction_interval,
    frechet_distance,
    kernel_distance,
    memorized_fraction,
    nearest_similarity,
    sliced_wasserstein,
    with_error,
)
from genmem.shared.errors import InputError
from tests import tolerances


def brute_force(samples, images):
    distances = np.sqrt(((samples[:, None].astype(float) - images[None].astype(float)) ** 2).sum(axis=(2, 3, 4)))
    order = np.argsort(distances, axis=1, kind="stable")
    rows = np.arange(len(samples))
    return distances[rows, order[:, 0]], distances[rows, order[:, 1]], order[:, 0]


@pytest.mark.parametrize("n", [2, 3, 200])
def test_two_nearest_images_against_brute_force(n):
    random = np.random.default_rng(0)
    samples, images = (random.normal(size=(size, 3, 5, 5)).astype(np.float32) for size in (1500, n))
    found = nearest_two(torch.from_numpy(samples), torch.from_numpy(images))
    for mine, slow in zip(found, brute_force(samples, images), strict=True):
        np.testing.assert_allclose(mine.numpy(), slow, rtol=tolerances.DISTANCES)


def test_distances_of_near_copies_keep_their_digits():
    # |x|^2 + |y|^2 - 2xy in float32 is off by about 1e-3 here, and torch.cdist with it.
    images = torch.full((4, 3, 32, 32), 0.9) + torch.arange(4).view(4, 1, 1, 1) * 1e-2
    samples = images.clone()
    samples[:, 0, 0, 0] += 1e-4
    d1, _, index = nearest_two(samples, images)
    assert index.tolist() == [0, 1, 2, 3]
    exact = (samples - images).flatten(1).double().norm(dim=1).numpy()
    np.testing.assert_allclose(d1.numpy(), exact, rtol=tolerances.DISTANCES)
    assert nearest_two(images, images)[0].tolist() == [0, 0, 0, 0]


def test_copies_are_memorized_and_held_out_images_are_not():
    digits = datasets.load("digits")
    images = torch.from_numpy(digits.subset(256, seed=0)[0])
    copies = images[:100] + 0.01 * torch.randn(100, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert memorized_fraction(*(d.numpy() for d in nearest_two(copies, images)[:2]))[0] == 1
    d1, d2, _ = (x.numpy() for x in nearest_two(torch.from_numpy(digits.held_out), images))
    fraction, _, high = memorized_fraction(d1, d2)
    assert fraction <= high < 0.01


def test_interval_is_that_of_resampling_the_samples():
    random = np.random.default_rng(1)
    d1, d2 = random.uniform(0, 1, 200), np.ones(200)
    fraction, low, high = memorized_fraction(d1, d2)
    memorized = d1 < 1 / 3
    assert fraction == memorized.mean()
    draws = [random.choice(memorized, 200).mean() for _ in range(20_000)]
    assert np.quantile(draws, [0.025, 0.975]) == pytest.approx([low, high], abs=tolerances.BOOTSTRAP)
    wider = memorized_fraction(d1, d2, threshold=1 / 2)[0]
    assert wider == (d1 < 0.5).mean() > fraction


def test_two_exact_copies_of_one_image_count_as_memorized():
    assert memorized_fraction(np.zeros(5), np.zeros(5))[0] == 1


def gaussians(count, dimension=5, shift=0.0, scale=1.0, seed=0):
    return (shift + scale * np.random.default_rng(seed).normal(size=(count, dimension))).astype(np.float32)


@pytest.mark.parametrize(("first", "second"), [(7, 7), (12, 8), (3, 20)])
def test_sliced_wasserstein_against_optimal_transport_of_the_projections(first, second):
    from scipy.optimize import linear_sum_assignment

    a, b = gaussians(first), gaussians(second, shift=0.5, seed=1)
    directions = np.random.default_rng(0).standard_normal((4, 5))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    squares = []
    for direction in directions:
        # Each point split into equal parts, then an assignment of parts.
        x, y = np.repeat(a @ direction, second), np.repeat(b @ direction, first)
        cost = (x[:, None] - y) ** 2
        squares.append(cost[linear_sum_assignment(cost)].mean())
    assert sliced_wasserstein(a, b, projections=4) == pytest.approx(np.sqrt(np.mean(squares)), rel=tolerances.FLOAT32)


def test_distances_between_gaussians_of_known_moments():
    a, b = gaussians(20_000), gaussians(20_000, shift=2.0, scale=1.5, seed=1)
    # In d dimensions the squared distance is |shift|^2 + d (1.5 - 1)^2; sliced, its d-th part.
    assert frechet_distance(a, b) == pytest.approx(5 * (4 + 0.25), rel=0.03)
    assert sliced_wasserstein(a, b) == pytest.approx(np.sqrt(4 + 0.25), rel=0.05)
    assert sliced_wasserstein(a, a) == 0 and frechet_distance(a, a) < 1e-6


@pytest.mark.parametrize("count", [4, 300])
def test_frechet_distance_against_matrix_square_roots(count):
    from scipy.linalg import sqrtm

    a, b = gaussians(count), gaussians(50, shift=0.3, seed=1) @ np.diag([1, 2, 0.5, 1, 1]).astype(np.float32)
    ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * sqrtm(ca @ cb).real)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-4)


def test_frechet_distance_is_that_of_torchmetrics():
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Features(torch.nn.Module):
        num_features = 5

        def forward(self, x):
            return x

    a, b = gaussians(200), gaussians(60, shift=0.3, scale=1.2, seed=1)
    theirs = FrechetInceptionDistance(feature=Features())
    theirs.update(torch.from_numpy(a), real=True)
    theirs.update(torch.from_numpy(b), real=False)
    assert frechet_distance(a, b) == pytest.approx(theirs.compute().item(), rel=1e-4)


def test_the_kernel_distance_against_all_pairs_and_without_bias():
    a, b = gaussians(30, shift=0.5), gaussians(50, scale=2.0, seed=1)
    centre, scale = b.mean(0), np.sqrt(((b - b.mean(0)) ** 2).mean())
    x, y = ((each - centre) / scale for each in (a, b))

    def kernel(p, q):
        return (np.dot(p, q) / 5 + 1) ** 3

    def mean_of_pairs(z):
        return np.mean([kernel(p, q) for i, p in enumerate(z) for j, q in enumerate(z) if i != j])

    between = np.mean([kernel(p, q) for p in x for q in y])
    expected = mean_of_pairs(x) + mean_of_pairs(y) - 2 * between
    assert kernel_distance(a, b) == pytest.approx(expected, rel=1e-4)
    assert kernel_distance(10 * a + 3, 10 * b + 3) == pytest.approx(expected, rel=1e-3)
    # Of samples of one law its mean is zero, where the others have a floor that falls with their number.
    reference = Reference(gaussians(400, seed=2))
    values = [kernel_distance(gaussians(20, seed=seed), reference) for seed in range(3, 203)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(200) + 3e-3 and min(values) < 0
    few = np.mean([frechet_distance(gaussians(20, seed=seed), reference) for seed in range(3, 33)])
    assert few > 5 * frechet_distance(gaussians(2000, seed=3), reference)


def test_a_reference_changes_no_distance():
    a, b = gaussians(30, shift=0.5), gaussians(50, seed=1)
    for distance in (sliced_wasserstein, frechet_distance, kernel_distance):
        assert distance(a, Reference(b)) == distance(a, b)


@pytest.mark.parametrize("distance", [sliced_wasserstein, frechet_distance, kernel_distance])
def test_the_standard_error_is_the_spread_over_fresh_samples(distance):
    reference = gaussians(100, shift=0.5, seed=99)
    found = [with_error(distance, gaussians(200, seed=seed), reference) for seed in range(40)]
    spread = np.std([value for value, _ in found], ddof=1)
    # 40 draws know their own spread to about 11 %, and the jackknife is a little too large.
    assert 0.75 * spread < np.mean([error for _, error in found]) < 1.4 * spread


def test_the_nearest_similarity_against_a_loop_and_what_is_centred():
    a, b = gaussians(30, shift=3.0), gaussians(12, shift=3.0, seed=1)
    centre = np.full(5, 3.0, np.float32)
    found, index = nearest_similarity(a, b, centre)
    table = np.array([[np.dot(x - 3, y - 3) / np.linalg.norm(x - 3) / np.linalg.norm(y - 3) for y in b] for x in a])
    np.testing.assert_allclose(found, table.max(1), rtol=tolerances.FLOAT32)
    assert index.tolist() == table.argmax(1).tolist()
    # Uncentred, unrelated points all look alike.
    assert nearest_similarity(a, b, 0 * centre)[0].min() > 0.8 > found.min()
    np.testing.assert_allclose(cosine_similarity(a[:12], b, centre), table[np.arange(12), np.arange(12)], rtol=1e-4)
    assert cosine_similarity(centre, b[0], centre) == 0 and nearest_similarity(centre[None], b, centre)[0] == 0


@pytest.mark.parametrize("bad", [np.zeros((1, 4)), np.zeros((0, 4)), np.full((5, 4), np.nan), np.full((5, 4), np.inf)])
def test_too_few_samples_and_numbers_that_are_not_finite_have_no_frechet_distance(bad):
    good = np.random.default_rng(0).normal(size=(9, 4))
    for pair in ((bad, good), (good, bad)):
        with pytest.raises(InputError, match="Frechet distance must be between two images or more"):
            frechet_distance(*pair)
    with pytest.raises(InputError, match="samples must be at least 3"):
        with_error(frechet_distance, good[:2], good)
    assert with_error(frechet_distance, good[:3], good)[1] > 0


def test_the_interval_of_a_fraction_is_the_exact_one():
    from scipy.stats import binomtest

    assert fraction_interval(np.zeros(64, bool)) == (0.0, 0.0, pytest.approx(0.056, abs=5e-4))
    for successes, trials in ((1, 64), (13, 40), (40, 40)):
        expected = binomtest(successes, trials).proportion_ci(method="exact")
        found = fraction_interval(np.arange(trials) < successes)
        assert found == pytest.approx((successes / trials, expected.low, expected.high), abs=1e-12)
