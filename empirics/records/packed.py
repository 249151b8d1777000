"""What a run recorded at all its milestones in one small file, as `genmem export` writes it.

    <run>/milestones.npz        in place of <run>/milestones/<step>.safetensors
    <run>/metrics/<space>.npz   in place of <run>/metrics/<space>/<step>.safetensors

A zip archive of arrays in numpy's format, compressed (LZMA), with a checksum of each. No pickle is ever read. Small it is
for three reasons: one header for all milestones; whole numbers in as few bytes as hold them; and of the long arrays the
digits that decide nothing are left out:

- losses of images: 2048 equal steps in their logarithm, as differences between milestones. Their means over the images,
  of which curves and times are made, are kept to all digits beside them, and what is read has these means.
- distances and similarities: half precision (three digits), moved by another one or two of its steps where a sample
  would else change sides at one of the thresholds on them.
"""

import io
import json
import lzma
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from genmem.empirics.records.store import DamagedFile, write_bytes
from genmem.empirics.samples.metrics import OTHER_THRESHOLDS, THRESHOLD, memorized

LOSSES = ("train_loss", "test_loss", "copies_loss")
_HALVES = ("d1", "d2", "d_held_out", "similarity", "similarity_held_out", "agreement", "with_untrained")
_LEVELS = 2047
_FACTS = "facts.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)
Arrays = dict[str, np.ndarray]


def save(path: Path, milestones: Mapping[int, Arrays], facts: dict, similarities: Sequence[float] = ()) -> None:
    """Write arrays by name at each step, and JSON-serialisable facts. An array may be missing at some of the steps.

    similarities: thresholds on similarities, which no sample crosses by rounding.
    """
    steps = sorted(milestones)
    parts = {"steps": np.array(steps)}
    for name in sorted({name for arrays in milestones.values() for name in arrays}):
        rows = [row for row, step in enumerate(steps) if name in milestones[step]]
        stack = np.stack([np.asarray(milestones[steps[row]][name]) for row in rows])
        if len(rows) < len(steps):
            parts[f"{name}.rows"] = np.array(rows)
        if name in LOSSES and stack.size and np.all((stack > 0) & np.isfinite(stack)):
            parts |= {f"{name}.{part}": array for part, array in _levels(stack).items()}
        else:
            parts[name] = _half(stack) if name in _HALVES else stack
    if "d1" in parts and "d2" in parts:
        parts["d1"] = _same_copies(*(np.stack([milestones[step][name] for step in steps]) for name in ("d1", "d2")))
    for name in ("similarity", "similarity_held_out"):
        if name in parts:
            exact = np.stack([milestones[step][name] for step in steps])
            parts[name] = _same_sides(exact, similarities)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_LZMA) as archive:
        _write(archive, _FACTS, json.dumps(facts, sort_keys=True).encode())
        for name, array in parts.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asarray(_few_bytes(array), order="C"), allow_pickle=False)
            _write(archive, f"{name}.npy", member.getvalue())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, content.getvalue())


def load(path: Path) -> tuple[dict[int, Arrays], dict]:
    """The arrays at each step and the facts of `save`; raises DamagedFile if the file is not what was written."""
    try:
        with zipfile.ZipFile(path) as archive:
            facts = json.loads(archive.read(_FACTS))
            names = [name.removesuffix(".npy") for name in archive.namelist() if name != _FACTS]
            parts = {name: _read(archive, name) for name in names}
            steps = parts.pop("steps").tolist()
            found: dict[int, Arrays] = {step: {} for step in steps}
            for name in dict.fromkeys(part.partition(".")[0] for part in parts):
                rows = parts.get(f"{name}.rows", np.arange(len(steps)))
                for row, array in zip(rows, _unpacked(name, parts), strict=True):
                    found[steps[row]][name] = array
    except (zipfile.BadZipFile, lzma.LZMAError, OSError, ValueError, KeyError, IndexError, EOFError) as error:
        raise DamagedFile(f"{path} cannot be read: {error}") from None
    return found, facts


