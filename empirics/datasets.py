"""Images to train on and images held out, by name.

The held-out images of a data set are the same for every seed and are never in its training pool.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from empirics.randomness import derived_seed
from theory.errors import InputError, known

DIGITS_HELD_OUT = 512


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Images as float32 arrays (N, C, H, W) with pixels in [-1, 1], labels as integers (N,)."""

    name: str
    pool: np.ndarray
    pool_labels: np.ndarray
    held_out: np.ndarray
    held_out_labels: np.ndarray

    def subset(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """The n training images (n, C, H, W) of this seed and their labels (n,).

        For one seed the subsets are nested: the smaller is the beginning of the larger. Raises InputError if the pool
        holds fewer than n images.
        """
        if n > len(self.pool):
            raise InputError(f"n must be at most {len(self.pool)}, the training pool of {self.name}, but {n} was given")
        order = np.random.default_rng(derived_seed(seed, "subset")).permutation(len(self.pool))[:n]
        return self.pool[order], self.pool_labels[order]


def load(name: str) -> Dataset:
    """The data set called `name`; raises InputError for an unknown name."""
    return LOADERS[known("data", name, LOADERS)]()


def digits() -> Dataset:
    """The 1797 handwritten 8x8 digits of scikit-learn's `load_digits`, 512 of them held out."""
    from sklearn.datasets import load_digits

    source = load_digits()
    images = (source.images.astype(np.float32) / 8 - 1)[:, None]
    return _split("digits", images, source.target, DIGITS_HELD_OUT)


def _split(name: str, images: np.ndarray, labels: np.ndarray, held_out: int) -> Dataset:
    order = np.random.default_rng(derived_seed(0, "held out")).permutation(len(images))
    out, pool = order[:held_out], order[held_out:]
    return Dataset(name, images[pool], labels[pool], images[out], labels[out])


LOADERS: dict[str, Callable[[], Dataset]] = {"digits": digits}
