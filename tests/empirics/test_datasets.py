import numpy as np
import pytest

from genmem.empirics.data import datasets
from genmem.shared.errors import InputError


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


def rows(images):
    return {image.tobytes() for image in images}


def test_digits_are_all_there_as_small_images_in_range(digits):
    assert digits.pool.shape == (1285, 1, 8, 8) and digits.held_out.shape == (512, 1, 8, 8)
    assert digits.pool.dtype == np.float32
    assert digits.pool.min() == -1 and digits.pool.max() == 1
    assert len(digits.pool_labels) == 1285 and len(digits.held_out_labels) == 512
    assert set(digits.pool_labels) == set(digits.held_out_labels) == set(range(10))


def test_no_held_out_image_is_in_the_pool(digits):
    assert len(rows(digits.pool)) == 1285  # all different, so that the next line says something
    assert not rows(digits.pool) & rows(digits.held_out)


def test_subsets_of_one_seed_are_nested_and_of_two_seeds_differ(digits):
    small, small_labels = digits.subset(32, seed=3)
    large, large_labels = digits.subset(1285, seed=3)
    assert np.array_equal(small, large[:32]) and np.array_equal(small_labels, large_labels[:32])
    assert rows(large) == rows(digits.pool)
    assert not np.array_equal(small, digits.subset(32, seed=4)[0])


def test_labels_stay_with_their_images(digits):
    label_of = {image.tobytes(): label for image, label in zip(digits.pool, digits.pool_labels, strict=True)}
    images, labels = digits.subset(100, seed=1)
    assert [label_of[image.tobytes()] for image in images] == labels.tolist()


def test_more_images_than_the_pool_holds_are_refused(digits):
    with pytest.raises(InputError, match="at most 1285.*1286 was given"):
        digits.subset(1286, seed=0)


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(InputError, match="did you mean 'digits'"):
        datasets.load("digit")


def test_halves_are_disjoint_for_any_two_seeds_and_nested_for_one(digits):
    first, second = digits.subset(642, 0, "first")[0], digits.subset(643, 5, "second")[0]
    assert rows(first) | rows(second) == rows(digits.pool) and not rows(first) & rows(second)
    assert np.array_equal(digits.subset(50, 0, "first")[0], first[:50])
    with pytest.raises(InputError, match="n must be at most 642, the first half of the training pool of digits"):
        digits.subset(643, 0, "first")


@pytest.mark.parametrize("half", ["all", "second"])
def test_balanced_subsets_hold_every_class_equally_often_and_are_nested(digits, half):
    images, labels = digits.subset(205, 2, half, balanced=True)
    counts = np.bincount(labels)
    assert counts.max() - counts.min() == 1
    assert len(rows(images)) == 205 and rows(images) <= rows(digits.pool)
    assert np.array_equal(digits.subset(17, 2, half, balanced=True)[1], labels[:17])
    unbalanced = np.bincount(digits.subset(205, 2, half)[1])
    assert unbalanced.max() - unbalanced.min() > 1
    with pytest.raises(InputError, match="balanced part"):
        digits.subset(640, 2, half, balanced=True) if half == "second" else digits.subset(1285, 2, balanced=True)


def test_centering_takes_the_mean_of_the_pool_off_both_parts(digits):
    centered = digits.centered()
    assert abs(centered.pool.mean(axis=0)).max() < 1e-6 and centered.bound == 2
    shift = digits.held_out - centered.held_out
    np.testing.assert_allclose(shift, np.broadcast_to(digits.pool.mean(axis=0), shift.shape), atol=1e-6)


def test_the_digest_sees_a_single_pixel(digits):
    changed = digits.pool.copy()
    changed[7, 0, 3, 3] += 0.01
    assert datasets.digest(digits.pool) == datasets.digest(digits.pool.copy()) != datasets.digest(changed)


@pytest.mark.parametrize("name", ["gaussian", "folder", "npy", "floder:x", "gaussian:digit", "digits:3"])
def test_a_name_without_its_argument_or_with_a_wrong_one_is_refused(name):
    with pytest.raises(InputError, match="data must be one of"):
        datasets.load(name)
