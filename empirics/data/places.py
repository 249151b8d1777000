"""Where the files of a data set are: a name says a path, and a record is read from any directory, on any machine."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from genmem.shared.errors import InputError

FOLDER_VARIABLE = "GENMEM_DATA"
_CHUNK = 1 << 20


def found(path: str, what: str, recorded: Path | None = None) -> Path:
    """The file or folder that a data set's name calls `path`: at `recorded`, at `path`, or there below the folder of
    the data.

    The first of these that exists. So a record that says `folder:photos` is read on any machine on which GENMEM_DATA
    names the folder of the photos, and from any directory of the machine that trained it. Raises InputError if there is
    nothing.

    recorded: where it was when the run was trained, absolute. what: what it must be, for the message.
    """
    home = os.environ.get(FOLDER_VARIABLE)
    places = [*([recorded] if recorded else []), Path(path).expanduser(), *([Path(home) / path] if home else [])]
    for place in places:
        if place.exists():
            return place
    raise InputError(
        f"data must name {what}, but there is no {' and no '.join(repr(str(place)) for place in places)}; "
        f"{FOLDER_VARIABLE} may name the folder that holds it"
    )


def md5_of(paths: Iterable[Path]) -> str:
    """The MD5 of the files' contents, one after the other: that of the file itself if it is one."""
    hashed = hashlib.md5()
    for path in paths:
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                hashed.update(chunk)
    return hashed.hexdigest()
