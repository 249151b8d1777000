import numpy as np
import pytest
import torch

from empirics import datasets
from empirics.metrics import memorized_fraction, nearest_two
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
    np.testing.assert_allclose(d1.numpy(), (samples - images).flatten(1).double().norm(dim=1).numpy(), rtol=tolerances.DISTANCES)
    assert nearest_two(images, images)[0].tolist() == [0, 0, 0, 0]


def test_copies_are_memorized_and_held_out_images_are_not():
    digits = datasets.load("digits")
    images = torch.from_numpy(digits.subset(256, seed=0)[0])
    copies = images[:100] + 0.01 * torch.randn(100, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert memorized_fraction(*(d.numpy() for d in nearest_two(copies, images)[:2]))[0] == 1
    fraction, _, high = memorized_fraction(*(d.numpy() for d in nearest_two(torch.from_numpy(digits.held_out), images)[:2]))
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
    assert memorized_fraction(np.zeros(5), np.zeros(5)) == (1, 1, 1)
