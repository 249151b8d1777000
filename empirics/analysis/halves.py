"""Two models trained on disjoint halves of the data: how far they make the same samples of the same noise.

The measure of generalization of Favero et al. (arXiv:2505.16959), after Kadkhodaie et al. (arXiv:2310.02557): what two
models have in common cannot come from training images, as they share none. Two things can pass for it and are told
apart here. Models that share the seed of their weights agree before they have learned anything: in a pair only the
noise that samples start from is shared (the config's `sampling_seed`), and a pair that shares the seed is marked as
such. And samples of the same noise agree because of the noise: what an *untrained* network makes of it agrees with
anything that returns some of it. The baseline is therefore each model against the other one before training, and what
counts is the agreement above it.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from genmem.empirics.randomness import derived_seed
from genmem.empirics.records import packed, store
from genmem.empirics.records.runs import RunRecord
from genmem.empirics.samples.metrics import cosine_similarity, nearest_similarity
from genmem.shared.errors import InputError

_ARRAYS = ("agreement", "with_untrained", "unrelated", "own", "held_out")


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two runs on disjoint halves, and their agreement at the steps (K,) that both recorded, the untrained 0 first.

    Cosine similarities in pixels, around the mean of the held-out images:
    agreement (K, S): of the two samples of the same noise. with_untrained (K, S): of each model's sample with that of
    the other model before training, mean of the two. unrelated (K,): of samples of different noise, in the mean.
    own, held_out (K, 2): of each model's samples with the nearest of its training images, and of equally many held-out
    images, in the mean.
    """

    first: RunRecord
    second: RunRecord
    steps: np.ndarray
    agreement: np.ndarray
    with_untrained: np.ndarray
    unrelated: np.ndarray
    own: np.ndarray
    held_out: np.ndarray

    @property
    def shares_seed(self) -> bool:
        """Whether both had the same initial weights, noise and order of batches: a pair that tests nothing."""
        return self.first.config.seed == self.second.config.seed

    @property
    def rise(self) -> np.ndarray:
        """The agreement (K, S) above the untrained baseline."""
        return self.agreement - self.with_untrained

    def at(self, step: float) -> int:
        """The place in `steps` of the trained milestone nearest to a step, in its logarithm."""
        return 1 + int(np.argmin(np.abs(np.log(self.steps[1:] / step))))


def agreement(first: RunRecord, second: RunRecord, step: int, second_step: int | None = None) -> np.ndarray:
    """Cosine similarity (S,) of the samples that two models make of the same noise, around the held-out mean in pixels.

    Near one where the models are the same function; near zero where what they make has nothing in common. second_step:
    of the second model, if it is another one. Raises InputError for runs whose samples come from different noise.
    """
    for name in ("data", "samples", "sampling_steps"):
        _same(name, *(getattr(record.config, name) for record in (first, second)))
    _same("seed of the sampling noise", first.config.noise_seed, second.config.noise_seed)
    steps = (step, step if second_step is None else second_step)
    a, b = (_samples(record, at) for record, at in zip((first, second), steps, strict=True))
    return cosine_similarity(a, b, first.held_out_images().reshape(-1, a.shape[1]).mean(axis=0))


def partners(records: Sequence[RunRecord]) -> list[tuple[RunRecord, RunRecord]]:
    """All runs on the first half with those on the second that agree in everything else but the seed, ordered by n.

    A run on the first half that has partners with other seeds is not paired with one of the same seed.
    """
    with_half = {
        half: [record for record in records if record.config.half == half and record.config.samples]
        for half in ("first", "second")
    }
    found = []
    for first in with_half["first"]:
        matching = [second for second in with_half["second"] if _rest(second) == _rest(first)]
        others = [second for second in matching if second.config.seed != first.config.seed]
        found += [(first, second) for second in others or matching]
    return sorted(found, key=lambda pair: pair[0].config.n)


def pair_of(first: RunRecord, second: RunRecord) -> Pair:
    """The agreement of two runs, read if an export kept it, else computed from their samples.

    Raises InputError if their samples were not all kept, or come from different noise.
    """
    path = first.directory / "pairs" / f"{second.key}.npz"
    if path.exists():
        try:
            milestones, facts = packed.load(path)
        except store.DamagedFile as error:
            raise InputError(f"{error}; export the runs again") from None
        if facts.get("keys") == [first.key, second.key]:
            stacked = {name: np.stack([arrays[name] for arrays in milestones.values()]) for name in _ARRAYS}
            return Pair(first, second, np.array(list(milestones)), **stacked)
    return _computed(first, second)


def keep(pair: Pair, record: RunRecord) -> None:
    """Write a pair beside an exported record of its first run, for pair_of to read."""
    milestones = {
        int(step): {name: getattr(pair, name)[row] for name in _ARRAYS} for row, step in enumerate(pair.steps)
    }
    facts = {"keys": [pair.first.key, pair.second.key]}
    packed.save(record.directory / "pairs" / f"{pair.second.key}.npz", milestones, facts)


def _computed(first: RunRecord, second: RunRecord) -> Pair:
    held_out = first.held_out_images()
    held_out = held_out.reshape(len(held_out), -1)
    centre = held_out.mean(axis=0)
    order = np.random.default_rng(derived_seed(0, "reference")).permutation(len(held_out))
    control = held_out[order[: first.config.n]]
    training = [record.training_images().reshape(record.config.n, -1) for record in (first, second)]
    steps = np.array([0, *np.intersect1d(first.steps, second.steps).tolist()])
    found: dict[str, list] = {name: [] for name in _ARRAYS}
    for step in steps.tolist():
        samples = [_samples(record, step) for record in (first, second)]
        found["agreement"].append(agreement(first, second, step))
        against = agreement(first, second, step, 0), agreement(first, second, 0, step)
        found["with_untrained"].append(np.mean(against, axis=0))
        shifted = [np.roll(samples[1 - h], 1, axis=0) for h in (0, 1)]
        found["unrelated"].append(
            np.mean([cosine_similarity(mine, other, centre) for mine, other in zip(samples, shifted, strict=True)])
        )
        nearest = functools.partial(nearest_similarity, centre=centre)
        found["own"].append([nearest(mine, own)[0].mean() for mine, own in zip(samples, training, strict=True)])
        found["held_out"].append([nearest(mine, control)[0].mean() for mine in samples])
    return Pair(first, second, steps, **{name: np.array(values) for name, values in found.items()})


def _samples(record: RunRecord, step: int) -> np.ndarray:
    samples = record.samples(step)
    if len(samples) != record.config.samples:
        raise InputError(
            f"the run in {record.directory} keeps {len(samples)} of its {record.config.samples} samples "
            f"at step {step}, too few to compare it with another"
        )
    return samples.reshape(len(samples), -1)


def _rest(record: RunRecord):
    """All that the runs of a pair have in common."""
    return dataclasses.replace(record.config, half="all", seed=0, sampling_seed=record.config.noise_seed)


def _same(name: str, ours, theirs) -> None:
    if ours != theirs:
        raise InputError(
            f"the two runs must have the same {name} to start from the same noise, but {ours!r} and "
            f"{theirs!r} were given"
        )
