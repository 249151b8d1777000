import numpy as np
import pytest

from genmem.empirics.data import datasets, photographs


@pytest.fixture(scope="module")
def patches():
    return datasets.load("patches")


def test_crops_have_the_shape_of_cifar10_and_come_from_every_photograph(patches):
    assert patches.pool.shape[1:] == (3, 32, 32) and patches.pool.dtype == np.float32
    assert len(patches.pool) >= 2048 and len(patches.held_out) >= 512
    assert patches.pool.min() >= -1 and patches.pool.max() <= 1
    everything = set(range(len(photographs.PHOTOGRAPHS)))
    assert set(patches.pool_labels) == set(patches.held_out_labels) == everything


def test_training_and_held_out_crops_share_no_pixel():
    # A photograph whose pixels are all different tells where each crop lies.
    numbered = np.arange(200 * 330 * 1).reshape(200, 330, 1)
    train, test = photographs.regions(numbered)
    assert not set(train.ravel().tolist()) & set(test.ravel().tolist())
    assert len(set(train.ravel().tolist())) == train.size and len(set(test.ravel().tolist())) == test.size
    rows, columns = np.divmod(test[0, :, :, 0], 330)
    assert np.array_equal(rows, rows[:, :1].repeat(32, 1)) and np.array_equal(np.diff(columns), np.ones((32, 31)))
    # To the right of all training crops.
    assert (train % 330).max() < (test % 330).min()
    assert len(test) / (len(train) + len(test)) == pytest.approx(0.2)


def test_no_two_crops_are_the_same(patches):
    both = np.concatenate([patches.pool, patches.held_out]).reshape(-1, 3072)
    assert len(np.unique(both, axis=0)) == len(both)


def test_a_crop_is_a_piece_of_its_photograph(patches):
    astronaut = photographs.read("skimage.data", "astronaut.png", 1)
    piece = ((patches.pool[0] + 1) * 127.5).round().astype(np.uint8).transpose(1, 2, 0)
    assert patches.pool_labels[0] == 0 and np.array_equal(piece, astronaut[:32, :32])