def steps_of(path: Path) -> list[int]:
    """The steps in a file of `save`; raises DamagedFile as `load` does."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, "steps").tolist()
    except (zipfile.BadZipFile, lzma.LZMAError, OSError, ValueError, KeyError, EOFError) as error:
        raise DamagedFile(f"{path} cannot be read: {error}") from None


def _write(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """The same content makes the same file, whenever it is written."""
    member = zipfile.ZipInfo(name, _EPOCH)
    member.compress_type = zipfile.ZIP_LZMA
    archive.writestr(member, content)


def _read(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    return np.lib.format.read_array(io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)


def _unpacked(name: str, parts: Arrays) -> np.ndarray:
    if name in parts:
        array = parts[name]
        return array.astype(np.float32) if array.dtype == np.float16 else array
    low_bytes, high_bytes = parts[f"{name}.levels"].astype(np.int64)
    folded = low_bytes + (high_bytes << 8)
    levels = np.cumsum((folded >> 1) ^ -(folded & 1), axis=0)
    low, high = parts[f"{name}.ends"]
    values = np.exp(low + levels * ((high - low) / _LEVELS))
    return (values * (parts[f"{name}.mean"] / values.mean(-1))[..., None]).astype(np.float32)


def _levels(stack: np.ndarray) -> Arrays:
    """Positive numbers (K, ..., N) as their means (K, ...), the ends of their logarithms, and steps between these.

    What is stored of the steps are their differences along K, folded to 0, -1, 1, -2 ... as 0, 1, 2, 3 ..., first the low
    and then the high bytes (2, K, ..., N): most of the high ones are zero, and take no room.
    """
    logs = np.log(stack.astype(float))
    low, high = logs.min(), logs.max()
    levels = np.rint((logs - low) * (_LEVELS / (high - low or 1))).astype(np.int64)
    differences = np.diff(levels, axis=0, prepend=np.zeros_like(levels[:1]))
    folded = (differences << 1) ^ (differences >> 63)
    halves = np.stack([folded & 255, folded >> 8]).astype(np.uint8)
    return {"levels": halves, "ends": np.array([low, high]), "mean": stack.mean(-1, dtype=float)}


def _half(array: np.ndarray) -> np.ndarray:
    """Half precision, where no number is too large or too small for it."""
    sizes = np.abs(array[array != 0])
    limits = np.finfo(np.float16)
    fits = array.dtype.kind == "f" and np.all((sizes >= limits.smallest_normal) & (sizes <= limits.max))
    return array.astype(np.float16) if fits else array


def _same_copies(d1: np.ndarray, d2: np.ndarray) -> np.ndarray:
    """d1, rounded so that each sample is memorized at the usual thresholds as it was."""
    rounded = np.asarray(_half(d2), float)
    near = _half(d1)
    for threshold in (THRESHOLD, *OTHER_THRESHOLDS):
        copied = memorized(d1, d2, threshold)
        near = _moved(near, lambda x, c=copied, t=threshold: (c, memorized(x, rounded, t)), rising=False)
    return near


def _same_sides(exact: np.ndarray, thresholds: Sequence[float]) -> np.ndarray:
    """Similarities, rounded so that each lies above a threshold if it did."""
    near = _half(exact)
    for threshold in thresholds:
        near = _moved(near, lambda x, t=threshold: (exact > t, x > t), rising=True)
    return near


def _moved(near: np.ndarray, flags: Callable, rising: bool) -> np.ndarray:
    """`near`, its numbers moved by steps of its precision until the flags of what was and of what is are the same.

    rising: a larger number raises the flag.
    """
    for _ in range(4):
        was, now = flags(near.astype(float))
        if np.array_equal(was, now):
            break
        target = np.where(was == rising, np.inf, -np.inf).astype(near.dtype)
        near = np.where(was == now, near, np.nextafter(near, target))
    return near


def _few_bytes(array: np.ndarray) -> np.ndarray:
    """Whole numbers in the smallest type that holds them."""
    if array.dtype.kind not in "iu" or not array.size:
        return array
    return array.astype(np.result_type(np.min_scalar_type(array.min()), np.min_scalar_type(array.max())))
