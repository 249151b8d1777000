"""How far a milestone's samples are from the training images and from held-out ones, in a feature space.

Computed once for each milestone and feature space, and stored beside it:

    <run>/metrics/<space>/<step>.safetensors

or, in an exported record, all milestones in <run>/metrics/<space>.npz.

Distances of the sliced Wasserstein and the Frechet kind depend on how many images there are. So each is taken three
times: to all held-out images, which says how good samples are and has one floor for every n; and to equally many
training and held-out images, which are compared with each other. The kernel distance has no such bias: its floor is
zero. What the floor is, as many real images that the run has not trained on tell.
"""

import contextlib
import dataclasses
import functools
import logging
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from genmem.empirics.processes.table import PROCESSES
from genmem.empirics.randomness import derived_seed
from genmem.empirics.records import locks, packed, store
from genmem.empirics.records.runs import RunRecord
from genmem.empirics.samples.features import RANDOM_CONV, FeatureSpace, feature_space
from genmem.empirics.samples.metrics import (
    LEAST_SAMPLES,
    Reference,
    fraction_interval,
    frechet_distance,
    kernel_distance,
    nearest_similarity,
    sliced_wasserstein,
    with_error,
)
from genmem.shared.errors import InputError
from genmem.shared.files import visible

log = logging.getLogger(__name__)

COPY_SIMILARITY = 0.6
"""The threshold of Marion and Wu (arXiv:2605.06077), for the self-supervised features that it was chosen for."""
REAL_QUANTILE = 0.99
"""The share of held-out images that a threshold on similarity must not call copies."""
DISTANCES = {"swd": sliced_wasserstein, "fid": frechet_distance, "kid": kernel_distance}
_NAMES = (
    *("swd_train", "swd_test", "swd_equal", "fid_train", "fid_test", "fid_equal"),
    *("kid_train", "kid_test"),
)
_ARRAYS = ("similarity", "nearest", "similarity_held_out")
# Part of each stored file: metrics of another recipe are computed again, if the samples are there to compute from.
_RECIPE = 2
# What the first recipe called swd_test and fid_test was to as many held-out as training images.
_FIRST_RECIPE = 1
_FIRST_NAMES = {
    "swd_train": "swd_train",
    "swd_test": "swd_equal",
    "fid_train": "fid_train",
    "fid_test": "fid_equal",
}
_FLOORS = 8


@dataclasses.dataclass(frozen=True)
class Metrics:
    """The metrics of one milestone in one feature space.

    distances: by name its value and standard error (from the choice of the samples). swd_test, fid_test, kid_test are
    to all held-out images; swd_train and fid_train to training images and swd_equal and fid_equal to held-out ones,
    equally many of both (as many as there are of the fewer); kid_train to all training images.
    real: the same distances to all held-out images of as many real images as there are samples, that are neither
    trained on nor held out, and the standard deviation of one such number: the floor, which perfect samples would have.
    (Of held-out images among themselves, where the pool has too few others.)
    similarity (S,): each sample's largest cosine similarity to a training image, and nearest (S,) which image that is.
    similarity_held_out (S,): the same to equally many held-out images (or all of them, if there are fewer), which no
    model has seen. Similarities are around the mean of the held-out images. threshold: the similarity to a training
    image that one held-out image in a hundred exceeds.
    older: of a record whose samples are no longer all there and whose metrics an older version computed: it has neither
    kid, nor distances to all held-out images, nor floor, nor threshold.
    """

    space: str
    distances: dict[str, tuple[float, float]]
    real: dict[str, tuple[float, float]]
    similarity: np.ndarray
    nearest: np.ndarray
    similarity_held_out: np.ndarray
    threshold: float
    older: bool = False

    def copy_score(self, threshold: float | None = None) -> tuple[float, float, float]:
        """Fraction of samples more similar to a training image than a threshold, with its exact 95 % interval.

        By default that is the similarity which only 1 % of held-out images have, so that 0.01 is the score of real
        images without copies. Marion and Wu (arXiv:2605.06077) take 0.6, in self-supervised features; in pixels and
        random features most real images exceed it. All nan for `older` metrics without a threshold.
        """
        return self._above(self.similarity, threshold)

    def copy_score_held_out(self, threshold: float | None = None) -> tuple[float, float, float]:
        """The same to held-out images: the score of a model that cannot copy."""
        return self._above(self.similarity_held_out, threshold)

    def _above(self, similarity: np.ndarray, threshold: float | None) -> tuple[float, float, float]:
        threshold = self.threshold if threshold is None else threshold
        return (math.nan,) * 3 if math.isnan(threshold) else fraction_interval(similarity > threshold)


