"""Each mode in which Pillow opens a file is taken over faithfully or refused; the expected colours are computed by
hand."""

import io

import numpy as np
import pytest
from PIL import Image

from genmem.empirics.data.pixels import pixels_of, scaled
from genmem.shared.errors import InputError

GREY = np.random.default_rng(0).integers(0, 256, (6, 6)).astype(np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (6, 6, 3)).astype(np.uint8)
DEEP = np.random.default_rng(2).integers(0, 65536, (6, 6)).astype(np.uint16)
OPAQUE, HALF = np.full((6, 6), 255, np.uint8), np.full((6, 6), 255, np.uint8)
HALF[2, 3] = 128
PALETTE = np.random.default_rng(3).integers(0, 256, (256, 3)).astype(np.uint8)


def reopened(image, format="TIFF", **options):
    content = io.BytesIO()
    image.save(content, format, **options)
    return Image.open(io.BytesIO(content.getvalue()))


def deep(mode):
    order = ">u2" if mode == "I;16B" else "<u2"
    return Image.frombytes(mode, (6, 6), DEEP.astype(order).tobytes())


def palette(indices, mode="P"):
    image = Image.fromarray(indices)
    image.putpalette(PALETTE.tobytes())
    return image.convert(mode)


def with_alpha(mode, alpha):
    if mode in ("LA", "La"):
        return Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(alpha)]).convert(mode)
    if mode == "PA":
        image = palette(GREY, "PA")
        image.putalpha(Image.fromarray(alpha))
        return image
    return Image.merge("RGBA", [*Image.fromarray(COLOUR).split(), Image.fromarray(alpha)]).convert(mode)


def of_ycbcr():
    """JFIF, from its definition."""
    y, cb, cr = (COLOUR[..., i].astype(float) for i in range(3))
    rgb = [y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)]
    return np.clip(np.stack(rgb, axis=-1), 0, 255)


def of_hsv():
    import colorsys

    pixels = COLOUR.reshape(-1, 3) / 255
    return 255 * np.array([colorsys.hsv_to_rgb(*pixel) for pixel in pixels]).reshape(COLOUR.shape)


BITS = GREY > 127
KEPT = {
    "1": (Image.fromarray(BITS), 255 * BITS),
    "L": (Image.fromarray(GREY), GREY),
    "LA": (with_alpha("LA", OPAQUE), GREY),
    "La": (with_alpha("La", OPAQUE), GREY),
    "P": (palette(GREY), PALETTE[GREY]),
    "PA": (with_alpha("PA", OPAQUE), PALETTE[GREY]),
    "RGB": (Image.fromarray(COLOUR), COLOUR),
    "RGBA": (with_alpha("RGBA", OPAQUE), COLOUR),
    "RGBa": (with_alpha("RGBa", OPAQUE), COLOUR),
    "RGBX": (Image.fromarray(COLOUR).convert("RGBX"), COLOUR),
    "YCbCr": (Image.frombytes("YCbCr", (6, 6), COLOUR.tobytes()), of_ycbcr()),
    "HSV": (Image.frombytes("HSV", (6, 6), COLOUR.tobytes()), of_hsv()),
    **{mode: (deep(mode), DEEP) for mode in ("I;16", "I;16L", "I;16B", "I;16N")},
}
REFUSED = {
    "I": (Image.fromarray(DEEP.astype(np.int32)), "32-bit integers"),
    "F": (Image.fromarray(DEEP.astype(np.float32)), "floating-point numbers"),
    "CMYK": (Image.frombytes("CMYK", (6, 6), bytes(144)), "CMYK"),
    "LAB": (Image.frombytes("LAB", (6, 6), COLOUR.tobytes()), "LAB"),
}


def test_every_mode_of_pillow_is_among_those_tested():
    assert set(Image.MODES) | {"I;16L", "I;16N"} == KEPT.keys() | REFUSED.keys()


