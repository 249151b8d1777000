"""How far a milestone's samples are from the training images and from held-out ones, in a feature space.

Computed once for each milestone and feature space, and stored beside it:

    <run>/metrics/<space>/<step>.safetensors

or, in an exported record, all milestones in <run>/metrics/<space>.npz.
Distances to finite sets of images depend on how many there are, so the distance to the training images and that to
held-out ones are taken to equally many of each.
"""

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from genmem.empirics.randomness import derived_seed
from genmem.empirics.records import locks, packed, store
from genmem.empirics.records.runs import RunRecord
from genmem.empirics.samples.features import RANDOM_CONV, FeatureSpace, feature_space
from genmem.empirics.samples.metrics import (
    fraction_interval,
    frechet_distance,
    nearest_similarity,
    sliced_wasserstein,
    with_error,
)
from genmem.shared.errors import InputError
from genmem.shared.files import visible

log = logging.getLogger(__name__)

COPY_SIMILARITY = 0.6
DISTANCES = {"swd": sliced_wasserstein, "fid": frechet_distance}
_NAMES = ("swd_train", "swd_test", "fid_train", "fid_test")
_ARRAYS = ("similarity", "nearest", "similarity_held_out")
# Part of each stored file: metrics of another recipe are computed again.
_RECIPE = 1


@dataclasses.dataclass(frozen=True)
class Metrics:
    """The metrics of one milestone in one feature space.

    distances: for each of swd_train, swd_test, fid_train, fid_test its value and standard error (from the choice of
    the samples). real: swd and fid between the training and the held-out images themselves, the same at each milestone.
    similarity (S,): each sample's largest cosine similarity to a training image, and nearest (S,) which image that is.
    similarity_held_out (S,): the same to equally many held-out images (or all of them, if there are fewer), which no
    model has seen: what similarity means without copying. Similarities are around the mean of the held-out images.
    """

    space: str
    distances: dict[str, tuple[float, float]]
    real: dict[str, float]
    similarity: np.ndarray
    nearest: np.ndarray
    similarity_held_out: np.ndarray

    def copy_score(self, threshold: float = COPY_SIMILARITY) -> tuple[float, float, float]:
        """Fraction of samples more similar than `threshold` to a training image, with its 95 % bootstrap interval
        (Marion and Wu, arXiv:2605.06077; their 0.6 is meant for self-supervised features)."""
        return fraction_interval(self.similarity > threshold)

    def copy_score_held_out(self, threshold: float = COPY_SIMILARITY) -> tuple[float, float, float]:
        """The same to held-out images: the score of a model that cannot copy."""
        return fraction_interval(self.similarity_held_out > threshold)


def metrics_of(record: RunRecord, step: int, space: FeatureSpace | str = RANDOM_CONV) -> Metrics:
    """The metrics of a recorded step, read if they were stored, else computed and stored.

    Raises InputError if the step was not recorded, or if its samples are not all there to compute from.
    """
    space = feature_space(space) if isinstance(space, str) else space
    return _metrics_of(record, step, space, functools.cache(lambda: _references(record, space)))


def distance_curve(record: RunRecord, name: str, space: FeatureSpace | str = RANDOM_CONV) -> np.ndarray:
    """The distance swd_train, swd_test, fid_train or fid_test and its standard error at each step of a run, (K, 2)."""
    return np.array([metrics.distances[name] for metrics in all_metrics(record, space)]).reshape(-1, 2)


def all_metrics(record: RunRecord, space: FeatureSpace | str = RANDOM_CONV) -> list[Metrics]:
    """The metrics of each recorded step of a run."""
    space = feature_space(space) if isinstance(space, str) else space
    references = functools.cache(lambda: _references(record, space))
    return [_metrics_of(record, int(step), space, references) for step in record.steps]


def kl_to_truth(record: RunRecord, step: int) -> tuple[float, float] | None:
    """KL divergence in nats of the law that the network generates from the true density, and its standard error.

    The mean of log q(x) - log p(x) over the samples x, where both densities are known exactly: p that of the data set
    and q that of the process (see Process.log_density). None where one of them is not known.
    """
    if "kl" in (milestone := record.milestone(step)):
        # An export has it in place of what it is made of.
        return tuple(milestone["kl"].tolist())
    log_density = record.log_density(step)
    if log_density is None or (truth := record.true_log_density) is None:
        return None
    gaps = log_density - truth(_samples(record, step))
    return float(gaps.mean()), float(gaps.std() / np.sqrt(len(gaps)))


@dataclasses.dataclass(frozen=True)
class _References:
    """Features of all training and all held-out images, and the mean of the latter."""

    train: np.ndarray
    test: np.ndarray
    centre: np.ndarray

    @property
    def equal(self) -> dict[str, np.ndarray]:
        """Equally many of both."""
        count = min(len(self.train), len(self.test))
        return {"train": self.train[:count], "test": self.test[:count]}

    @functools.cached_property
    def real(self) -> dict[str, float]:
        """The distances between them."""
        return {name: distance(*self.equal.values()) for name, distance in DISTANCES.items()}


