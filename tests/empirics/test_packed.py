"""What an export keeps of the numbers of a run, and that a changed byte is noticed."""

import numpy as np
import pytest

from genmem.empirics.records import packed, store
from genmem.empirics.samples.metrics import memorized

RANDOM = np.random.default_rng(0)


def milestones(count=9, samples=2000):
    """Losses that fall and samples of which some lie right at a threshold."""
    found = {}
    for k in range(count):
        d2 = RANDOM.uniform(1, 9, samples)
        ratio = RANDOM.choice([1 / 4, 1 / 3, 1 / 2], samples) * (1 + 2e-4 * RANDOM.standard_normal(samples))
        found[3 * k] = {
            "train_loss": (RANDOM.lognormal(size=(2, 50)) / (k + 1)).astype(np.float32),
            "d1": (ratio * d2).astype(np.float32),
            "d2": d2.astype(np.float32),
            "index": RANDOM.integers(0, 300, samples),
            "similarity": (0.6 + 1e-4 * RANDOM.standard_normal(samples)).astype(np.float32),
        }
    return found


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    path, made = tmp_path_factory.mktemp("packed") / "milestones.npz", milestones()
    made[6]["samples"] = np.arange(12, dtype=np.uint8).reshape(1, 3, 2, 2)
    packed.save(path, made, {"key": "x"}, similarities=(0.6,))
    return path, made


def test_means_are_exact_images_nearly_and_no_sample_changes_sides(kept):
    path, made = kept
    found, facts = packed.load(path)
    assert facts == {"key": "x"} and list(found) == list(made) == packed.steps_of(path)
    for step, arrays in made.items():
        back = found[step]
        np.testing.assert_allclose(back["train_loss"].mean(1), arrays["train_loss"].mean(1), rtol=1e-6)
        np.testing.assert_allclose(back["train_loss"], arrays["train_loss"], rtol=5e-3)
        for name in ("d1", "d2", "similarity"):
            assert back[name].dtype == np.float32
            np.testing.assert_allclose(back[name], arrays[name], rtol=3e-3)
        for threshold in (1 / 4, 1 / 3, 1 / 2):
            flags = (memorized(each["d1"], each["d2"], threshold) for each in (back, arrays))
            np.testing.assert_array_equal(*flags)
        np.testing.assert_array_equal(back["similarity"] > 0.6, arrays["similarity"] > 0.6)
        np.testing.assert_array_equal(back["index"], arrays["index"])
        assert ("samples" in back) == (step == 6)
    np.testing.assert_array_equal(found[6]["samples"], made[6]["samples"])


def test_rounding_alone_would_change_the_number_of_copies(kept):
    """The samples above are near enough to the thresholds for the test to mean something."""
    arrays = kept[1][0]
    near = (memorized(*(arrays[name].astype(np.float16).astype(float) for name in ("d1", "d2"))), 0)[0]
    assert (near != memorized(arrays["d1"], arrays["d2"])).sum() > 10


def test_numbers_that_half_precision_cannot_hold_are_kept_whole(tmp_path):
    path = tmp_path / "x.npz"
    arrays = {"d1": np.array([1e-9, 1e9, 0.0]), "d2": np.array([1e-8, 2e9, 1.0]), "test_loss": np.array([[0.0, 2.0]])}
    packed.save(path, {0: arrays}, {})
    found = packed.load(path)[0][0]
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


def test_the_same_content_is_the_same_file_and_a_changed_byte_is_noticed(kept, tmp_path):
    path, made = kept
    packed.save(tmp_path / "again.npz", made, {"key": "x"}, similarities=(0.6,))
    content = path.read_bytes()
    assert (tmp_path / "again.npz").read_bytes() == content
    assert len(content) < 0.4 * sum(array.nbytes for arrays in made.values() for array in arrays.values())
    broken = tmp_path / "broken.npz"
    for place in (len(content) // 3, len(content) - 30):
        broken.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(store.DamagedFile, match="cannot be read"):
            packed.load(broken)
    broken.write_bytes(content[:-100])
    with pytest.raises(store.DamagedFile):
        packed.steps_of(broken)