@pytest.mark.parametrize("mode", KEPT)
def test_pixels_are_those_of_the_picture(mode):
    image, expected = KEPT[mode]
    assert image.mode == mode
    pixels = pixels_of(image, "x")
    # Conversions between colour spaces round to 8 bits, in Pillow with tables.
    rounding = {"YCbCr": 1.5, "HSV": 1.5}.get(mode, 0)
    assert pixels.shape == expected.shape and np.abs(pixels.astype(float) - expected).max() <= rounding
    assert pixels.dtype == (np.uint16 if mode.startswith("I;16") else np.uint8)
    values = scaled(pixels)
    assert values.dtype == np.float32 and np.abs(values).max() <= 1


@pytest.mark.parametrize("mode", REFUSED)
def test_pixels_that_no_rule_turns_into_grey_or_rgb_are_refused(mode):
    image, words = REFUSED[mode]
    assert image.mode == mode
    for each in (image, reopened(image)):
        assert each.mode == mode
        with pytest.raises(InputError, match=f"x.tif.*{words}|{words}.*x.tif") as error:
            pixels_of(each, "x.tif")
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("mode", ["LA", "La", "PA", "RGBA", "RGBa"])
def test_a_transparent_pixel_is_refused(mode):
    with pytest.raises(InputError, match="opaque, but 'x.png' has transparent pixels"):
        pixels_of(with_alpha(mode, HALF), "x.png")


@pytest.mark.parametrize(
    ("image", "transparent", "absent"),
    [
        (Image.fromarray(GREY), int(GREY[1, 1]), int(np.setdiff1d(np.arange(256), GREY)[0])),
        (Image.fromarray(COLOUR), tuple(COLOUR[1, 1].tolist()), (1, 2, 3)),
        (palette(GREY), int(GREY[1, 1]), int(np.setdiff1d(np.arange(256), GREY)[0])),
        (deep("I;16"), int(DEEP[1, 1]), int(np.setdiff1d(np.arange(65536), DEEP)[0])),
        (Image.fromarray(BITS), 0, None),
    ],
)
def test_a_transparent_colour_is_refused_where_a_pixel_has_it(image, transparent, absent):
    found = reopened(image, "PNG", transparency=transparent)
    assert "transparency" in found.info
    with pytest.raises(InputError, match="transparent pixels"):
        pixels_of(found, "x.png")
    if absent is not None:
        assert np.array_equal(
            pixels_of(reopened(image, "PNG", transparency=absent), "x.png"), pixels_of(image, "x.png")
        )


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_survive_each_format(format):
    image = reopened(deep("I;16"), format)
    # Pillow opens a 16-bit PGM as 32-bit numbers.
    assert image.mode == ("I" if format == "PPM" else "I;16")
    pixels = pixels_of(image, "x")
    assert np.array_equal(pixels, DEEP)
    assert scaled(pixels).astype(float) == pytest.approx(DEEP / 32767.5 - 1, abs=1e-7)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "GIF"])
def test_several_pictures_in_one_file_are_refused(format):
    frames = [Image.fromarray(COLOUR), Image.fromarray(255 - COLOUR), Image.fromarray(COLOUR // 2)]
    image = reopened(frames[0], format, save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="one picture in each file, but 'x' holds 3"):
        pixels_of(image, "x")


def test_twelve_bits_and_white_as_zero_are_not_taken_for_sixteen_bits():
    image = deep("I;16")
    twelve = reopened(image)
    twelve.tag_v2[258] = (12,)
    with pytest.raises(InputError, match="12 bits"):
        pixels_of(twelve, "x")
    inverted = reopened(image)
    inverted.tag_v2[262] = 0
    with pytest.raises(InputError, match="white as zero"):
        pixels_of(inverted, "x")


def test_an_orientation_tag_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # The first row of the file is the right side of the picture.
    image = reopened(Image.fromarray(GREY), "PNG", exif=exif)
    assert np.array_equal(pixels_of(image, "x"), np.rot90(GREY, -1))