def _references(record: RunRecord, space: FeatureSpace) -> _References:
    held_out = record.held_out_images()
    # They may come in an order of their own, by photograph or class.
    order = np.random.default_rng(derived_seed(0, "reference")).permutation(len(held_out))
    test = space(held_out[order])
    return _References(space(record.training_images()), test, test.mean(axis=0))


def _metrics_of(record: RunRecord, step: int, space: FeatureSpace, references: Callable[[], _References]) -> Metrics:
    if stored := _stored(record, step, space.name):
        return stored
    metrics = _compute(space(_samples(record, step)), references(), space.name)
    path = _path(record, step, space.name)
    arrays = {name: getattr(metrics, name) for name in _ARRAYS}
    facts = {"identity": _identity(record, space.name) | {"step": step}}
    facts |= {"distances": metrics.distances, "real": metrics.real}
    try:
        with _only_writer(path.parent):
            store.save(path, arrays, facts)
    except OSError as error:
        log.warning("%s cannot be stored (%s); it will be computed again next time", path, error.strerror)
    return metrics


def _stored(record: RunRecord, step: int, space: str) -> Metrics | None:
    """The metrics in a file of their own, or among those that an export kept; None if they are in neither."""
    path = _path(record, step, space)
    if path.exists():
        try:
            arrays, facts = store.load(path)
            if facts["identity"] == _identity(record, space) | {"step": step}:
                return _read(arrays, facts)
        except store.DamagedFile as error:
            log.warning("%s; computing it again", error)
    path = path.parent.with_suffix(".npz")
    return _packed(path, path.stat().st_mtime_ns, record.key).get(step) if path.exists() else None


def _path(record: RunRecord, step: int, space: str) -> Path:
    return record.directory / "metrics" / space / f"{step:09d}.safetensors"


def _identity(record: RunRecord, space: str) -> dict:
    return {"key": record.key, "space": space, "recipe": _RECIPE}


def spaces_of(record: RunRecord) -> list[str]:
    """The feature spaces in which metrics of a run were stored, and the one in which they always are."""
    stored = (path.name.removesuffix(".npz") for path in visible(record.directory / "metrics", "*"))
    return sorted({*stored, *([RANDOM_CONV] if record.config.samples else [])})


def pack(record: RunRecord, space: str, target: Path) -> None:
    """Write the metrics of a run in a feature space to the exported record in `target`."""
    if space == RANDOM_CONV:
        found = dict(zip(record.steps.tolist(), all_metrics(record, space), strict=True))
    else:
        # Another space may take a file of weights to compute what is missing.
        found = {step: metrics for step in record.steps.tolist() if (metrics := _stored(record, step, space))}
    if not found:
        return
    milestones = {
        step: {name: getattr(metrics, name) for name in _ARRAYS}
        | {"distances": np.array([metrics.distances[name] for name in _NAMES])}
        for step, metrics in found.items()
    }
    facts = {"identity": _identity(record, space), "real": next(iter(found.values())).real}
    packed.save(target / "metrics" / f"{space}.npz", milestones, facts, similarities=(COPY_SIMILARITY,))


@functools.lru_cache(maxsize=32)
def _packed(path: Path, changed: int, key: str) -> dict[int, Metrics]:
    """The metrics of a run in an export's file, by step. changed: when the file last was."""
    try:
        milestones, facts = packed.load(path)
    except store.DamagedFile as error:
        log.warning("%s; computing it again", error)
        return {}
    identity = facts.get("identity", {})
    if identity != {"key": key, "space": identity.get("space"), "recipe": _RECIPE}:
        return {}
    found = {}
    for step, arrays in milestones.items():
        distances = dict(zip(_NAMES, map(tuple, arrays.pop("distances").tolist()), strict=True))
        found[step] = Metrics(identity["space"], distances, facts["real"], **arrays)
    return found


def _compute(samples: np.ndarray, references: _References, space: str) -> Metrics:
    distances = {
        name: with_error(DISTANCES[kind], samples, references.equal[split])
        for name in _NAMES
        for kind, split in [name.split("_")]
    }
    similarity, nearest = nearest_similarity(samples, references.train, references.centre)
    control = references.test[: len(references.train)]
    return Metrics(
        space,
        distances,
        references.real,
        similarity,
        nearest.astype(np.int32),
        nearest_similarity(samples, control, references.centre)[0],
    )


def _read(arrays: dict[str, np.ndarray], facts: dict) -> Metrics:
    distances = {name: tuple(facts["distances"][name]) for name in _NAMES}
    return Metrics(facts["identity"]["space"], distances, facts["real"], **arrays)


def _samples(record: RunRecord, step: int) -> np.ndarray:
    samples = record.samples(step)
    if len(samples) != record.config.samples:
        raise InputError(
            f"the run in {record.directory} keeps {len(samples)} of its {record.config.samples} samples "
            f"at step {step}, too few to compute metrics that were not stored"
        )
    return samples


@contextlib.contextmanager
def _only_writer(directory: Path) -> Iterator[None]:
    """Wait until no other process writes to `directory`; the lock dies with the process."""
    directory.mkdir(parents=True, exist_ok=True)
    with locks.holding(directory / "lock", wait=True):
        yield
