"""Images that are in a set more than once: exactly, or so nearly that they are one picture stored twice.

Two images are duplicates if they are equal, or if the root mean square of their difference, over the pixels, is

    at most 0.05 of the set's spread (the root mean square deviation of its images from their mean image), and
    at most a quarter of the contrast of either (its root mean square deviation from its own mean in each channel).

The second keeps plain pictures apart, such as two crops of a clear sky, which are near each other and yet not the same.
Vectors, and images of fewer than 64 values, count as duplicates only if they are equal: points of a few dimensions come
that near by chance. Data of another kind, such as strings, have none: they may well be equal by chance. Duplicates of a
duplicate are duplicates.

For scale: of 10 000 images of CIFAR-10 the two nearest differ by 0.11 at 32x32 pixels and 0.04 at 8x8, where pixels are
in [-1, 1] and the bound is 0.025; of the digits, by 0.15 of the spread.

Cost: a hash of each image, and for the near ones a search in a tree over six principal components of the means of 4x4
blocks. It misses no pair, as these differ by no more than the images do, unless there are over five million pairs to
look at: then the set is too much alike to tell, and only equal images are found.
"""

import functools
import hashlib
import logging

import numpy as np

from genmem.shared.errors import InputError

NEAR = 0.05
OF_CONTRAST = 0.25
LEAST_VALUES = 64
MOST_PAIRS = 5_000_000
_BLOCKS = 4
_AXES = 6
_CHUNK = 4096

log = logging.getLogger(__name__)


def groups_of(images: np.ndarray) -> np.ndarray | None:
    """The group (N,) of each image, named by the place of its first member; None if no two images are duplicates."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if images.ndim != 4:
        return None
    first: dict[bytes, int] = {}
    rows = np.ascontiguousarray(images.reshape(len(images), -1))
    group = np.array(
        [first.setdefault(hashlib.blake2b(row, digest_size=16).digest(), i) for i, row in enumerate(rows)], int
    )
    distinct, place = np.unique(group, return_inverse=True)
    pairs = _near_pairs(images[distinct])
    if len(pairs):
        links = coo_array((np.ones(len(pairs)), pairs.T), (len(distinct), len(distinct)))
        linked = connected_components(links, directed=False)[1]
        group = distinct[np.unique(linked, return_index=True)[1][linked]][place]
    return group if len(np.unique(group)) < len(group) else None


def training_groups(training: np.ndarray) -> np.ndarray | None:
    """The groups of a run's training images, as `groups_of`; raises InputError if they are all the same image."""
    groups = groups_of(training)
    if groups is not None and not groups.any():
        raise InputError(
            f"data must give at least two different training images, but all {len(training)} are duplicates"
        )
    return groups


def in_pool(pool: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which images of the pool (N,) repeat an earlier one of it, and which a held-out one."""
    group = groups_of(np.concatenate([held_out, pool]))
    if group is None:
        return np.zeros(len(pool), bool), np.zeros(len(pool), bool)
    out, ours = group[: len(held_out)], group[len(held_out) :]
    repeated = np.ones(len(pool), bool)
    repeated[np.unique(ours, return_index=True)[1]] = False
    return repeated, np.isin(ours, out)


def warn(name: str, pool: np.ndarray, held_out: np.ndarray) -> None:
    """Say on stderr, once in a process, how many duplicates a data set has."""
    repeated, seen = (int(flags.sum()) for flags in in_pool(pool, held_out))
    if repeated or seen:
        _say(
            f"{name}: of {len(pool)} images to train on, {repeated} repeat another and {seen} are held out too; with "
            "`deduplicate` they are left out, without it f_mem compares with the nearest image that is another picture"
        )


@functools.cache
def _say(sentence: str) -> None:
    log.warning("%s", sentence)


def _near_pairs(images: np.ndarray) -> np.ndarray:
    """The pairs (M, 2) of places of images, all different, that are near duplicates."""
    none = np.empty((0, 2), int)
    if len(images) < 2 or images[0].size < LEAST_VALUES or min(images.shape[2:]) < _BLOCKS:
        return none
    from scipy.spatial import cKDTree

    flat = images.reshape(len(images), -1)
    mean = flat.mean(axis=0, dtype=np.float64).astype(np.float32)
    parts = np.array_split(np.arange(len(images)), len(images) // _CHUNK + 1)
    spread = np.sqrt(sum(np.square(flat[part] - mean).sum(dtype=np.float64) for part in parts) / flat.size)
    contrast = np.concatenate([np.sqrt(images[part].var(axis=(2, 3)).mean(axis=1)) for part in parts])
    means, covered = _block_means(images)
    means = means.astype(float) - means.mean(axis=0, dtype=float)
    axes = np.linalg.eigh(means.T @ means)[1][:, -_AXES:]
    # A projection shortens distances, and a tree in few dimensions is fast.
    tree = cKDTree(means @ axes)
    # The mean square difference of the block means is at most that of the pixels which they cover.
    reach = NEAR * spread / np.sqrt(covered) * np.sqrt(means.shape[1]) * (1 + 1e-5)
    if tree.count_neighbors(tree, reach) - len(images) > 2 * MOST_PAIRS:
        return none
    pairs = tree.query_pairs(reach, output_type="ndarray")
    near = [none]
    for part in np.array_split(pairs, len(pairs) // _CHUNK + 1):
        a, b = part.T
        rms = np.sqrt(np.square(flat[a] - flat[b]).mean(axis=1))
        near.append(part[rms <= np.minimum(NEAR * spread, OF_CONTRAST * np.minimum(contrast[a], contrast[b]))])
    return np.concatenate(near)


def _block_means(images: np.ndarray) -> tuple[np.ndarray, float]:
    """The means (N, C x 16) of 4x4 equal blocks, and the share of the pixels in them: any side will do."""
    count, channels, height, width = images.shape
    h, w = height // _BLOCKS, width // _BLOCKS
    inner = images[:, :, : h * _BLOCKS, : w * _BLOCKS].reshape(count, channels, _BLOCKS, h, _BLOCKS, w)
    return inner.mean(axis=(3, 5)).reshape(count, -1), h * w * _BLOCKS**2 / (height * width)
