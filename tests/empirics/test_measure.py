import dataclasses

import numpy as np
import pytest

from empirics.measure import first_crossing, measure, times_of
from empirics.runs import RunRecord
from tests.empirics.small import SMALL
from theory.errors import InputError


@dataclasses.dataclass(frozen=True)
class Curves(RunRecord):
    """A record whose curves are given instead of read; times are those of `shift` stretched in log-step."""

    shift: float = 1.0
    end: float = 1e4

    @property
    def steps(self):
        return np.unique(np.geomspace(1, self.end, 400).round().astype(int))

    def loss(self, t=None):
        x = np.log10(self.steps / self.shift)
        # Falls by 0.9 around x = 0, the test loss rises again around x = 2.
        fall = 1 - 0.9 / (1 + np.exp(-8 * x))
        return fall - 0.1 / (1 + np.exp(-8 * (x - 2))), fall + 0.5 / (1 + np.exp(-8 * (x - 2)))

    def initial(self, t=None):
        return 1.0, 1.0

    def memorized(self, threshold=1 / 3):
        f = 0.8 / (1 + np.exp(-8 * (np.log10(self.steps / self.shift) - 2.5)))
        return np.stack([f, 0.9 * f, 1.1 * f], axis=1)


def curves(n=16, seed=0, shift=1.0, end=1e4, **changes):
    config = dataclasses.replace(SMALL, n=n, seed=seed, **changes)
    facts = {"key": config.key, "config": dataclasses.asdict(config), "status": "finished", "wall_time": 0.0}
    return Curves(directory=None, facts=facts, shift=shift, end=end)


def test_times_are_where_the_curves_put_them():
    times = times_of(curves(shift=10.0))
    # L_min is 0.1, F is 0.9: the loss is within 5 % of F where the sigmoid is 0.95, and so on.
    logit = lambda p: np.log(p / (1 - p)) / 8  # noqa: E731
    expected = {
        "gen": 10 * 10 ** logit(0.95),
        "gap": 10 * 10 ** (2 + logit(0.09 / 0.6)),
        "mem": 10 * 10 ** (2 + logit(0.09 / 0.5)),
        "copy": 10 * 10 ** (2.5 + logit(0.01 / 0.72)),
        "half": 10 * 10 ** 2.5,
    }
    for event, value in expected.items():
        time = getattr(times, event)
        assert not time.censored and time.value == pytest.approx(value, rel=0.02), event


def test_events_beyond_the_end_are_censored_there():
    times = times_of(curves(shift=10.0, end=500))
    assert [getattr(times, event).censored for event in ("gen", "gap", "mem", "copy", "half")] == [False] + [True] * 4
    assert times.mem.value == times.copy.value == times.half.value == 500
    # The loss still falls, so the minimum may be lower and tau_gen later.
    falling = times_of(curves(shift=10.0, end=60))
    assert falling.gen.censored and falling.gen.value < 60


def test_exponents_of_shifted_curves():
    records = [curves(n, seed, shift=n / 16 * (1 + 0.05 * seed)) for n in (16, 32, 64, 128) for seed in (0, 1)]
    fits = measure(records).exponents
    for event in ("gen", "gap", "mem", "copy"):
        assert fits[event].value == pytest.approx(1, abs=0.05) and fits[event].low < 1 < fits[event].high
        assert (fits[event].runs, fits[event].censored) == (8, 0)


def test_a_censored_run_stays_in_the_fit():
    records = [curves(n, s, shift=n / 16 * (1 + 0.05 * s)) for n in (16, 32, 64) for s in (0, 1)]
    records.append(curves(128, shift=8.0, end=300))
    law = measure(records).exponents["mem"]
    assert (law.runs, law.censored) == (7, 1) and law.value == pytest.approx(1, abs=0.1)


def test_runs_that_differ_in_more_than_n_get_constants_of_their_own():
    records = [curves(n, s, n / 16 * (1 + 0.05 * s)) for n in (16, 32, 64) for s in (0, 1)]
    slower = [curves(n, s, 30 * n / 16 * (1 + 0.05 * s), width=8) for n in (16, 32) for s in (0, 1)]
    assert measure(records + slower).exponents["gen"].value == pytest.approx(1, abs=0.05)
    # A longer budget is not another setting.
    longer = [curves(n, s, 30 * n / 16, steps=60) for n in (16, 32) for s in (2, 3)]
    assert measure(records + longer).exponents["gen"].value != pytest.approx(1, abs=0.05)


def test_nothing_to_measure_is_said():
    with pytest.raises(InputError, match="two milestones"):
        measure([])


def test_first_crossing_interpolates_in_log_step():
    assert first_crossing(np.array([10, 1000]), np.array([-1.0, 1.0])) == pytest.approx(100)
    assert first_crossing(np.array([10, 1000]), np.array([1.0, 2.0])) == 10
    assert first_crossing(np.array([10, 1000]), np.array([-2.0, -1.0])) == np.inf
