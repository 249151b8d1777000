"""Levels, chance and claims on records of strings that are made so that their times are known."""

import dataclasses

import numpy as np
import pytest
import torch

from genmem import Grammar
from genmem.empirics.analysis import grammar_claims
from genmem.empirics.analysis.levels import LEARNED, floor_of, levels_of, threshold
from genmem.empirics.analysis.measure import times_of
from genmem.empirics.analysis.replay import replay
from genmem.empirics.config import TrainConfig
from genmem.empirics.data import datasets
from genmem.empirics.processes.masked import Masked
from genmem.empirics.records.runs import RunRecord
from genmem.empirics.tables.levels_table import levels_table
from genmem.shared.errors import InputError

BASE = TrainConfig(
    data="grammar:v=8,m=3,s=2,L=3", process="masked", network="tree-unet", loss_times=(0.5,), samples=300
)
GRAMMAR = Grammar(8, 3, 2, 3)
DATA = datasets.of_config(BASE)


def of_level(level: int, count: int, seed: int) -> np.ndarray:
    """Strings whose blocks are valid up to a level, and by chance above it."""
    if level == 0:
        return np.random.default_rng(seed).integers(8, size=(count, 8))
    blocks = 2 ** (3 - level)
    return Grammar(8, 3, 2, level).sample(count * blocks, seed).reshape(count, 8)


@dataclasses.dataclass(frozen=True)
class Made(RunRecord):
    """Levels 1, 2, 3 are learned at the steps `at`; from the step `copies` on all samples are training strings."""

    at: tuple[int, int, int] = (10, 30, 100)
    copies: int = 10_000
    kept: dict = dataclasses.field(default_factory=dict, compare=False)

    @property
    def steps(self):
        return np.unique(np.geomspace(1, 1000, 40).round().astype(int))

    def data(self):
        return DATA

    def milestone(self, step):
        if step not in self.kept:
            self.kept[step] = self.made(step)
        return self.kept[step]

    def made(self, step):
        level = sum(step >= at for at in self.at)
        training = self.training_images()
        samples = of_level(level, 300, step)
        if step >= self.copies:
            samples = training[np.arange(300) % len(training)].astype(int)
        d1, d2, index = Masked(symbols=8).distances(*map(torch.from_numpy, (samples, training.astype(int))))
        x = np.log10(max(step, 1))
        test = 2 - 1 / (1 + np.exp(-8 * (x - 1))) + 0.5 / (1 + np.exp(-8 * (x - 2.7)))
        rows = {"train_loss": np.full((1, 4), test), "test_loss": np.full((1, 4), test)}
        apart = (
            Masked(symbols=8).distances(*map(torch.from_numpy, (samples, self.data().held_out.astype(int))))[0].numpy()
        )
        return rows | {
            "samples": samples,
            "d1": d1.numpy(),
            "d2": d2.numpy(),
            "index": index.numpy(),
            "d_held_out": apart,
        }


def made(n=64, **values) -> Made:
    config = dataclasses.replace(BASE, n=n)
    facts = {"key": config.key, "config": dataclasses.asdict(config), "status": "finished"}
    return Made(directory=None, facts=facts, **values)


def test_levels_are_learned_when_the_samples_obey_them():
    found = levels_of(made())
    for time, (low, high), at in zip(found.times, found.intervals, (10, 30, 100), strict=True):
        before = found.steps[found.steps < at].max()
        after = found.steps[found.steps >= at].min()
        assert before < time.value <= after and low <= time.value <= high and not time.censored
    # The lowest held-out loss lies between the levels 2 and 3, near step 50.
    assert 30 <= found.best < 100
    assert found.reached[:2, 0] == pytest.approx([1, 1]) and found.reached[2, 0] < 0.45  # by chance: 3/8
    assert found.novel[0] == pytest.approx(found.shares[list(found.steps).index(found.best), 2], abs=0.02)
    late = levels_of(made(at=(10, 30, 2000)))
    assert late.times[2].censored and late.times[2].value == 1000
    assert "> 1000" in levels_table([found, late])


def test_copies_are_counted_once_and_less_those_by_chance():
    # Half of all strings are trained on: valid samples hit them, though nothing was memorized.
    run = made(n=8000, copies=10_000)
    valid = run.steps >= 100
    assert run.memorized_samples()[valid].mean() > 0.3
    assert abs(run.f_mem[valid]).max() < 0.12 and run.f_mem[~valid].max() < 0.12
    assert times_of(run).copy.censored
    expected = 8000 * (1 - (1 - 1 / GRAMMAR.count) ** 300) / 300
    assert run.chance[valid] == pytest.approx(expected)
    # Of 64 training strings 300 samples can copy no more than 64.
    copied = made(copies=200)
    assert copied.f_mem[-1] == pytest.approx(64 / 300, abs=0.02)
    assert 150 < times_of(copied).copy.value < 250
    assert replay(copied).step is not None


def test_the_floor_is_the_entropy_of_the_grammar_and_no_guess_is_below_it():
    floor = floor_of(made(), None)
    assert floor == pytest.approx(np.log(GRAMMAR.count) / 8, rel=0.03)
    assert 0 < floor_of(made(), 0.5) < np.log(8)
    digits = RunRecord(directory=None, facts={"key": "k", "config": dataclasses.asdict(TrainConfig())})
    with pytest.raises(InputError, match="runs must be on strings of a grammar, but k is on digits"):
        levels_of(digits)


def test_the_number_of_strings_that_reaches_a_level_is_read_off_the_runs():
    base = levels_of(made())
    runs = []
    for n in (64, 256, 1024, 4096):
        share = np.log(n / 64) / np.log(4096 / 64)
        reached = np.array([[share, share - 0.1, share + 0.1], [0.9, 0.9, 0.9], [0.1, 0, 0.2]])
        runs.append(dataclasses.replace(base, record=made(n=n), reached=reached))
    value, low, high, beyond = threshold(runs, 1)
    assert value == pytest.approx(64 * 64**LEARNED) and low < value < high and not beyond
    assert np.isnan(threshold(runs, 2)[0])
    assert threshold(runs, 3)[0] == 4096 and threshold(runs, 3)[3]


def test_the_claims_on_strings_agree_with_runs_made_for_them_and_not_with_others():
    runs = [made(n=n, copies=4 * n) for n in (32, 64, 128)]
    findings = grammar_claims.find(runs)
    assert set(findings) == {BASE.data, grammar_claims.TOGETHER}
    by = {finding.claimed[:18]: finding for finding in findings[BASE.data]}
    assert by["τ_copy ∝ P [F]"].value == pytest.approx(1, abs=0.1) and by["τ_copy ∝ P [F]"].verdict == "agrees"
    assert by["τ_mem ∝ P [F]"].verdict == "disagrees"  # the made losses do not depend on P
    assert by["levels are learned"].verdict == "agrees" and by["copies are rare wh"].verdict == "agrees"
    assert by["few strings are le"].verdict == "agrees" and "32: " in by["few strings are le"].note
    early = [made(n=n, copies=8) for n in (32, 64)]
    assert {f.claim: f.verdict for f in grammar_claims.find(early)[BASE.data]}[8] == "disagrees"


def test_strings_are_vectors_of_indicators_where_the_theory_asks_for_numbers():
    data = datasets.of_config(BASE)
    assert data.vectors.shape == (*data.pool.shape, 8) and (data.vectors.argmax(2) == data.pool).all()
