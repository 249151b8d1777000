"""Files a command writes: refused before the work if they cannot be written, then written whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from genmem.shared.errors import Failure, InputError


class Unwritable(Failure, OSError):
    """A file could not be written: a full disk, or one that turned read-only. What was there before is still there."""

    def __init__(self, path: Path, reason: str):
        super().__init__(f"'{path}' could not be written: {reason}")
        self.strerror = reason


def writable_file(name: str, path: Path, suffix: str) -> Path:
    """Return `path` if a file whose name ends in `suffix` can be made there, else raise InputError; leaves nothing.

    Folders on the way may still be missing.
    """
    if path.suffix != suffix or path.is_dir():
        raise InputError(f"{name} must be a file name that ends in {suffix}, but '{path}' was given")
    _probe(name, path, path.parent)
    return path


def writable_folder(name: str, path: Path) -> Path:
    """Return `path` if files can be made in that folder, which may be missing yet, else raise InputError."""
    _probe(name, path, path)
    return path


def apart(name: str, out: Path, inputs: Iterable[Path], what: str = "the input") -> Path:
    """Return `out` if writing there changes none of `inputs`: it is none of these files or folders, and lies in none.

    Links are followed. Raises InputError otherwise. name: of the argument; what: the inputs are, in the message.
    """
    target = out.resolve()
    for each in inputs:
        source = each.resolve()
        if target == source or source in target.parents:
            raise InputError(f"{name} must not overwrite {what} '{each}', but '{out}' was given")
    return out


def visible(folder: Path, pattern: str) -> list[Path]:
    """The paths below `folder` that match a glob pattern, in order, without hidden ones: no part begins with a dot.

    macOS leaves a file ._x beside each x on foreign disks, and .DS_Store in each folder.
    """
    found = folder.glob(pattern)
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def _probe(name: str, path: Path, folder: Path) -> None:
    while not folder.exists():
        folder = folder.parent
    try:
        # Asking for permission is not enough: a full or read-only disk, or the superuser, gets a yes.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror
        raise InputError(f"{name} must be a path that can be written, but '{path}' was given: {reason}") from None


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a path to write to; it takes the place of `path` when the block ends well and vanishes when it does not.

    Raises Unwritable for any OSError of the block.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        raise Unwritable(path, error.strerror or str(error)) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def save_dataset(dataset, path: Path) -> None:
    """Write an xarray Dataset as NetCDF, whole or not at all, with the folders on the way; raises Unwritable."""
    # In memory first: HDF5 cannot let go of a file on a full disk, and crashes the process when that ends.
    content = dataset.to_netcdf(None, engine="h5netcdf")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unwritable(path, error.strerror or str(error)) from error
    with written_whole(path) as part:
        part.write_bytes(content)
