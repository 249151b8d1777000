"""What the pixels of an image file are, for every mode in which Pillow opens one: kept as they are, or refused.

    L, RGB, RGBX                 as they are, 8 bits a channel (Pillow keeps the upper 8 of 16-bit colour)
    1                            black and white, 0 and 255
    P                            the colours of the palette
    YCbCr, HSV                   as RGB, by Pillow's formula, rounded to 8 bits
    I;16 and its byte orders     16-bit grey, kept to 16 bits; so is I of a PNG or PGM file, whose range is known
    LA, La, PA, RGBA, RGBa       without their alpha channel if it is opaque everywhere; so are transparent colours
    I, F                         refused: 32-bit numbers have no range that the file states
    CMYK, LAB, any other         refused: the colours depend on a profile

Transparency is refused, as what a picture looks like then depends on what lies behind it; so are files of several
pictures. An orientation tag is applied.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genmem.shared.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

_GREY, _COLOUR = {"1", "L"}, {"P", "RGB", "RGBX", "YCbCr", "HSV"}
_WITH_ALPHA = {"LA": "L", "La": "L", "PA": "RGB", "RGBA": "RGB", "RGBa": "RGB"}
_SIXTEEN_BITS = {"I;16", "I;16L", "I;16B", "I;16N"}
# In these Pillow brings 16-bit grey, where it opens it as 32-bit numbers, to the range 0 to 65535.
_SIXTEEN_BIT_FORMATS = {"PNG", "PPM"}
_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0


def pixels_of(image: "Image", path: Path | str) -> np.ndarray:
    """The pixels (H, W) of a grey picture, (H, W, 3) of a coloured one, uint8 or uint16; `path` is named if it is
    refused.

    Raises InputError for what cannot be taken over faithfully; see above.
    """
    from PIL import ImageOps

    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise InputError(
            f"data must hold one picture in each file, but '{path}' holds {frames}: save each in its own file"
        )
    _refuse_transparency(image, path)
    mode = image.mode
    upright = ImageOps.exif_transpose(image)
    if mode in _SIXTEEN_BITS or mode == "I" and image.format in _SIXTEEN_BIT_FORMATS:
        return _sixteen_bits(upright, image, path)
    if mode in _GREY or _WITH_ALPHA.get(mode) == "L":
        return np.asarray(_straight(upright).convert("L"))
    if mode in _COLOUR or mode in _WITH_ALPHA:
        return np.asarray(_straight(upright).convert("RGB"))
    if mode in ("I", "F"):
        kind = "32-bit integers" if mode == "I" else "floating-point numbers"
        raise InputError(
            f"data must hold pixels of 8 or 16 bits, but those of '{path}' are {kind}, of which no range is "
            "black to white: save them with 16 bits, or as an array in [-1, 1] for npy:PATH"
        )
    raise InputError(
        f"data must be grey or RGB, but the colours of '{path}' are {mode}, which no fixed rule turns into "
        "RGB: convert the file with its colour profile"
    )


def scaled(pixels: np.ndarray) -> np.ndarray:
    """Pixels of `pixels_of`, or any uint8, as float32 in [-1, 1]."""
    half = np.iinfo(pixels.dtype).max / 2
    return pixels.astype(np.float32) / half - 1


def _refuse_transparency(image: "Image", path: Path | str) -> None:
    if image.mode in _WITH_ALPHA:
        # The last band is alpha; getchannel knows it by another name in premultiplied modes.
        opaque = image.getchannel(len(image.getbands()) - 1).getextrema()[0] == 255
    elif not image.has_transparency_data:
        return
    elif image.mode in _SIXTEEN_BITS or image.mode == "I":
        opaque = not (np.asarray(image) == image.info["transparency"]).any()
    else:
        opaque = image.convert("RGBA").getchannel("A").getextrema()[0] == 255
    if not opaque:
        raise InputError(f"data must be opaque, but '{path}' has transparent pixels: save it on a background")


def _straight(image: "Image") -> "Image":
    """Without premultiplied alpha, from which Pillow converts in one step only."""
    return image.convert({"La": "LA", "RGBa": "RGBA"}.get(image.mode, image.mode))


def _sixteen_bits(upright: "Image", image: "Image", path: Path | str) -> np.ndarray:
    tags = getattr(image, "tag_v2", {})
    bits, photometric = tags.get(_BITS, (16,)), tags.get(_PHOTOMETRIC)
    if tuple(np.atleast_1d(bits)) != (16,) or photometric == _WHITE_IS_ZERO:
        what = "white as zero" if photometric == _WHITE_IS_ZERO else f"{np.atleast_1d(bits)[0]} bits a pixel"
        raise InputError(f"data must hold grey pixels of 8 or 16 bits with black as zero, but '{path}' has {what}")
    return np.asarray(upright).astype(np.uint16)