def metrics_of(record: RunRecord, step: int, space: FeatureSpace | str = RANDOM_CONV) -> Metrics:
    """The metrics of a recorded step, read if they were stored, else computed and stored.

    Raises InputError if the step was not recorded, or if its samples are not all there to compute from.
    """
    space = feature_space(space) if isinstance(space, str) else space
    return _metrics_of(record, step, space, functools.cache(lambda: _references(record, space)))


def distance_curve(record: RunRecord, name: str, space: FeatureSpace | str = RANDOM_CONV) -> np.ndarray:
    """The distance of that name (swd_test, say) and its standard error at each step of a run, (K, 2).

    For metrics that are `older` the distance to as many held-out as training images stands in for that to all, and what
    else they lack is nan.
    """
    rows = []
    for metrics in all_metrics(record, space):
        known = metrics.distances
        rows.append(known.get(name, known.get(name.replace("_test", "_equal"), (math.nan, math.nan))))
    return np.array(rows, float).reshape(-1, 2)


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
    """Features of all training and all held-out images, and of real images that are neither."""

    train: np.ndarray
    test: np.ndarray
    unseen: np.ndarray
    samples: int
    """How many samples are compared with them."""

    @functools.cached_property
    def centre(self) -> np.ndarray:
        return self.test.mean(axis=0)

    @functools.cached_property
    def sets(self) -> dict[str, Reference]:
        """What the distances are to, by the second part of their names."""
        count = min(len(self.train), len(self.test))
        return {
            "test": Reference(self.test),
            "train": Reference(self.train[:count]),
            "equal": Reference(self.test[:count]),
            "all": Reference(self.train),
        }

    def reference(self, name: str) -> Reference:
        return self.sets["all" if name == "kid_train" else name.partition("_")[2]]

    @functools.cached_property
    def threshold(self) -> float:
        similarity = nearest_similarity(self.test, self.train, self.centre)[0]
        # Exceeded by one in a hundred at most.
        return float(np.quantile(similarity, REAL_QUANTILE, method="higher"))

    @functools.cached_property
    def floor(self) -> dict[str, tuple[float, float]]:
        """The distances of real images to held-out ones, and their standard deviation (see Metrics.real)."""
        real, held_out = self.unseen, self.sets["test"]
        if len(real) < self.samples:
            half = len(self.test) // 2
            real, held_out = self.test[:half], Reference(self.test[half:])
        draws = [real[start : start + self.samples] for start in range(0, len(real), self.samples)][:_FLOORS]
        draws = [draw for draw in draws if len(draw) == len(draws[0]) >= LEAST_SAMPLES]
        found = {}
        for name, distance in DISTANCES.items():
            if not draws or len(held_out.features) < 2:
                found[name] = (math.nan, math.nan)
            elif len(draws) > 1:
                values = [distance(draw, held_out) for draw in draws]
                found[name] = (float(np.mean(values)), float(np.std(values, ddof=1)))
            else:
                found[name] = with_error(distance, draws[0], held_out)
        return found


def _references(record: RunRecord, space: FeatureSpace) -> _References:
    data, training = record.data(), record.training_images()
    trained = {image.tobytes() for image in training}
    # They may come in an order of their own, by photograph or class.
    order = np.random.default_rng(derived_seed(0, "reference")).permutation(len(data.held_out))
    others = np.random.default_rng(derived_seed(0, "floor")).permutation(len(data.pool))
    unseen = [k for k in others.tolist() if data.pool[k].tobytes() not in trained]
    unseen = unseen[: _FLOORS * record.config.samples]
    return _References(space(training), space(data.held_out[order]), space(data.pool[unseen]), record.config.samples)


def _metrics_of(record: RunRecord, step: int, space: FeatureSpace, references: Callable[[], _References]) -> Metrics:
    stored = _stored(record, step, space.name)
    if stored and not (stored.older and _keeps_all_samples(record, step)):
        return stored
    metrics = _compute(space(_samples(record, step)), references(), space.name)
    path = _path(record, step, space.name)
    arrays = {name: getattr(metrics, name) for name in _ARRAYS}
    facts = {"identity": _identity(record, space.name) | {"step": step}}
    facts |= {"distances": metrics.distances, "real": metrics.real, "threshold": metrics.threshold}
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
            found = _read(arrays, facts, _identity(record, space) | {"step": step})
            if found:
                return found
        except store.DamagedFile as error:
            log.warning("%s; computing it again", error)
    path = path.parent.with_suffix(".npz")
    return _packed(path, path.stat().st_mtime_ns, record.key).get(step) if path.exists() else None


