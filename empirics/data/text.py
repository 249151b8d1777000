"""Text in 27 symbols, the letters a to z and the space, cut into windows.

Mapped as text8 is (Mahoney, http://mattmahoney.net/dc/textdata.html): small letters, digits spelled out, and a space
for any run of other characters. Accents are taken off first. Windows do not overlap; the last tenth of the text is held
out.
"""

import re
import unicodedata
import zipfile
from pathlib import Path

import numpy as np

from genmem.empirics.data.places import fetched
from genmem.shared.errors import InputError

SYMBOLS = " abcdefghijklmnopqrstuvwxyz"
WINDOW = 64
HELD_OUT, MOST_HELD_OUT = 0.1, 2**11
_DIGITS = dict(zip("0123456789", "zero one two three four five six seven eight nine".split(), strict=True))
_TEXT8 = "https://mattmahoney.net/dc/text8.zip"
_TEXT8_SHA256 = "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232"


def mapped(text: str) -> str:
    """The text in the 27 characters of SYMBOLS, without two spaces in a row."""
    plain = unicodedata.normalize("NFKD", text).lower()
    plain = "".join(mark for mark in plain if not unicodedata.combining(mark))
    plain = re.sub("[0-9]", lambda digit: f" {_DIGITS[digit.group()]} ", plain)
    return re.sub("[^a-z]+", " ", plain).strip()


def encoded(text: str) -> np.ndarray:
    """The places (length,) in SYMBOLS of a mapped text's characters."""
    codes = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int16)
    return np.where(codes == ord(" "), 0, codes - ord("a") + 1).astype(np.int16)


def decoded(string) -> str:
    """The text of symbols (length,)."""
    return "".join(SYMBOLS[symbol] for symbol in np.asarray(string).tolist())


def windows(text: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Windows (N, 64) of a mapped text to train on, and those held out; raises InputError if it is too short."""
    symbols = encoded(text)
    whole = symbols[: len(symbols) // WINDOW * WINDOW].reshape(-1, WINDOW)
    out = int(HELD_OUT * len(whole))
    if out < 1:
        raise InputError(
            f"data must be a text of at least {round(1 / HELD_OUT) * WINDOW} letters and spaces, ten windows of "
            f"{WINDOW}, but {name} has {len(symbols)}"
        )
    # All windows of the last tenth are kept from training, also where fewer are measured.
    return whole[:-out], whole[-out:][:MOST_HELD_OUT]


def of_file(path: Path) -> str:
    """The mapped text of a file; raises InputError for a folder and for a file that is not UTF-8."""
    if not path.is_file():
        raise InputError(f"data must name a text file, but {str(path)!r} is none")
    try:
        return mapped(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(
            f"data must name a text file in UTF-8, but {str(path)!r} is not: its byte {error.start} is no character"
        ) from None


def of_python() -> str:
    """The English text that comes with every Python: its own reference, as `help()` shows it."""
    from pydoc_data.topics import topics

    return mapped("\n".join(topics[name] for name in sorted(topics)))


def text8() -> str:
    """The 100 million characters of text8, fetched once; see places.fetched."""
    path = fetched("text8", "text8.zip", _TEXT8, "sha256", _TEXT8_SHA256)
    with zipfile.ZipFile(path) as archive:
        return archive.read("text8").decode("ascii").strip()
