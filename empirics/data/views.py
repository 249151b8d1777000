"""What an experiment makes of a data set before it draws from it: some classes, fewer pixels, grey, another range."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from genmem.shared.errors import InputError

if TYPE_CHECKING:
    from genmem.empirics.data.datasets import Dataset

# Rec. 601, as in Pillow's and torchvision's conversion to grey.
LUMA = np.array([0.299, 0.587, 0.114])


def of_classes(data: "Dataset", classes: tuple[int, ...]) -> "Dataset":
    """The images of these labels alone; raises InputError for a label that either part of the data lacks."""
    there = sorted(set(data.pool_labels.tolist()) & set(data.held_out_labels.tolist()))
    for label in classes:
        if label not in there:
            raise InputError(
                f"classes must be among {_some(there)}, the labels of {data.name}, but {label!r} was given"
            )
    in_pool, out = np.isin(data.pool_labels, classes), np.isin(data.held_out_labels, classes)
    return dataclasses.replace(
        data,
        pool=data.pool[in_pool],
        pool_labels=data.pool_labels[in_pool],
        held_out=data.held_out[out],
        held_out_labels=data.held_out_labels[out],
        log_density=None,  # that of all classes together
    )


def reduced(data: "Dataset", pixels: int) -> "Dataset":
    """Images of pixels x pixels: each pixel is the mean of a block. Raises InputError unless blocks fill the side."""
    side = data.pool.shape[-1]
    if side == 1 or side % pixels:
        raise InputError(f"pixels must divide the side {side} of the images of {data.name}, but {pixels} was given")
    block = side // pixels

    def means(images: np.ndarray) -> np.ndarray:
        blocks = images.reshape(*images.shape[:2], pixels, block, pixels, block)
        # Sums of a few float32 values are exact in float64, in whatever order numpy takes them.
        return blocks.mean(axis=(3, 5), dtype=np.float64).astype(np.float32)

    return dataclasses.replace(data, pool=means(data.pool), held_out=means(data.held_out), log_density=None)


def grey(data: "Dataset") -> "Dataset":
    """One channel, the luma of three; images of one channel are left alone. Raises InputError for other numbers."""
    channels = data.pool.shape[1]
    if channels == 1:
        return data
    if channels != 3:
        raise InputError(f"grey must be off for images of {channels} channels, as those of {data.name} are")

    def luma(images: np.ndarray) -> np.ndarray:
        return np.einsum("ncij,c->nij", images.astype(np.float64), LUMA)[:, None].astype(np.float32)

    return dataclasses.replace(data, pool=luma(data.pool), held_out=luma(data.held_out), log_density=None)


def deduplicated(data: "Dataset") -> "Dataset":
    """Without the images of the pool that repeat an earlier one or a held-out one; see duplicates.py."""
    from genmem.empirics.data.duplicates import in_pool

    keep = ~np.logical_or(*in_pool(data.pool, data.held_out))
    return dataclasses.replace(data, pool=data.pool[keep], pool_labels=data.pool_labels[keep])


def unit_range(data: "Dataset", training: np.ndarray) -> "Dataset":
    """Pixels taken from [-1, 1] to [0, 1], less the mean of the `training` images in each channel.

    So are the pixels of Bonnaire et al. (arXiv:2505.17638, their released code). Amplitudes are half as large, and the
    theory's times depend on amplitudes. Samples are not clipped (bound None). Raises InputError for unbounded data.
    """
    if data.bound != 1:
        raise InputError(f"range must be symmetric for the data {data.name}, whose values are not pixels in [-1, 1]")
    mean = training.mean(axis=(0, 2, 3), dtype=np.float64)[:, None, None]

    def shifted(images: np.ndarray) -> np.ndarray:
        return ((images - mean) / 2).astype(np.float32)

    return dataclasses.replace(
        data, pool=shifted(data.pool), held_out=shifted(data.held_out), bound=None, log_density=None
    )


def _some(labels: list[int]) -> str:
    return ", ".join(map(str, labels[:20])) + (", ..." if len(labels) > 20 else "")
