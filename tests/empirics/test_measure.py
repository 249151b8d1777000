import dataclasses

import numpy as np
import pytest

from genmem.empirics.analysis.measure import (
    SETTING,
    Time,
    first_crossing,
    lower_bound,
    measure,
    memorization_rate,
    time_intervals,
    times_of,
)
from genmem.empirics.records import runs
from genmem.empirics.records.runs import RunRecord
from genmem.shared.errors import InputError
from tests.empirics.small import SMALL


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
        "half": 10 * 10**2.5,
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


def test_a_diverged_run_is_shown_but_no_law_is_fitted_to_it():
    records = [curves(n, s, n / 16 * (1 + 0.05 * s)) for n in (16, 32, 64) for s in (0, 1)]
    wild = curves(128, 0, 0.01)
    wild = dataclasses.replace(wild, facts=wild.facts | {"status": "diverged"})
    measurement = measure([*records, wild])
    assert len(measurement.runs) == 7 and measurement.exponents["mem"].runs == 6
    assert measurement.exponents["mem"].value == pytest.approx(1, abs=0.05)
    assert np.isnan(measure([wild]).exponents["mem"].value)


def test_nothing_to_measure_is_said():
    with pytest.raises(InputError, match="two milestones"):
        measure([])


def test_first_crossing_interpolates_in_log_step():
    assert first_crossing(np.array([10, 1000]), np.array([-1.0, 1.0])) == pytest.approx(100)
    assert first_crossing(np.array([10, 1000]), np.array([1.0, 2.0])) == 10
    assert first_crossing(np.array([10, 1000]), np.array([-2.0, -1.0])) == np.inf


def test_a_floor_is_the_best_loss_of_all_runs_on_the_data():
    # Losses of one run are higher throughout: it never comes near the other's best.
    class Worse(Curves):
        def loss(self, t=None):
            return tuple(0.4 + 0.6 * x for x in super().loss(t))

    good, bad = curves(n=32), curves(n=16)
    bad = Worse(None, bad.facts)
    own, floored = (measure([good, bad], floor=floor).runs for floor in (False, True))
    # To the smoothing, a logarithm of shifted losses is another curve.
    assert own[1].gen.value == pytest.approx(own[0].gen.value, rel=0.03) and not own[1].gen.censored
    assert floored[1].gen.censored and floored[0].gen == own[0].gen
    assert floored[1].mem == own[1].mem


def test_the_lag_is_how_much_later_copies_come_than_the_gap():
    times = times_of(curves())
    assert times.lag.value == pytest.approx(times.copy.value / times.gap.value) and not times.lag.censored
    assert times_of(curves(end=80)).lag == Time(80 / times_of(curves(end=80)).gap.value, True)
    assert times_of(curves(end=20)).lag is None


@pytest.fixture
def recorded(tmp_path):
    """Writes a run whose images' losses and whose samples' copies differ by `noise` around the curves above."""

    def write(images, noise, samples=200):
        config = dataclasses.replace(SMALL, steps=10_000, milestones=30, samples=samples)
        directory = tmp_path / f"{images}-{noise}"
        with runs.open_for_writing(directory, config):
            runs.write_facts(directory, {"key": config.key, "config": dataclasses.asdict(config), "status": "finished"})
            random = np.random.default_rng(0)
            of_image = [noise * random.normal(size=images) for _ in range(2)]
            place = random.uniform(size=samples)
            for step in config.milestone_steps():
                x = np.log10(max(step, 1e-3) / 10)
                fall, rise = 1 - 0.9 / (1 + np.exp(-8 * x)), 1 / (1 + np.exp(-8 * (x - 1.5)))
                copied = place < 0.8 / (1 + np.exp(-8 * (x - 2)))
                # Images differ in how far their loss rises or falls in the end.
                runs.write_milestone(
                    directory,
                    step,
                    {
                        "train_loss": np.array([fall - 0.1 * rise * (1 + of_image[0])] * 2),
                        "test_loss": np.array([fall + 0.5 * rise * (1 + of_image[1])] * 2),
                        "d1": np.where(copied, 0.1, 0.9),
                        "d2": np.ones(samples),
                        "index": np.zeros(samples, int),
                    },
                )
        return runs.load(directory)

    return write


def test_intervals_come_from_the_images_and_the_samples(recorded):
    few, many, equal = recorded(20, 0.5), recorded(2000, 0.5), recorded(20, 0.0)
    wide, narrow, none = map(time_intervals, (few, many, equal))
    for event in ("gap", "mem"):
        assert wide[event][0] < getattr(times_of(few), event).value < wide[event][1]
        # What is left of 2000 images is the uncertainty of the smooth curve.
        assert np.log(narrow[event][1] / narrow[event][0]) < 0.6 * np.log(wide[event][1] / wide[event][0])
        assert none[event] == pytest.approx([getattr(times_of(equal), event).value] * 2, rel=0.06)
    assert none["copy"][0] < times_of(equal).copy.value < none["copy"][1]


def test_an_interval_of_an_event_that_only_some_draws_see_is_open(recorded):
    record = recorded(20, 0.0, samples=8)
    low, high = time_intervals(record)["copy"]
    assert low < high and np.isfinite(low)
    quiet = recorded(20, 0.1)
    quiet.__dict__["steps"] = quiet.steps[quiet.steps < 100]
    assert time_intervals(quiet)["mem"] == (np.inf, np.inf)


def test_the_memorization_rate_is_the_slope_in_log_step(recorded):
    rate, low, high = memorization_rate(recorded(20, 0.0, samples=2000))
    # A sigmoid of slope 0.8 x 8 / 4 per decade in its middle; less over its whole rise.
    steepest = 0.8 * 8 / 4 / np.log(10)
    assert 0.5 * steepest < low < rate < high < steepest
    assert all(np.isnan(memorization_rate(curves(end=50))))


def test_the_lower_bound_is_that_of_the_exact_interval():
    from genmem.empirics.samples.metrics import memorized_fraction

    for share in (0.0, 0.02, 0.3, 1.0):
        d1 = np.where(np.arange(200) < 200 * share, 0.0, 1.0)
        assert lower_bound(np.array([share]), 200)[0] == pytest.approx(
            memorized_fraction(d1, np.ones(200))[1], abs=1e-12
        )


def test_a_gap_that_was_there_before_training_is_taken_off_and_one_that_closes_is_none():
    class Shifted(Curves):
        """Test images that are harder from the start, and a gap that opens for a moment."""

        def loss(self, t=None):
            train, test = super().loss(t)
            brief = 0.3 * np.exp(-0.5 * ((np.log10(self.steps / self.shift) - 0.8) / 0.1) ** 2)
            return train, test + 0.2 + brief

        def initial(self, t=None):
            return 1.0, 1.2

    assert times_of(Shifted(None, curves().facts)).gap.value == pytest.approx(times_of(curves()).gap.value, rel=0.02)


def test_settings_see_every_field_that_could_move_the_times():
    assert {"data", "width", "optimizer", "learning_rate", "batch_size", "precision"} <= set(SETTING)
    assert not {"n", "seed", "steps", "samples"} & set(SETTING)
