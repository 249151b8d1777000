import numpy as np
import pytest

from genmem.empirics.data import datasets
from genmem.empirics.data.text import SYMBOLS, decoded, encoded, mapped, windows
from genmem.shared.errors import InputError


def test_text_is_mapped_as_text8_is():
    assert mapped("  The 3rd café,\n\n(naïve) 10%! ") == "the three rd cafe naive one zero"
    assert mapped("日本 ß") == "" or set(mapped("日本 ß")) <= set(SYMBOLS)
    text = "the quick brown fox jumps over the lazy dog"
    assert decoded(encoded(text)) == text and encoded(" az").tolist() == [0, 1, 26]


def test_windows_are_the_text_in_order_and_none_is_held_out_and_trained_on(tmp_path):
    rng = np.random.default_rng(0)
    text = "".join(SYMBOLS[1:][i] for i in rng.integers(26, size=64 * 50 + 13))
    pool, out = windows(text, "it")
    assert "".join(map(decoded, [*pool, *out])) == text[: 64 * 50] and len(out) == 5
    path = tmp_path / "a.txt"
    path.write_text(text, encoding="utf-8")
    data = datasets.load(f"text:{path}")
    assert (data.pool == pool).all() and data.symbols == 27 and data.shape == (64, 27)
    assert datasets.source(f"text:{path}")["path"] == str(path)
    with pytest.raises(InputError, match="n must be at most 45, the training pool of text:"):
        data.subset(46, 0)


def test_the_text_that_python_carries_is_english():
    data = datasets.load("text")
    assert len(data.pool) > 2048 and len(data.held_out) > 256
    words = decoded(data.pool[:200].ravel()).split()
    assert words.count("the") > 0.02 * len(words)


def test_what_is_no_text_is_refused(tmp_path):
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"abc\xff\xfe" * 300)
    with pytest.raises(InputError, match="data must name a text file in UTF-8, but .* its byte 3 is no character"):
        datasets.load(f"text:{bad}")
    short = tmp_path / "short.txt"
    short.write_text("a few words")
    with pytest.raises(InputError, match="data must be a text of at least 640 letters and spaces.*but .* has 11"):
        datasets.load(f"text:{short}")
    with pytest.raises(InputError, match="data must name a text file, but .* is none"):
        datasets.load(f"text:{tmp_path}")
    with pytest.raises(InputError, match="data must name a text file, but there is no"):
        datasets.load("text:nowhere.txt")


def test_text8_is_refused_unless_it_is_text8(tmp_path, monkeypatch):
    monkeypatch.setenv("GENMEM_DATA", str(tmp_path))
    (tmp_path / "text8.zip").write_bytes(b"no zip")
    with pytest.raises(InputError, match="text8: .* is truncated or another file .its sha256 is not a664"):
        datasets.load("text8")
