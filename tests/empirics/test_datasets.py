import numpy as np
import pytest

from empirics import datasets
from theory.errors import InputError


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
