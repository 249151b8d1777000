"""Rows that are computed one by one and survive an interruption."""

import hashlib
import time
from pathlib import Path

import numpy as np

from genmem.shared.errors import InputError
from genmem.shared.files import written_whole

SECONDS_BETWEEN_SAVES = 5.0


class ResumableRows:
    """Rows of floats, saved to `path` now and then; a new table of the same settings goes on from the file.

    shape: (rows, ...). settings: anything whose repr tells one computation from another. path: None keeps the rows in
    memory only. Raises InputError if the file belongs to other settings or is no such file.
    """

    def __init__(self, shape: tuple[int, ...], settings, path=None):
        with np.printoptions(precision=17, threshold=2**62):
            self._key = hashlib.sha256(repr((shape, settings)).encode()).hexdigest()
        self.values = np.full(shape, np.nan)
        self._done = np.zeros(shape[0], dtype=bool)
        self._path = None if path is None else Path(path)
        self._saved = time.monotonic()
        if self._path is not None and self._path.exists():
            self._load(self._path)

    def _load(self, path: Path) -> None:
        try:
            with np.load(path, allow_pickle=False) as file:
                key, done, values = str(file["key"]), file["done"], file["values"]
        except Exception:
            raise InputError(f"resume must be a file of finished rows, but '{path}' is none: remove it") from None
        if key != self._key:
            raise InputError(
                f"resume must hold rows of the same computation, but '{path}' belongs to another: remove it, or "
                "write somewhere else"
            )
        self._done, self.values = done, values

    def missing(self) -> np.ndarray:
        """The places of the rows that are still to be computed."""
        return np.flatnonzero(~self._done)

    def put(self, i: int, row: np.ndarray) -> None:
        """Set row i; every few seconds, save."""
        self.values[i], self._done[i] = row, True
        if time.monotonic() - self._saved > SECONDS_BETWEEN_SAVES:
            self.save()

    def save(self) -> None:
        """Write the finished rows, if there is a path to write to."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(self._path) as part, open(part, "wb") as file:
            np.savez(file, key=np.array(self._key), done=self._done, values=self.values)
        self._saved = time.monotonic()

    def discard(self) -> None:
        """Remove the file: the table is complete and in better hands."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
