"""What an experiment makes of a data set: classes, fewer pixels, grey, another range."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from genmem.empirics.analysis.mapping import images_of
from genmem.empirics.config import TrainConfig
from genmem.empirics.data import datasets
from genmem.shared.errors import InputError


@pytest.fixture
def colours(tmp_path):
    """The name of a data set of 60 random colour images of 8x8 pixels."""
    images = np.random.default_rng(0).integers(0, 256, (60, 3, 8, 8)).astype(np.uint8)
    np.save(tmp_path / "colours.npy", images)
    return f"npy:{tmp_path / 'colours.npy'}"


def test_fewer_pixels_are_means_over_blocks(colours):
    whole, small = (datasets.of_config(TrainConfig(data=colours, pixels=pixels)) for pixels in (0, 4))
    assert small.pool.shape[1:] == (3, 4, 4) and small.pool.dtype == np.float32
    for part in ("pool", "held_out"):
        before, after = getattr(whole, part), getattr(small, part)
        assert after[7, 1, 2, 3] == pytest.approx(before[7, 1, 4:6, 6:8].mean(), abs=1e-7)
    # A block mean keeps the mean, and for independent pixels divides the variance by the pixels of a block.
    assert small.pool.mean() == pytest.approx(whole.pool.mean(), abs=1e-6)
    assert small.pool.var() / whole.pool.var() == pytest.approx(1 / 4, rel=0.1)


def test_grey_is_what_pillow_makes_of_colours(colours):
    grey = datasets.of_config(TrainConfig(data=colours, grey=True))
    assert grey.pool.shape[1:] == (1, 8, 8)
    whole = datasets.of_config(TrainConfig(data=colours))
    bytes_ = ((whole.pool[3] + 1) * 127.5).round().astype(np.uint8).transpose(1, 2, 0)
    pillow = np.asarray(Image.fromarray(bytes_).convert("L"))
    assert abs((grey.pool[3, 0] + 1) * 127.5 - pillow).max() <= 1.0  # Pillow rounds to whole bytes
    digits = datasets.of_config(TrainConfig(grey=True))
    assert np.array_equal(digits.pool, datasets.load("digits").pool)


def test_chosen_classes_are_drawn_from_alone():
    data = datasets.of_config(TrainConfig(classes=(3, 8)))
    whole = datasets.load("digits")
    assert set(data.pool_labels) == set(data.held_out_labels) == {3, 8}
    assert len(data.pool) == np.isin(whole.pool_labels, (3, 8)).sum()


def test_the_range_of_bonnaire_is_half_as_wide_and_centered_by_the_training_images(colours):
    config = TrainConfig(data=colours, n=16, range="centered")
    data = datasets.of_config(config)
    training = datasets.training_images(config, data)
    assert abs(training.mean(axis=(0, 2, 3))).max() < 1e-7 and data.bound is None
    whole = datasets.of_config(TrainConfig(data=colours))
    np.testing.assert_allclose(np.ptp(data.pool, axis=0), np.ptp(whole.pool, axis=0) / 2, atol=1e-6)
    # The theory sees a quarter of the covariance.
    assert images_of(config)[1].mean == pytest.approx(images_of(TrainConfig(data=colours))[1].mean / 4, rel=1e-5)


def test_the_theory_sees_the_images_as_the_options_have_them(colours):
    d, spectrum = images_of(TrainConfig(data=colours, pixels=4, grey=True))
    images = datasets.of_config(TrainConfig(data=colours, pixels=4, grey=True)).pool.reshape(48, -1)
    assert d == 16
    assert spectrum.mean == pytest.approx(images.var(axis=0, ddof=1).mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pixels": 3}, "pixels must divide the side 8 of the images of digits, but 3 was given"),
        ({"pixels": 16}, "pixels must divide the side 8"),
        ({"data": "gmm", "pixels": 1}, "pixels must divide the side 1"),
        ({"classes": (3, 11)}, "classes must be among 0, 1, .*, but 11 was given"),
        ({"data": "gmm", "range": "centered"}, "range must be symmetric for the data gmm"),
        ({"data": "gmm", "grey": True}, "grey must be off for images of 8 channels"),
    ],
)
def test_an_option_that_the_data_do_not_allow_is_one_sentence(changes, words):
    with pytest.raises(InputError, match=words):
        datasets.of_config(TrainConfig(**changes))


@pytest.mark.parametrize(
    "changes", [{"pixels": 4}, {"classes": (1,)}, {"grey": True}, {"range": "centered"}, {"sampling_seed": 0}]
)
def test_each_option_changes_the_key_and_its_default_does_not(changes):
    assert dataclasses.replace(TrainConfig(), **changes).key != TrainConfig().key == "44136fa355b3"
