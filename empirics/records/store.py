"""Tensors on disk: one safetensors file, written atomically, with a checksum. No pickle is ever read."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from genmem.shared.errors import InputError


class DamagedFile(Exception):
    """The file is not what was written; the message is one sentence."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a kill or a power cut at any moment leaves the old file or the new one.

    One process at a time may write to a directory; what a kill leaves behind is overwritten by the next write there.
    Raises InputError if the disk is full, or refuses for another reason; the old file is then still there.
    """
    temporary = path.with_name(".partial")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(
            f"{str(path)!r} cannot be written: {error.strerror}; what was written before is whole"
        ) from None
    if os.name != "posix":
        return  # Elsewhere folders cannot be opened, and the file system keeps names in order by itself.
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def save(path: Path, arrays: dict[str, np.ndarray], facts: dict) -> None:
    """Write arrays by name and JSON-serialisable facts."""
    from safetensors.numpy import save as serialise

    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    text = json.dumps(facts, sort_keys=True)
    write_bytes(path, serialise(arrays, metadata={"facts": text, "digest": _digest(arrays, text)}))


def load(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """The arrays and facts of `save`; raises DamagedFile if a single bit of either has changed."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (a handle, not a dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise DamagedFile(f"{path} cannot be read: {error}") from None
    if _digest(arrays, metadata.get("facts", "")) != metadata.get("digest"):
        raise DamagedFile(f"{path} does not match its checksum")
    return arrays, json.loads(metadata["facts"])


def _digest(arrays: dict[str, np.ndarray], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
