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


def fetched(name: str, file: str, url: str, kind: str, digest: str) -> Path:
    """The path of a file of the folder of the data, its hash checked; fetched, with a progress bar, if it is not there.

    name: of the data set. kind, digest: md5 or sha256, and its hexadecimal digits. Raises InputError, with what to do
    by hand, if it is another file or cannot be fetched.
    """
    import pooch
    import requests

    folder = Path(os.environ.get(FOLDER_VARIABLE) or pooch.os_cache("genmem"))
    path = folder / file
    by_hand = f"download {url} by hand and put it at {path}, or set {FOLDER_VARIABLE} to the folder that holds it"
    if not path.exists():
        try:
            pooch.retrieve(url, f"{kind}:{digest}", file, folder, progressbar=True)
        except (requests.RequestException, OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{name} could not be fetched ({reason}): {by_hand}") from None
    elif pooch.file_hash(str(path), alg=kind) != digest:
        raise InputError(
            f"{name}: {path} is truncated or another file (its {kind} is not {digest}): remove it, or {by_hand}"
        )
    return path


def md5_of(paths: Iterable[Path]) -> str:
    """The MD5 of the files' contents, one after the other: that of the file itself if it is one."""
    hashed = hashlib.md5()
    for path in paths:
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                hashed.update(chunk)
    return hashed.hexdigest()
