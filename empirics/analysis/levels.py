"""What a run on strings of a grammar learned, level by level, against what can be known at all.

    level l of a milestone: share of blocks of s^l symbols in its samples that derive from some symbol,
    excess of it:           (share - chance) / (1 - chance), zero for uniform noise and one for the grammar,
    tau_l:                  the first step at which the excess is LEARNED or more,
    reached:                the excess where the held-out loss is lowest, where stopping early would end.

The last does not count what copies bring: strings that are learned by heart obey all levels, too.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np

from genmem.empirics.analysis.measure import Time, first_crossing, time_of
from genmem.empirics.data.grammar import Grammar, named
from genmem.empirics.records.runs import RunRecord
from genmem.shared.errors import InputError

LEARNED = 0.5
_DRAWS = 200


def grammar_of(record: RunRecord) -> Grammar:
    """The grammar of a run's data; raises InputError for other data."""
    kind, _, argument = record.config.data.partition(":")
    if kind != "grammar":
        raise InputError(f"runs must be on strings of a grammar, but {record.key} is on {record.config.data}")
    return named(argument)


def is_grammar(record: RunRecord) -> bool:
    return record.config.data.startswith("grammar:")


@dataclasses.dataclass(frozen=True)
class Levels:
    """Level by level, of one run.

    steps (K,); shares (K, L) of valid blocks, low and high the ends of their 95 % intervals over the samples; chance
    (L,) of uniform noise; times: tau_l with their intervals; reached (L, 3): the excess at the step `best` of the
    lowest held-out loss, with its interval; novel (3,): the share of samples there that are valid and no copies.
    """

    record: RunRecord
    steps: np.ndarray
    shares: np.ndarray
    low: np.ndarray
    high: np.ndarray
    chance: np.ndarray
    times: tuple[Time, ...]
    intervals: tuple[tuple[float, float], ...]
    best: int
    reached: np.ndarray
    novel: np.ndarray

    @property
    def excess(self) -> np.ndarray:
        """(K, L), zero for noise and one for the grammar."""
        return (self.shares - self.chance) / (1 - self.chance)


def levels_of(record: RunRecord) -> Levels:
    """The levels of a run on a grammar; raises InputError for other data and for a run without samples.

    Intervals are of 200 bootstrap draws over the samples.
    """
    grammar = grammar_of(record)
    if not record.config.samples or not len(record.steps):
        raise InputError(f"runs must have samples to look for levels in, but {record.key} has none")
    found = np.array([grammar.levels(record.samples(step)) for step in record.steps.tolist()])
    novel = np.array([record.distances(step)[0] > 0 for step in record.steps.tolist()]) & (found[:, :, -1] == 1)
    chance = grammar.chance()
    best = int(np.argmin(record.test_loss))
    random = np.random.default_rng(0)
    count = found.shape[1]
    weights = random.multinomial(count, np.full(count, 1 / count), size=_DRAWS) / count
    drawn = np.einsum("ds,ksl->dkl", weights, found)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)

    def times(shares) -> list[float]:
        excess = (shares - chance) / (1 - chance)
        return [first_crossing(record.steps, excess[:, level] - LEARNED) for level in range(grammar.L)]

    of_draws = np.array([times(each) for each in drawn])
    ends = np.quantile(of_draws, [0.025, 0.975], axis=0, method="nearest").T
    last = float(record.steps[-1])
    seen = [time_of(value, last) for value in times(found.mean(axis=1))]

    def at_best(values: np.ndarray) -> np.ndarray:
        return (values - chance) / (1 - chance)

    reached = np.stack([at_best(found[best].mean(axis=0)), at_best(low[best]), at_best(high[best])], axis=1)
    share = weights @ novel[best]
    return Levels(
        record, record.steps, found.mean(axis=1), low, high, chance, tuple(seen), tuple(map(tuple, ends.tolist())),
        int(record.steps[best]), reached, np.array([novel[best].mean(), *np.quantile(share, [0.025, 0.975])]),
    )  # fmt: skip


@functools.cache
def _floor(data: str, process: str, seed: int, t: float | None, draws: int, count: int) -> float:
    from genmem.empirics.config import TrainConfig
    from genmem.empirics.data.datasets import of_config
    from genmem.empirics.processes.table import PROCESSES
    from genmem.empirics.training.milestones import losses

    strings = of_config(TrainConfig(data=data, process=process))
    noise = PROCESSES[process](symbols=strings.symbols)
    level = None if t is None else noise.level(t)
    held_out = noise.clean(strings.held_out[:count])
    denoiser = named(data.partition(":")[2]).denoiser()
    return float(losses(noise, denoiser, held_out, level, draws, seed, "test").mean())


def floor_of(record: RunRecord, t: float | None = None) -> float:
    """The loss of the Bayes-optimal denoiser on the strings and the noise of the run's held-out loss at time t.

    t: None for the loss averaged over all levels. No network does better but by chance, as the floor is reached on
    average over strings and noise. The held-out loss less this is the error of the learned law: the divergence of the
    network's guesses from the exact posteriors, per symbol (weighted as the process's loss is).
    """
    grammar_of(record)
    c = record.config
    return _floor(c.data, c.process, c.seed, t, c.loss_draws, c.test_images)


def threshold(runs: Sequence[Levels], level: int) -> tuple[float, float, float, bool]:
    """The P at which stopping early reaches level `level` (excess LEARNED), its 95 % interval, and if it lies beyond.

    Read off the reached levels of runs on one grammar, means over seeds, linear in log P; the interval is that of the
    samples. (nan, ...) where the smallest P reaches it already.
    """
    sizes = sorted({run.record.config.n for run in runs})

    def crossing(column: int) -> float:
        means = [
            np.mean([run.reached[level - 1, column] for run in runs if run.record.config.n == size]) for size in sizes
        ]
        if means[0] >= LEARNED:
            return math.nan
        return first_crossing(np.array(sizes, float), np.array(means) - LEARNED)

    value, late, early = (crossing(column) for column in range(3))
    if math.isinf(value):
        return float(sizes[-1]), float(sizes[-1]), math.inf, True
    return value, early, late, False
