import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from genmem.empirics.analysis import quality
from genmem.empirics.analysis.quality import double_descent, first_minimum, quality_of, with_scatter
from genmem.shared.errors import InputError
from tests.empirics.small import SMALL
from tests.empirics.test_measure import Curves

STEPS = np.unique(np.geomspace(1, 1e4, 60).round().astype(int))


class Sparse(Curves):
    """With milestones as far apart as in a real run."""

    @property
    def steps(self):
        return STEPS[STEPS <= self.end]


def curve(x):
    """A distance that falls to 1 around step 10, rises to 2 around step 1000 and is there lower again from 5000 on."""
    logs = np.log10(x)
    fall, rise = 10 / (1 + np.exp(8 * (logs - 0.5))), 1 / (1 + np.exp(-8 * (logs - 2.5)))
    return 1 + fall + rise - 1.5 / (1 + np.exp(-20 * (logs - 3.7)))


@pytest.fixture
def record(monkeypatch):
    """Curves with this distance, and errors of 0.01."""
    config = dataclasses.replace(SMALL, samples=16)
    facts = {"key": config.key, "config": dataclasses.asdict(config), "status": "finished"}
    values = np.stack([curve(STEPS), np.full(STEPS.size, 0.01)], axis=1)
    monkeypatch.setattr(quality, "distance_curve", lambda record, name, space: values[: record.steps.size])
    floors = SimpleNamespace(real={"swd": (0.9, 0.02)})
    monkeypatch.setattr(quality, "all_metrics", lambda record, space: [floors])
    return Sparse(None, facts)


def test_the_time_is_that_of_the_first_minimum_not_of_the_lowest(record):
    found = quality_of(record)
    before = STEPS < 100
    lowest = curve(STEPS)[before].min()
    exact = STEPS[np.argmax(curve(STEPS) <= 1.05 * lowest)]
    assert found.gen.value == pytest.approx(exact, rel=0.2) and not found.gen.censored
    assert 0.8 * exact < found.low <= found.gen.value <= found.high < 1.5 * exact
    assert curve(1e4) < lowest


def test_the_peak_is_before_copies_appear(record):
    # Copies appear at step 93 or so, and the second descent begins at 2000.
    found = quality_of(record)
    assert found.peak == pytest.approx(curve(STEPS)[STEPS < 100].min()) and found.peak_step < 100
    assert 0.01 <= found.peak_error < 0.05
    assert not found.open and (found.floor, found.floor_error) == (0.9, 0.02) and not found.at_floor
    assert dataclasses.replace(found, floor=found.peak - 0.03).at_floor


def test_a_distance_that_still_falls_is_censored(record):
    short = dataclasses.replace(record, end=8)
    found = quality_of(short)
    assert found.gen.censored and found.high == np.inf and found.open


def test_noise_is_no_minimum_and_no_double_descent():
    random = np.random.default_rng(0)
    errors = np.full(60, 0.05)
    falling = np.linspace(3, 1, 60) + errors * random.normal(size=60)
    assert first_minimum(falling, errors) > 50 and not double_descent(falling, errors)
    flat = np.ones(60) + 0.3 * errors * random.normal(size=60)
    assert not double_descent(flat, errors)


def test_scatter_between_milestones_is_found_and_smooth_curves_have_little():
    random = np.random.default_rng(0)
    values, errors = curve(np.geomspace(1, 1e4, 400)), np.full(400, 1e-3)
    noisy = values * np.exp(0.2 * random.normal(size=400))
    assert with_scatter(noisy, errors)[1] == pytest.approx(0.2 * noisy, rel=0.15)
    assert with_scatter(values, errors)[1].max() < 0.01
    # What looks like minima and descents beside the samples' errors alone is none beside the scatter.
    flat = np.exp(0.2 * random.normal(size=40))
    assert double_descent(flat, errors[:40]) and not double_descent(*with_scatter(flat, errors[:40]))


def test_a_double_descent_is_seen():
    errors = np.full(STEPS.size, 0.01)
    assert double_descent(curve(STEPS), errors)
    once = STEPS < 1500
    assert not double_descent(curve(STEPS)[once], errors[once])


def test_a_run_without_samples_has_no_quality(record):
    config = dataclasses.replace(record.config, samples=0)
    with pytest.raises(InputError, match="generated 0 samples"):
        quality_of(Curves(None, record.facts | {"config": dataclasses.asdict(config)}))
