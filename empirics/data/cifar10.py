"""CIFAR-10 from its binary archive, or from an extracted folder: bytes, no pickle, and nothing is unpacked onto the
disk.

Each record is one byte of label and 3 x 32 x 32 bytes of pixels (Krizhevsky, 2009;
https://www.cs.toronto.edu/~kriz/cifar.html). The archive is taken from the folder that the environment variable
GENMEM_DATA names, by default the user's cache, and fetched to it once.
"""

import tarfile
import zlib
from pathlib import Path

import numpy as np

from genmem.empirics.data.places import fetched, found
from genmem.shared.errors import InputError

FILE = "cifar-10-binary.tar.gz"
URL = f"https://www.cs.toronto.edu/~kriz/{FILE}"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
_TRAIN = tuple(f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6))
_TEST = ("cifar-10-batches-bin/test_batch.bin",)
_RECORD = 1 + 3 * 32 * 32


def archive(url: str = URL, md5: str = MD5) -> Path:
    """The archive's path, with its hash checked; fetched, with a progress bar, if it is not there yet.

    Raises InputError, with what to do by hand, if it is not the archive or cannot be fetched.
    """
    return fetched("cifar10", FILE, url, "md5", md5)


def at(path: str, recorded: Path | None = None) -> Path:
    """An archive or folder of the same layout, whatever its images; see places.found."""
    return found(path, "an archive or a folder in the layout of CIFAR-10's binary version", recorded)


def files(path: Path) -> list[Path]:
    """The files that an archive or folder of the layout consists of."""
    return [_members(path) / Path(name).name for name in (*_TRAIN, *_TEST)] if path.is_dir() else [path]


def read(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training images (N, 3, 32, 32), float32 in [-1, 1], their labels (N,), and the same of the test images.

    path: of an archive, or of a folder that holds its members, with or without the folder that they lie in there.
    Raises InputError if it does not have this content.
    """
    try:
        if path.is_dir():
            parts = [_records(file.read_bytes()) for file in files(path)]
        else:
            with tarfile.open(path, "r:gz") as tar:
                parts = [_records(_content(tar, name)) for name in (*_TRAIN, *_TEST)]
    except FileNotFoundError as error:
        raise InputError(f"cifar10: {path} has no file {Path(error.filename).name!r}") from None
    except KeyError as error:
        raise InputError(f"cifar10: {path} has no member {str(error.args[0]).split(chr(39))[1]!r}") from None
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"cifar10: {path} cannot be read: {error}") from None
    except ValueError:
        raise InputError(f"cifar10: {path} holds members that are no records of {_RECORD} bytes") from None
    train, test = np.concatenate(parts[: len(_TRAIN)]), parts[-1]
    return tuple(array for records in (train, test) for array in (_images(records), records[:, 0].astype(int)))


def _members(folder: Path) -> Path:
    inner = folder / Path(_TRAIN[0]).parent
    return inner if inner.is_dir() else folder


def _content(tar: tarfile.TarFile, name: str) -> bytes:
    member = tar.extractfile(name)
    if member is None:
        raise ValueError
    return member.read()


def _records(content: bytes) -> np.ndarray:
    return np.frombuffer(content, np.uint8).reshape(-1, _RECORD)


def _images(records: np.ndarray) -> np.ndarray:
    return records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / 127.5 - 1
