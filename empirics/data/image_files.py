"""The user's own images: a folder of image files, or one array."""

import struct
from pathlib import Path

import numpy as np

from genmem.empirics.data.pixels import pixels_of, scaled
from genmem.shared.errors import InputError
from genmem.shared.files import visible

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
MOST_CHANNELS = 4
LARGEST = 1e15
"""Of a number in an array: sums of squares stay far inside the range of float32."""


def held_out_of(count: int) -> int:
    """How many of `count` images are set apart: a fifth, 2048 at most."""
    return min(2048, count // 5)


def files(folder: Path) -> list[Path]:
    """The image files below a folder, in order; hidden ones are none."""
    return [path for path in visible(folder, "**/*") if path.suffix.lower() in SUFFIXES and path.is_file()]


def read_folder(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """All images below `folder` (N, C, H, W), float32 in [-1, 1], and their classes (N,), one for each first-level
    subfolder.

    One channel if all files are grey, else three; pixels.py says what becomes of each kind of file. Files and folders
    whose names begin with a dot are passed over. Raises InputError unless there are at least ten images, all readable,
    square and of one size.
    """
    from PIL import Image

    if not folder.is_dir():
        raise InputError(f"data must name a folder of images, but '{folder}' is none")
    paths = files(folder)
    _enough(folder, len(paths))
    images = []
    for path in paths:
        try:
            with Image.open(path) as image:
                images.append(pixels_of(image, path))
        except InputError:
            raise
        # Pillow's readers raise many kinds of errors at damaged files.
        except (
            OSError,
            ValueError,
            SyntaxError,
            EOFError,
            TypeError,
            struct.error,
            Image.DecompressionBombError,
        ) as error:
            raise InputError(f"data must hold images only, but '{path}' cannot be read: {_one_line(error)}") from None
        size, other = images[0].shape[:2], images[-1].shape[:2]
        if other != size:
            raise InputError(
                f"data must hold images of one size, but '{paths[0]}' has {size[1]}x{size[0]} pixels and "
                f"'{path}' {other[1]}x{other[0]}"
            )
    _square(folder, images[0].shape[:2])
    channels = max(1 if array.ndim == 2 else 3 for array in images)
    result = np.empty((len(images), channels, *images[0].shape[:2]), np.float32)
    for place, array in zip(result, images, strict=True):
        place[:] = scaled(array if array.ndim == 2 else array.transpose(2, 0, 1))
    classes = [path.relative_to(folder).parts[0] if path.parent != folder else "" for path in paths]
    return result, np.unique(classes, return_inverse=True)[1]


def read_array(path: Path) -> tuple[np.ndarray, float | None]:
    """The images (N, C, H, W) in a .npy file, float32, and the bound of their values.

    Images (N, C, H, W), (N, H, W), or (N, H, W, C) with C up to 4 where H = W tells it from the first, are uint8, or
    numbers in [-1, 1] of which one at least is negative: without one they are most likely in [0, 1], and are refused.
    Vectors (N, d) are any numbers up to 1e15, come back as (N, d, 1, 1), and have no bound. Raises InputError for any
    other content.
    """
    array = load_numbers(path)
    _enough(path, len(array) if array.ndim else 0)
    if array.ndim not in (2, 3, 4) or 0 in array.shape:
        raise InputError(
            "data must have the shape (N, C, H, W), (N, H, W, C), (N, H, W) or (N, d), none of them zero, but "
            f"'{path}' has {array.shape}"
        )
    if array.ndim == 2:
        return array.astype(np.float32)[:, :, None, None], None
    if array.ndim == 3:
        array = array[:, None]
    elif array.shape[2] != array.shape[3] and array.shape[1] == array.shape[2] and array.shape[3] <= MOST_CHANNELS:
        array = np.ascontiguousarray(np.moveaxis(array, 3, 1))
    _square(path, array.shape[2:])
    low, high = array.min(), array.max()
    if array.dtype == np.uint8 and high > 1:
        return scaled(array), 1.0
    if low < -1 or high > 1:
        raise InputError(f"data must be uint8 or lie in [-1, 1], but '{path}' holds {high if high > 1 else low:g}")
    if low >= 0:
        raise InputError(
            f"data must be uint8 from 0 to 255 or lie in [-1, 1], but '{path}' holds values from {low:g} to "
            f"{high:g}, none below zero: if black is 0 and white is 1, store 2 x - 1"
        )
    return array.astype(np.float32), 1.0


def load_numbers(path: Path) -> np.ndarray:
    """The finite real numbers in a .npy file; raises InputError for anything else. Nothing is unpickled."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"data must name a .npy file of numbers, but '{path}' cannot be read: {error}") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise InputError(f"data must name a .npy file of real numbers, but '{path}' is none")
    if not np.isfinite(array).all():
        raise InputError(f"data must be finite, but '{path}' holds NaN or infinity")
    if array.size and max(abs(float(array.min())), abs(float(array.max()))) > LARGEST:
        raise InputError(
            f"data must be at most {LARGEST:g} in absolute value, as they are computed with in 32 bits, but "
            f"'{path}' holds values from {array.min():g} to {array.max():g}"
        )
    return array


def _enough(path: Path, count: int) -> None:
    if count < 10:
        raise InputError(f"data must hold at least 10 images, but '{path}' holds {count}")


def _square(path: Path, size: tuple[int, ...]) -> None:
    if size[0] != size[1]:
        raise InputError(f"data must hold square images, but those of '{path}' have {size[1]}x{size[0]} pixels")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
