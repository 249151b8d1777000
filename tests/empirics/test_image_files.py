import numpy as np
import pytest
from PIL import Image

from genmem.empirics.data import datasets
from genmem.shared.errors import InputError

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3)).astype(np.uint8)


def write_folder(folder, images):
    for number, image in enumerate(images):
        path = folder / "ab"[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(image).save(path)


def as_bytes(images):
    return {((image + 1) * 127.5).round().astype(np.uint8).tobytes() for image in images}


@pytest.mark.parametrize("grey", [False, True])
def test_a_folder_is_read_with_its_subfolders_as_classes(tmp_path, grey):
    images = PIXELS[..., 0] if grey else PIXELS
    write_folder(tmp_path, images)
    (tmp_path / "notes.txt").write_text("no image")
    data = datasets.load(f"folder:{tmp_path}")
    assert len(data.pool) == 16 and len(data.held_out) == 4 and data.pool.shape[1:] == (1 if grey else 3, 8, 8)
    expected = images[:, None] if grey else images.transpose(0, 3, 1, 2)
    assert as_bytes(data.pool) | as_bytes(data.held_out) == {image.tobytes() for image in expected}
    even = {image.tobytes() for image in expected[::2]}
    assert [as_bytes([image]) <= even for image in data.pool] == (data.pool_labels == 0).tolist()


def test_a_grey_image_among_coloured_ones_gets_three_channels(tmp_path):
    write_folder(tmp_path, [*PIXELS[:11], PIXELS[11, ..., 0]])
    assert datasets.load(f"folder:{tmp_path}").pool.shape[1:] == (3, 8, 8)


def bad_folders():
    def mixed(folder):
        write_folder(folder, [*PIXELS[:11], PIXELS[11, :4]])

    def oblong(folder):
        write_folder(folder, PIXELS[:, :4])

    def broken(folder):
        write_folder(folder, PIXELS)
        (folder / "a" / "00.png").write_bytes(b"not an image")

    def cut(folder):
        write_folder(folder, PIXELS)
        path = folder / "a" / "00.png"
        path.write_bytes(path.read_bytes()[:120])

    def few(folder):
        write_folder(folder, PIXELS[:9])

    return [
        (mixed, "images of one size, but .*8x8 pixels and '.*' 8x4"),
        (oblong, "square"),
        (broken, "cannot be read"),
        (cut, "cannot be read"),
        (few, "at least 10 images.*9"),
        (lambda folder: None, "at least 10 images.*0"),
    ]


@pytest.mark.parametrize(("fill", "words"), bad_folders())
def test_a_folder_that_cannot_be_used_is_one_sentence(tmp_path, fill, words):
    fill(tmp_path)
    with pytest.raises(InputError, match=words) as error:
        datasets.load(f"folder:{tmp_path}")
    assert "\n" not in str(error.value)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="folder"):
        datasets.load(f"folder:{tmp_path / 'nowhere'}")


def test_arrays_of_images_and_vectors(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, PIXELS.transpose(0, 3, 1, 2))
    data = datasets.load(f"npy:{path}")
    assert as_bytes(data.pool) | as_bytes(data.held_out) == {image.tobytes() for image in PIXELS.transpose(0, 3, 1, 2)}
    np.save(path, np.linspace(-1, 1, 20 * 16).reshape(20, 4, 4))
    assert datasets.load(f"npy:{path}").pool.shape == (16, 1, 4, 4)
    np.save(path, np.linspace(-9, 9, 60).reshape(20, 3))
    vectors = datasets.load(f"npy:{path}")
    assert vectors.pool.shape == (16, 3, 1, 1) and vectors.bound is None and abs(vectors.pool).max() > 1


def test_channels_last_are_recognised_where_the_sides_tell(tmp_path):
    np.save(tmp_path / "first.npy", PIXELS.transpose(0, 3, 1, 2))
    np.save(tmp_path / "last.npy", PIXELS)
    first, last = (datasets.load(f"npy:{tmp_path / name}.npy") for name in ("first", "last"))
    assert np.array_equal(first.pool, last.pool) and last.pool.shape[1:] == (3, 8, 8)
    # Three pixels a side: nothing tells which is which, and the documented order holds.
    np.save(tmp_path / "three.npy", PIXELS[:, :3, :3])
    assert as_bytes(datasets.load(f"npy:{tmp_path / 'three.npy'}").pool) <= {
        image.tobytes() for image in PIXELS[:, :3, :3]
    }


NAN = np.zeros((20, 4, 4))
NAN[3, 1, 1] = np.nan
UNIT = np.random.default_rng(0).uniform(0, 1, (20, 3, 8, 8))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (NAN, "finite.*NaN"),
        (np.full((20, 4, 4), 3.0), r"uint8 or lie in \[-1, 1\].*3"),
        (np.zeros((20, 4, 5)), "square"),
        (np.zeros((9, 4, 4)), "at least 10"),
        (np.zeros(20), "shape"),
        (np.zeros((20, 0, 8, 8)), r"none of them zero.*\(20, 0, 8, 8\)"),
        (np.zeros((20, 3, 0, 0)), "none of them zero"),
        (np.zeros((20, 0)), "none of them zero"),
        (np.zeros((20, 8, 4, 3)), "square"),
        (UNIT, r"values from .* to .*none below zero.*store 2 x - 1"),
        ((UNIT > 0.5).astype(np.uint8), "uint8 from 0 to 255 .*from 0 to 1"),
        ((255 * UNIT).astype(np.int64), r"uint8 or lie in \[-1, 1\].*2"),
        (np.full((20, 4, 4), np.iinfo(np.int64).min), r"at most 1e\+15"),
        (np.full((20, 4), 1e39), r"at most 1e\+15 in absolute value"),
        (np.full((20, 4), -1e300), r"at most 1e\+15 in absolute value"),
        (np.float64(3), "at least 10"),
        (np.array(["a"] * 20), "real numbers"),
        (np.array([object()] * 20), "cannot be read"),
    ],
)
def test_an_array_that_cannot_be_used_is_one_sentence(tmp_path, array, words):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(InputError, match=words):
        datasets.load(f"npy:{tmp_path / 'x.npy'}")


def test_a_truncated_or_missing_array_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", PIXELS)
    (tmp_path / "x.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:200])
    for name, words in (("x.npy", "cannot be read"), ("gone.npy", "a .npy file, but there is no")):
        with pytest.raises(InputError, match=words):
            datasets.load(f"npy:{tmp_path / name}")


def test_what_a_macintosh_leaves_beside_files_is_passed_over(tmp_path):
    write_folder(tmp_path, PIXELS)
    clean = datasets.load(f"folder:{tmp_path}")
    (tmp_path / "a" / "._00.png").write_bytes(b"\x00\x05\x16\x07 resource fork")
    (tmp_path / ".DS_Store").write_bytes(b"\x00")
    hidden = tmp_path / ".thumbnails"
    hidden.mkdir()
    Image.fromarray(PIXELS[0, :4, :4]).save(hidden / "small.png")
    again = datasets.load(f"folder:{tmp_path}")
    assert np.array_equal(clean.pool, again.pool) and np.array_equal(clean.pool_labels, again.pool_labels)


def test_sixteen_bits_reach_the_training_images(tmp_path):
    values = np.random.default_rng(1).integers(0, 65536, (20, 8, 8)).astype(np.uint16)
    write_folder(tmp_path, values)
    data = datasets.load(f"folder:{tmp_path}")
    back = {
        ((image.astype(float) + 1) * 32767.5).round().astype(np.uint16).tobytes()
        for image in (*data.pool, *data.held_out)
    }
    assert back == {image.tobytes() for image in values}
