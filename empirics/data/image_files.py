"""The user's own images: a folder of image files, or one array."""

from pathlib import Path

import numpy as np

from genmem.shared.errors import InputError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def held_out_of(count: int) -> int:
    """How many of `count` images are set apart: a fifth, 2048 at most."""
    return min(2048, count // 5)


def read_folder(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """All images below `folder` (N, C, H, W), float32 in [-1, 1], and their classes (N,), one for each first-level subfolder.

    One channel if all files are grey, else three. Raises InputError unless there are at least ten images, all readable,
    square and of one size.
    """
    from PIL import Image, UnidentifiedImageError

    if not folder.is_dir():
        raise InputError(f"data must name a folder of images, but '{folder}' is none")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    _enough(folder, len(paths))
    images, size = [], None
    for path in paths:
        try:
            with Image.open(path) as image:
                array = np.asarray(image if image.mode == "L" else image.convert("RGB"))
        except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
            raise InputError(f"data must hold images only, but '{path}' cannot be read: {error}") from None
        size = size or array.shape[:2]
        if array.shape[:2] != size:
            raise InputError(f"data must hold images of one size, but '{paths[0]}' has {size[1]}x{size[0]} pixels and "
                             f"'{path}' {array.shape[1]}x{array.shape[0]}")
        images.append(array)
    _square(folder, size)
    if any(array.ndim == 3 for array in images):
        images = [array if array.ndim == 3 else np.repeat(array[:, :, None], 3, axis=2) for array in images]
        stacked = np.stack(images).transpose(0, 3, 1, 2)
    else:
        stacked = np.stack(images)[:, None]
    classes = [path.relative_to(folder).parts[0] if path.parent != folder else "" for path in paths]
    return stacked.astype(np.float32) / 127.5 - 1, np.unique(classes, return_inverse=True)[1]


def read_array(path: Path) -> tuple[np.ndarray, float | None]:
    """The images (N, C, H, W) in a .npy file, float32, and the bound of their values.

    Images (N, C, H, W) or (N, H, W) are uint8, or numbers in [-1, 1]; vectors (N, d) are any finite numbers, come back
    as (N, d, 1, 1), and have no bound. Raises InputError for any other content.
    """
    array = load_numbers(path)
    _enough(path, len(array) if array.ndim else 0)
    if array.ndim not in (2, 3, 4):
        raise InputError(f"data must have the shape (N, C, H, W), (N, H, W) or (N, d), but '{path}' has {array.shape}")
    if array.ndim == 2:
        return array.astype(np.float32)[:, :, None, None], None
    if array.ndim == 3:
        array = array[:, None]
    _square(path, array.shape[2:])
    if array.dtype == np.uint8:
        return array.astype(np.float32) / 127.5 - 1, 1.0
    if np.abs(array).max() > 1:
        raise InputError(f"data must be uint8 or lie in [-1, 1], but '{path}' holds {array.flat[np.abs(array).argmax()]:g}")
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
    return array


def _enough(path: Path, count: int) -> None:
    if count < 10:
        raise InputError(f"data must hold at least 10 images, but '{path}' holds {count}")


def _square(path: Path, size: tuple[int, ...]) -> None:
    if size[0] != size[1]:
        raise InputError(f"data must hold square images, but those of '{path}' have {size[1]}x{size[0]} pixels")
