"""The record of a run on disk, and how to read it.

    <root>/<key>/run.json                          config, status, versions, device, wall time
    <root>/<key>/milestones/<step>.safetensors     what genmem.empirics.training.milestones records
    <root>/<key>/checkpoints/<step>.safetensors    where the run goes on
    <root>/<key>/best.safetensors                  with the config's `stop`: the weights with the lowest test loss

An exported record has all its milestones in one file, <root>/<key>/milestones.npz (see packed.py).

Reading needs no torch.
"""

import contextlib
import dataclasses
import functools
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genmem.empirics.config import TrainConfig, from_json
from genmem.empirics.processes.table import PROCESSES
from genmem.empirics.records import locks, packed, store
from genmem.empirics.samples.metrics import THRESHOLD, first_copies, fraction_interval, memorized
from genmem.shared.errors import InputError
from genmem.shared.files import visible

if TYPE_CHECKING:
    from genmem.empirics.data import datasets

log = logging.getLogger(__name__)

PACKED = "milestones.npz"
STATUSES = ("running", "finished", "stopped early", "diverged")


class InUse(InputError):
    """Another process works on the run."""


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """A run as recorded so far. Steps are optimizer steps; losses are per pixel, 1 for a network that predicts zero."""

    directory: Path
    facts: dict = dataclasses.field(repr=False)
    """The content of run.json."""

    @property
    def key(self) -> str:
        return self.facts["key"]

    @functools.cached_property
    def config(self) -> TrainConfig:
        return from_json(self.facts["config"])

    @property
    def status(self) -> str:
        """'running' (or interrupted), or a result: 'finished', 'stopped early' by the config's `stop`, 'diverged'."""
        return self.facts["status"]

    @property
    def wall_time(self) -> float:
        """Seconds spent in training and measuring, over all restarts."""
        return self.facts.get("wall_time", 0.0)

    @property
    def data_path(self) -> Path | None:
        """Where the files of its data were when it was trained, absolute; None for data that are no files."""
        return _data_path(self.facts)

    @functools.cached_property
    def steps(self) -> np.ndarray:
        """Recorded steps (K,), increasing, all positive; step 0 is in `initial`."""
        return np.array([step for step in recorded_steps(self.directory) if step > 0], dtype=int)

    def loss(self, t: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Train and test loss (K,) at Ornstein-Uhlenbeck time t, or averaged over all times if t is None.

        Raises InputError if the run did not record t.
        """
        pairs = [self._loss(step, t) for step in self.steps]
        return np.array([train for train, _ in pairs]), np.array([test for _, test in pairs])

    def image_losses(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """Loss of each training (K, n) and each test image (K, N) at Ornstein-Uhlenbeck time t.

        Raises InputError if the run did not record t.
        """
        train, test = zip(*[self.image_losses_at(step, t) for step in self.steps], strict=True)
        return np.array(train), np.array(test)

    def image_losses_at(self, step: int, t: float) -> tuple[np.ndarray, np.ndarray]:
        """The same at one recorded step, (n,) and (N,); step 0 is the untrained network."""
        row, milestone = self._row(t), self.milestone(step)
        return milestone["train_loss"][row], milestone["test_loss"][row]

    def initial(self, t: float | None = None) -> tuple[float, float]:
        """Train and test loss at step 0."""
        return self._loss(0, t)

    @property
    def train_loss(self) -> np.ndarray:
        """Train loss (K,) at the first of the config's loss times."""
        return self.loss(self.config.loss_times[0])[0]

    @property
    def test_loss(self) -> np.ndarray:
        """Test loss (K,) at the first of the config's loss times."""
        return self.loss(self.config.loss_times[0])[1]

    @property
    def copies_loss(self) -> np.ndarray:
        """Loss (K,) on the fixed noise copies of the training images; raises InputError if the run had fresh noise."""
        if not self.config.copies:
            raise InputError(f"copies must be fixed in a run with a loss on them, but {self.directory} has fresh noise")
        return np.array([self.milestone(step)["copies_loss"].mean() for step in self.steps])

    def memorized(self, threshold: float = THRESHOLD) -> np.ndarray:
        """f_mem and the ends of its 95 % interval, (K, 3), for any threshold on d1/d2.

        Of strings: the share of the samples that are copies, see `memorized_samples`, less that by chance.
        """
        found = np.array([fraction_interval(flags) for flags in self.memorized_samples(threshold)]).reshape(-1, 3)
        return np.maximum(found - self.chance[:, None], 0) if self._exact else found

    def memorized_samples(self, threshold: float = THRESHOLD) -> np.ndarray:
        """Whether each sample is memorized, bools (K, S).

        Of strings, at any threshold: whether it equals a training string that no earlier sample equals.
        """
        if self._exact:
            return np.array([first_copies(*self.distances(step)[::2]) for step in self.steps])
        return np.array([memorized(*self.distances(step)[:2], threshold) for step in self.steps])

    @functools.cached_property
    def chance(self) -> np.ndarray:
        """The share (K,) of the samples that would be found memorized if the run had memorized nothing.

        Zero for numbers. Of strings: what S samples of equally likely strings hit, each training string counted once.
        How many strings there are is known of a grammar (of which samples that are valid count); elsewhere it is told
        by the samples that equal a held-out string, which is not trained on.
        """
        from genmem.empirics.data import grammar

        if not self._exact:
            return np.zeros(len(self.steps))
        n, samples = self.config.n, self.config.samples
        kind, _, argument = self.config.data.partition(":")
        if kind == "grammar":
            rules = grammar.named(argument)
            rates = [rules.levels(self.samples(step))[:, -1].mean() / rules.count for step in self.steps]
        else:
            held_out = len(self.held_out_images())
            rates = [(self.held_out_distances(step) == 0).mean() / held_out for step in self.steps]
        return n * -np.expm1(samples * np.log1p(-np.array(rates))) / max(samples, 1)

    @property
    def _exact(self) -> bool:
        return PROCESSES[self.config.process].copies_are_exact

    @functools.cached_property
    def _memorized(self) -> np.ndarray:
        return self.memorized()

    @property
    def f_mem(self) -> np.ndarray:
        """Memorized fraction (K,) at threshold 1/3."""
        return self._memorized[:, 0]

    @property
    def f_mem_low(self) -> np.ndarray:
        """Lower end (K,) of the 95 % interval of f_mem."""
        return self._memorized[:, 1]

    @property
    def f_mem_high(self) -> np.ndarray:
        """Upper end (K,) of the 95 % interval of f_mem."""
        return self._memorized[:, 2]

    def samples(self, step: int) -> np.ndarray:
        """What was generated at a recorded step (S, ...): images (S, C, H, W), float32, of the Gaussian process.

        Raises InputError where an export kept none (see genmem.empirics.analysis.export).
        """
        milestone = self.milestone(step)
        if "samples" not in milestone:
            raise InputError(
                f"samples must have been kept, but the record in {self.directory} holds none of step {step}"
            )
        return PROCESSES[self.config.process].unpacked(milestone["samples"])

    def distances(self, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """d1, d2, index (S,): distance of each sample to its two nearest training images, and which is the nearest."""
        milestone = self.milestone(step)
        return milestone["d1"], milestone["d2"], milestone["index"]

    def held_out_distances(self, step: int) -> np.ndarray:
        """Distance (S,) of each sample to the nearest held-out image."""
        return self.milestone(step)["d_held_out"]

    def log_density(self, step: int) -> np.ndarray | None:
        """Natural logarithm (S,) of the density with which the network generates each sample.

        Recorded where the density of the data is known; None elsewhere.
        """
        return self.milestone(step).get("log_density")

    def data(self) -> "datasets.Dataset":
        """The data of the run, as its options have them; raises InputError if they are not what it was trained on."""
        from genmem.empirics.data import datasets

        data = datasets.of_config(self.config, self.data_path)
        digest = self.facts.get("data_digest")
        if digest is not None and digest != datasets.digest(datasets.training_images(self.config, data), data.held_out):
            raise InputError(
                f"data must be what they were when the run in {self.directory} was trained, but the images of "
                f"{self.config.data!r} have changed"
            )
        return data

    def training_images(self) -> np.ndarray:
        """The run's training images (n, C, H, W), as it trained on them; raises InputError if they have changed."""
        from genmem.empirics.data import datasets

        return datasets.training_images(self.config, self.data())

    def held_out_images(self) -> np.ndarray:
        """All held-out images (N, C, H, W) of the run's data set, in [-1, 1]; InputError if they have changed."""
        return self.data().held_out

    @functools.cached_property
    def true_log_density(self) -> Callable[[np.ndarray], np.ndarray] | None:
        """Natural logarithm (N,) of the density of the run's data at (N, ...); None if it is not known."""
        from genmem.empirics.data import datasets

        return datasets.of_config(self.config, self.data_path).log_density

    @functools.cached_property
    def _cache(self) -> dict[int, dict[str, np.ndarray]]:
        path = self.directory / PACKED
        if not path.exists():
            return {}
        try:
            milestones, facts = packed.load(path)
        except store.DamagedFile as error:
            raise InputError(f"{error}; export the run again") from None
        if facts.get("key") != self.key:
            raise InputError(f"{path} holds the milestones of another run; export the run again")
        return milestones

    def milestone(self, step: int) -> dict[str, np.ndarray]:
        if step not in self._cache:
            path = _milestone_path(self.directory, step)
            if not path.exists():
                raise InputError(f"step must be one of the steps recorded in {self.directory}, but {step!r} was given")
            try:
                arrays, facts = store.load(path)
                if facts.get("step", step) != step:
                    raise store.DamagedFile(f"{path} holds the milestone of another step, {facts['step']}")
                self._cache[step] = arrays
            except store.DamagedFile as error:
                raise InputError(f"{error}; remove the run's directory and train it again") from None
        return self._cache[step]

    def _loss(self, step: int, t: float | None) -> tuple[float, float]:
        if t is None:
            milestone = self.milestone(step)
            return float(milestone["train_average"].mean()), float(milestone["test_average"].mean())
        train, test = self.image_losses_at(step, t)
        return float(train.mean()), float(test.mean())

    def _row(self, t: float) -> int:
        times = self.config.loss_times
        if t not in times:
            raise InputError(f"t must be one of {', '.join(map(str, times))}, the recorded times, but {t!r} was given")
        return times.index(t)


def recorded_steps(directory: Path) -> list[int]:
    """The steps of the milestones in a run's directory, step 0 included, increasing."""
    steps = {int(path.stem) for path in visible(directory / "milestones", "*.safetensors") if path.stem.isdigit()}
    if (directory / PACKED).exists():
        try:
            steps |= set(packed.steps_of(directory / PACKED))
        except store.DamagedFile as error:
            raise InputError(f"{error}; export the run again") from None
    return sorted(steps)


def load(directory: Path | str) -> RunRecord:
    """The run recorded in `directory`; raises InputError if there is none, or if the record is not whole.

    Checked are the types of what run.json says, that its key is that of its config, and that every milestone is there
    that the run should have recorded up to its last one; more of them are allowed.
    """
    directory = Path(directory)
    facts = _facts(directory)
    if facts is None:
        raise InputError(f"{directory} holds no run (no run.json)")
    record = RunRecord(directory, facts)
    _check_milestones(record)
    return record


def data_path(directory: Path) -> Path | None:
    """Where the data of the run in `directory` were when it began; None without a run, or if data are no files."""
    return _data_path(_facts(directory) or {})


def find(root: Path | str) -> list[RunRecord]:
    """All runs right below `root`, ordered by data, n, width and seed; raises InputError if root is no directory.

    Of a run that is there twice, one is taken, with a warning: copied folders would otherwise count as repetitions.
    Runs that a longer one there goes on from are left out: it holds all that they do.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"the runs' root must be a directory, but {str(root)!r} was given")
    records = _without_continued(_without_copies([load(path.parent) for path in visible(root, "*/run.json")]))
    return sorted(records, key=lambda r: (r.config.data, r.config.n, r.config.width, r.config.seed, r.key))


def _without_continued(records: list[RunRecord]) -> list[RunRecord]:
    """The records without those that another one goes on from: it holds all that they do, so they would count twice."""
    continued = {record.facts["continued"]["from"] for record in records if "continued" in record.facts}
    return [record for record in records if record.key not in continued]


def given(records: Path | str | Sequence[RunRecord]) -> list[RunRecord]:
    """The records themselves, or all runs of a folder; raises InputError for anything else and for an empty folder."""
    if isinstance(records, (str, Path)):
        if found := find(records):
            return found
        raise InputError(f"runs must be a folder that holds at least one run, but {str(records)!r} holds none")
    found = list(records) if isinstance(records, Iterable) else [records]
    if not all(isinstance(record, RunRecord) for record in found):
        raise InputError(f"runs must be a folder of runs or a list of their records, but {records!r} was given")
    return found


def _without_copies(records: list[RunRecord]) -> list[RunRecord]:
    """One record of each run, the one that has come farthest, and of these the one in the folder of its name."""
    first: dict[object, RunRecord] = {}
    kept = []
    for record in sorted(records, key=lambda r: (-r.steps.max(initial=0), r.directory.name != r.key, r.directory)):
        config, digest = record.config, record.facts.get("data_digest")
        # The same images under another name, as with an absolute path, make the same run.
        marks = [config.key, *([(dataclasses.replace(config, data=""), digest)] if digest else [])]
        twin = next((first[mark] for mark in marks if mark in first), None)
        if twin is not None:
            log.warning("%s is left out: it holds the same run as %s", record.directory, twin.directory)
            continue
        first |= dict.fromkeys(marks, record)
        kept.append(record)
    return kept


@contextlib.contextmanager
def open_for_writing(directory: Path, config: TrainConfig) -> Iterator[None]:
    """Make the run's directories and hold its lock, which dies with the process.

    Raises InputError if the directory cannot be written or belongs to another config; InUse if another process holds
    it.
    """
    with contextlib.ExitStack() as stack:
        try:
            for part in ("milestones", "checkpoints"):
                (directory / part).mkdir(parents=True, exist_ok=True)
            stack.enter_context(locks.holding(directory / "lock"))
        except locks.Held:
            raise InUse(f"the run in {directory} is in use by another process") from None
        except OSError as error:
            raise InputError(f"the run directory {str(directory)!r} cannot be written: {error.strerror}") from None
        facts = _facts(directory)
        if facts is not None and facts["key"] != config.key:
            raise InputError(
                f"the run directory {str(directory)!r} belongs to another config (key {facts['key']}, not {config.key})"
            )
        yield


def write_facts(directory: Path, facts: dict) -> None:
    """Write run.json."""
    store.write_bytes(directory / "run.json", (json.dumps(facts, indent=1) + "\n").encode())


def write_milestone(directory: Path, step: int, arrays: dict[str, np.ndarray]) -> None:
    """Write what was recorded at `step`."""
    store.save(_milestone_path(directory, step), arrays, {"step": step})


def _milestone_path(directory: Path, step: int) -> Path:
    return directory / "milestones" / f"{step:09d}.safetensors"


def _data_path(facts: dict) -> Path | None:
    path = facts.get("data_source", {}).get("path")
    return Path(path) if isinstance(path, str) else None


def _facts(directory: Path) -> dict | None:
    """The checked content of run.json; None if there is none."""
    path = directory / "run.json"
    try:
        facts = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    kinds = {
        "key": str,
        "config": dict,
        "status": str,
        "wall_time": int | float,
        "data_digest": str,
        "data_source": dict,
        "continued": dict,
        "covariance": dict,
    }
    for name, kind in kinds.items():
        needed = name in ("key", "config", "status")
        if not isinstance(facts, dict) or needed and name not in facts:
            raise InputError(f"{path} is no record of a run: it has no {name}")
        if name in facts and not isinstance(facts[name], kind):
            raise InputError(f"{path} is no record of a run: its {name} is {facts[name]!r}")
    try:
        config = from_json(facts["config"])
        keys = {config.key, config.key_of(facts["config"].get("data", config.data))}
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if facts["status"] not in STATUSES:
        raise InputError(f"{path}: status must be one of {', '.join(STATUSES)}, but is {facts['status']!r}")
    if facts["key"] not in keys:
        raise InputError(
            f"{path} was changed after the run: its config has the key {config.key}, and the run {facts['key']}"
        )
    return facts


def _check_milestones(record: RunRecord) -> None:
    there = set(recorded_steps(record.directory))
    try:
        planned = record.config.milestone_steps()
    except (ArithmeticError, ValueError):
        raise InputError(
            f"{record.directory / 'run.json'}: no run has first_milestone {record.config.first_milestone}, "
            f"milestones {record.config.milestones} and steps {record.config.steps}"
        ) from None
    if continued := record.facts.get("continued"):
        planned = [*continued["milestones"], *(step for step in planned if step > continued["at"])]
    # A run that goes on, diverged or was stopped early has come as far as its last milestone.
    last = record.config.steps if record.status == "finished" else max(there, default=-1)
    missing = [step for step in planned if step <= last and step not in there]
    if missing:
        raise InputError(
            f"the run in {record.directory} must have all its milestones, but that of step {missing[0]} is "
            "missing: copy its folder as a whole, or remove it and train the run again"
        )