def _path(record: RunRecord, step: int, space: str) -> Path:
    return record.directory / "metrics" / space / f"{step:09d}.safetensors"


def _identity(record: RunRecord, space: str) -> dict:
    return {"key": record.key, "space": space, "recipe": _RECIPE}


def spaces_of(record: RunRecord) -> list[str]:
    """The feature spaces in which metrics of a run were stored, and the one in which those of images always are."""
    stored = (path.name.removesuffix(".npz") for path in visible(record.directory / "metrics", "*"))
    always = record.config.samples and record.config.process == "gaussian"
    return sorted({*stored, *([RANDOM_CONV] if always else [])})


def pack(record: RunRecord, space: str, target: Path) -> None:
    """Write the metrics of a run in a feature space to the exported record in `target`."""
    if space == RANDOM_CONV:
        found = dict(zip(record.steps.tolist(), all_metrics(record, space), strict=True))
    else:
        # Another space may take a file of weights to compute what is missing.
        found = {step: metrics for step in record.steps.tolist() if (metrics := _stored(record, step, space))}
    if not found:
        return
    first = next(iter(found.values()))
    names = _FIRST_NAMES.values() if first.older else _NAMES
    milestones = {
        step: {name: getattr(metrics, name) for name in _ARRAYS}
        | {"distances": np.array([metrics.distances[name] for name in names])}
        for step, metrics in found.items()
    }
    identity = _identity(record, space) | ({"recipe": _FIRST_RECIPE} if first.older else {})
    facts = {"identity": identity, "real": first.real}
    thresholds = [COPY_SIMILARITY]
    if not first.older:
        facts["threshold"] = first.threshold
        thresholds.append(first.threshold)
    packed.save(target / "metrics" / f"{space}.npz", milestones, facts, similarities=thresholds)


@functools.lru_cache(maxsize=32)
def _packed(path: Path, changed: int, key: str) -> dict[int, Metrics]:
    """The metrics of a run in an export's file, by step. changed: when the file last was."""
    try:
        milestones, facts = packed.load(path)
    except store.DamagedFile as error:
        log.warning("%s; computing it again", error)
        return {}
    identity = facts["identity"] | {"key": key, "recipe": _RECIPE}
    names = _FIRST_NAMES if facts["identity"]["recipe"] == _FIRST_RECIPE else _NAMES
    found = {}
    for step, arrays in milestones.items():
        distances = dict(zip(names, arrays.pop("distances").tolist(), strict=True))
        if metrics := _read(arrays, facts | {"distances": distances}, identity):
            found[step] = metrics
    return found


def _compute(samples: np.ndarray, references: _References, space: str) -> Metrics:
    distances = {
        name: with_error(DISTANCES[name.partition("_")[0]], samples, references.reference(name)) for name in _NAMES
    }
    similarity, nearest = nearest_similarity(samples, references.train, references.centre)
    control = references.test[: len(references.train)]
    return Metrics(
        space,
        distances,
        references.floor,
        similarity,
        nearest.astype(np.int32),
        nearest_similarity(samples, control, references.centre)[0],
        references.threshold,
    )


def _read(arrays: dict[str, np.ndarray], facts: dict, identity: dict) -> Metrics | None:
    """The metrics that were stored, if they are those of this identity, be it in the first recipe."""
    space = identity["space"]
    if facts["identity"] == identity:
        distances = {name: tuple(facts["distances"][name]) for name in _NAMES}
        real = {name: tuple(pair) for name, pair in facts["real"].items()}
        return Metrics(space, distances, real, threshold=facts["threshold"], **arrays)
    if facts["identity"] == identity | {"recipe": _FIRST_RECIPE}:
        distances = {new: tuple(facts["distances"][old]) for old, new in _FIRST_NAMES.items()}
        return Metrics(space, distances, {}, threshold=math.nan, older=True, **arrays)
    return None


def _keeps_all_samples(record: RunRecord, step: int) -> bool:
    return len(record.milestone(step).get("samples", ())) == record.config.samples


def _samples(record: RunRecord, step: int) -> np.ndarray:
    samples = record.samples(step)
    if PROCESSES[record.config.process].copies_are_exact:
        raise InputError(
            f"distances between distributions must be of images, but {record.key} is on {record.config.data}"
        )
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
