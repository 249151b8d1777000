"""Natural images without a download: 32x32 colour crops of the photographs in scikit-image's and scikit-learn's wheels.

The crops form a grid without overlap. In each photograph those in the last fifth of the columns are held out, so that a
training crop and a held-out crop share no pixel. Crops that are one plain colour, such as the black corners of the
retina, would be duplicates of each other, and are left out.
"""

from importlib import resources

import numpy as np

SIDE = 32
HELD_OUT_SHARE = 0.2
# Standard deviation over the pixels, on the scale of [-1, 1]; two grey levels.
_PLAIN = 0.02
# (package, file, reduction): the retina is reduced, as its crops at full size are smooth and would be most of the data.
PHOTOGRAPHS = (
    ("skimage.data", "astronaut.png", 1),
    ("skimage.data", "chelsea.png", 1),
    ("skimage.data", "coffee.png", 1),
    ("skimage.data", "rocket.jpg", 1),
    ("skimage.data", "motorcycle_left.png", 1),
    ("skimage.data", "hubble_deep_field.jpg", 1),
    ("skimage.data", "retina.jpg", 2),
    ("sklearn.datasets.images", "china.jpg", 1),
    ("sklearn.datasets.images", "flower.jpg", 1),
)


def crops() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training crops (N, 3, 32, 32), float32 in [-1, 1], the number of the photograph of each (N,), and the same held
    out."""
    train, test = [], []
    for label, photograph in enumerate(PHOTOGRAPHS):
        for part, tiles in zip((train, test), regions(read(*photograph)), strict=True):
            images = tiles.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
            images = images[images.std(axis=(2, 3)).mean(axis=1) > _PLAIN]
            part.append((images, np.full(len(images), label)))
    return tuple(np.concatenate(arrays) for part in (train, test) for arrays in zip(*part, strict=True))


def read(package: str, file: str, reduction: int) -> np.ndarray:
    """A photograph (height, width, 3), uint8, with means over squares of `reduction` pixels."""
    from PIL import Image

    with resources.as_file(resources.files(package) / file) as path, Image.open(path) as image:
        return np.asarray(image.convert("RGB").reduce(reduction))


def regions(photograph: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The crops (N, 32, 32, channels) of the training region and those of the held-out region of a photograph."""
    rows, columns = photograph.shape[0] // SIDE, photograph.shape[1] // SIDE
    grid = photograph[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE, -1).swapaxes(1, 2)
    first = columns - round(HELD_OUT_SHARE * columns)
    return tuple(part.reshape(-1, *grid.shape[2:]) for part in (grid[:, :first], grid[:, first:]))
