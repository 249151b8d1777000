"""Groups of duplicates against all pairs, and f_mem where every picture is stored many times."""

import logging

import numpy as np
import pytest
import torch

from genmem.empirics.config import TrainConfig
from genmem.empirics.data import datasets, duplicates
from genmem.empirics.processes.neighbours import nearest_two
from genmem.empirics.samples.metrics import memorized_fraction
from genmem.empirics.training.milestones import duplicate_groups
from genmem.shared.errors import InputError

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


def by_all_pairs(images):
    """Groups of near duplicates from every distance, joined one pair after the other."""
    flat = images.reshape(len(images), -1).astype(float)
    rms = np.sqrt(((flat[:, None] - flat[None]) ** 2).mean(2))
    spread = np.sqrt(((flat - flat.mean(0)) ** 2).mean())
    contrast = np.sqrt(images.astype(float).var(axis=(2, 3)).mean(1))
    bound = np.minimum(0.05 * spread, 0.25 * np.minimum.outer(contrast, contrast))
    group = np.arange(len(images))
    for a, b in np.argwhere(rms <= np.where(rms == 0, 0, bound)):
        group[group == max(group[a], group[b])] = min(group[a], group[b])
    return group


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 10)])
def test_groups_are_those_of_all_pairs(shape):
    base = RANDOM.uniform(-1, 1, (60, *shape)).astype(np.float32)
    picked = base[RANDOM.integers(60, size=120)]
    # Around the threshold, a twentieth of the spread 0.577.
    noise = RANDOM.choice([0, 0.005, 0.015, 0.02, 0.025, 0.04], (120, 1, 1, 1)) * RANDOM.standard_normal(picked.shape)
    images = np.concatenate([base, picked + noise]).astype(np.float32)
    expected = by_all_pairs(images)
    assert 60 < len(np.unique(expected)) < 160
    assert duplicates.groups_of(images).tolist() == expected.tolist()


def test_real_images_without_duplicates_have_no_groups(digits):
    for data in (digits, datasets.load("patches")):
        assert duplicates.groups_of(data.pool) is None
        assert not np.any(duplicates.in_pool(data.pool, data.held_out))
    # Shifted by a pixel, a digit is another picture.
    assert duplicates.groups_of(np.concatenate([digits.pool[:50], np.roll(digits.pool[:50], 1, axis=3)])) is None


def test_vectors_are_duplicates_only_if_they_are_equal():
    vectors = RANDOM.standard_normal((50, 8, 1, 1)).astype(np.float32)
    assert duplicates.groups_of(np.concatenate([vectors, vectors + 1e-6])) is None
    assert duplicates.groups_of(np.concatenate([vectors, vectors[3:4]])).tolist() == [*range(50), 3]


def test_ten_digits_stored_ten_times_are_copied(digits):
    """Once f_mem was 0 here, as the second neighbour was the same picture."""
    ten = digits.pool[:10]
    stored = np.repeat(ten, 10, axis=0)
    noise = 0.05 * RANDOM.standard_normal((100, 1, 8, 8))
    samples = np.concatenate([ten[RANDOM.integers(10, size=44)] + noise[:44], RANDOM.uniform(-1, 1, (56, 1, 8, 8))])
    samples, training = torch.from_numpy(samples.astype(np.float32)), torch.from_numpy(stored)
    d1, d2, _ = (x.numpy() for x in nearest_two(samples, training))
    assert memorized_fraction(d1, d2)[0] == 0
    d1, d2, index = (x.numpy() for x in nearest_two(samples, training, duplicate_groups(training)))
    assert memorized_fraction(d1, d2)[0] == 0.44
    alone = [x.numpy() for x in nearest_two(samples, torch.from_numpy(ten))]
    np.testing.assert_array_equal(d1, alone[0])
    np.testing.assert_array_equal(d2, alone[1])
    np.testing.assert_array_equal(index // 10, alone[2])


def test_without_duplicates_every_bit_stays(digits):
    images = torch.from_numpy(digits.pool[:100])
    samples = torch.from_numpy(digits.held_out[:64])
    assert duplicate_groups(images) is None
    plain, alone = nearest_two(samples, images), nearest_two(samples, images, torch.arange(100))
    assert all(torch.equal(a, b) for a, b in zip(plain, alone, strict=True))


def test_one_picture_stored_many_times_is_refused(digits):
    with pytest.raises(InputError, match="at least two different training images, but all 8 are duplicates"):
        duplicate_groups(torch.from_numpy(np.repeat(digits.pool[:1], 8, axis=0)))


@pytest.fixture
def doubled(tmp_path, digits):
    """An array with each of 100 digits twice, of which the second time a little brighter."""
    images = digits.pool[:100]
    np.save(tmp_path / "x.npy", np.concatenate([images, np.clip(images + 0.004, -1, 1)]))
    return f"npy:{tmp_path / 'x.npy'}"


def test_duplicates_are_told_once_and_dropped_on_demand(doubled, caplog):
    data = datasets.load(doubled)
    assert len(data.pool) == 160 and len(data.held_out) == 40
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            duplicates.warn(doubled, data.pool, data.held_out)
    [record] = caplog.records
    repeated, seen = duplicates.in_pool(data.pool, data.held_out)
    assert (
        f"of 160 images to train on, {repeated.sum()} repeat another and {seen.sum()} are held out too"
        in record.message
    )
    kept = datasets.of_config(TrainConfig(data=doubled, deduplicate=True))
    assert len(kept.pool) == len(kept.pool_labels) == (~repeated & ~seen).sum() < 100
    assert np.array_equal(kept.held_out, data.held_out) and not np.any(duplicates.in_pool(kept.pool, kept.held_out))
