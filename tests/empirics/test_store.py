import numpy as np
import pytest

from genmem.empirics.records import store

ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([1, 2], dtype=np.int64), "c": np.float64(3)}


@pytest.fixture
def path(tmp_path):
    store.save(tmp_path / "x.safetensors", ARRAYS, {"step": 7})
    return tmp_path / "x.safetensors"


def test_what_was_written_is_read(path):
    arrays, facts = store.load(path)
    assert facts == {"step": 7} and arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype and np.array_equal(arrays[name], array)
    assert [p.name for p in path.parent.iterdir()] == ["x.safetensors"]


def test_every_flipped_bit_and_every_cut_is_noticed(path):
    content = path.read_bytes()
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        try:
            arrays, facts = store.load(path)
        except store.DamagedFile:
            continue
        # A flip in the header that renames nothing and moves nothing (a space, say) does no harm.
        assert facts == {"step": 7} and all(np.array_equal(arrays[name], ARRAYS[name]) for name in ARRAYS)
    for length in (0, 4, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(store.DamagedFile):
            store.load(path)


def test_a_kill_between_writing_and_renaming_leaves_the_old_file(path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(store.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        store.save(path, {"a": np.zeros(1)}, {"step": 8})
    assert store.load(path)[1] == {"step": 7}
