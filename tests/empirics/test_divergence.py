"""Times by the KL divergence, of made-up curves of known times."""

import dataclasses

import numpy as np
import pytest

from genmem.empirics.analysis.divergence import divergence_exponents, divergence_times
from genmem.empirics.config import TrainConfig
from genmem.empirics.records import runs
from genmem.empirics.tables import tables

CONFIG = TrainConfig(data="gmm", network="layernorm-mlp", n=128, width=16, steps=100_000, milestones=40, samples=4)


def record_of(root, n, low, rise, noise=0.02, seed=0):
    """KL falls as 1/step^2 to a bottom of 0.1 that it leaves as (step / rise)^2: twice the bottom at known steps."""
    config = dataclasses.replace(CONFIG, n=n, seed=seed)
    random = np.random.default_rng(seed)
    facts = {"key": config.key, "config": dataclasses.asdict(config), "status": "finished", "wall_time": 1.0}
    with runs.open_for_writing(root / config.key, config):
        for step in config.milestone_steps():
            value = 0.1 * (1 + (low / max(step, 1)) ** 2 + (step / rise) ** 2)
            kl = np.array([value * np.exp(noise * random.standard_normal()), noise * value])
            runs.write_milestone(root / config.key, step, {"kl": kl})
        runs.write_facts(root / config.key, facts)
    return runs.load(root / config.key)


def test_times_are_those_of_a_factor_of_two(tmp_path):
    found = divergence_times(record_of(tmp_path, 128, low=100, rise=10_000))
    assert found.gen.value == pytest.approx(100, rel=0.1) and found.mem.value == pytest.approx(10_000, rel=0.1)
    for time, (low, high) in ((found.gen, found.gen_interval), (found.mem, found.mem_interval)):
        assert 0.7 * time.value < low <= time.value <= high < 1.4 * time.value and not time.censored
    assert found.lowest == pytest.approx(0.1, rel=0.1) and 0 < found.lowest_error < 0.02


def test_what_the_run_did_not_reach_is_censored(tmp_path):
    found = divergence_times(record_of(tmp_path / "flat", 128, low=100, rise=1e9))
    assert found.mem.censored and found.mem.value == 100_000
    falling = divergence_times(record_of(tmp_path / "falling", 128, low=1e6, rise=1e9))
    assert falling.gen.censored and falling.mem.censored


def test_the_exponents_and_the_table(tmp_path):
    times = [
        divergence_times(record_of(tmp_path, n, low=100, rise=50 * n, seed=seed))
        for n in (128, 256, 512)
        for seed in (0, 1)
    ]
    fits = divergence_exponents(times)
    assert fits["mem"].value == pytest.approx(1, abs=0.1) and abs(fits["gen"].value) < 0.1
    text = tables.divergence_table(times)
    assert len(text.splitlines()) == 1 + 6 + 4 and "tau_mem (KL) ~ n^" in text


def test_runs_without_densities_have_no_such_times(tmp_path):
    from tests.empirics.small import SMALL
    from tests.empirics.test_fidelity import record_of as images

    assert divergence_times(images(tmp_path, {}, SMALL)) is None
