"""Advice from pilots whose law is known, and refused where pilots cannot tell."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from genmem.empirics.analysis.advice import ForecastTime, advise, cross_validate, from_theory
from genmem.empirics.analysis.mapping import KNOBS, images_of, predicted_times
from genmem.empirics.analysis.measure import RunTimes, Time
from genmem.empirics.config import TrainConfig
from genmem.empirics.records.runs import RunRecord
from genmem.empirics.tables.advice_text import advice_json, advice_text, summaries, trials_json, trials_table
from genmem.shared.errors import InputError
from tests import tolerances
from tests.empirics.test_commands import genmem

T, SIZES = 0.01, (32, 64, 128)


def pilot(n, gen, mem, end=math.inf, copy=math.inf, **config):
    """A run on digits with these times, ended at step `end`."""
    config = TrainConfig(data="digits", n=n, **config)
    record = RunRecord(Path("nowhere"), {"key": config.key, "config": dataclasses.asdict(config), "status": "finished"})
    times = [Time(float(min(time, end, 1e9)), bool(time > min(end, 1e9))) for time in (gen, gen, mem, copy, copy)]
    return RunTimes(record, *times, t=T)


def pilots(spread=0.1, sizes=SIZES, widths=(8, 16), seeds=3, end=math.inf):
    """tau_gen of the theory at psi_p = 32 and tau_mem = 40 n / W, both with scatter, in 5/W steps per tau."""
    random = np.random.default_rng(3)
    d, spectrum = images_of(TrainConfig())
    found = []
    for n in sizes:
        gen = predicted_times(n / d, 32.0, T, spectrum)[0]
        for width in widths:
            for seed in range(seeds):
                noise = np.exp(spread * random.standard_normal(2))
                gen_steps, mem = 5 / width * gen * noise[0], 320 * n / width * noise[1]
                found.append(pilot(n, gen_steps, mem, end, copy=1.5 * mem, width=width, seed=seed))
    return found


@pytest.fixture(scope="module")
def given():
    return advise(pilots(), 512, T, {"W": 16})


def test_the_power_law_predicts_as_least_squares_does(given):
    runs = pilots()
    configs = [run.record.config for run in runs]
    x = np.column_stack([np.ones(len(runs)), np.log([c.n for c in configs]), np.log([c.width for c in configs])])
    y, target = np.log([r.mem.value for r in runs]), np.array([1, math.log(512), math.log(16)])
    best, squares, *_ = np.linalg.lstsq(x, y, rcond=None)
    freedom = len(y) - 3
    error = math.sqrt(squares[0] / freedom * (1 + target @ np.linalg.inv(x.T @ x) @ target))
    low, high, risk = (math.exp(target @ best + stats.t.ppf(q, freedom) * error) for q in (0.025, 0.975, 0.05))
    time = given.forecasts["mem"]["power law"]
    assert (time.low, time.high, given.stop) == pytest.approx((low, high, risk), rel=tolerances.LAWS_NELDER_MEAD)
    assert time.low < 320 * 512 / 16 < time.high and given.chosen["mem"] == "power law"


def test_the_theory_predicts_a_time_that_levels_off_where_the_power_law_does_not(given):
    d, spectrum = images_of(TrainConfig())
    truth = 5 / 16 * predicted_times(512 / d, 32.0, T, spectrum)[0]
    theory, law = (given.forecasts["gen"][name] for name in ("theory", "power law"))
    assert theory.low < truth < theory.high and given.chosen["gen"] == "theory"
    assert abs(math.log(theory.median / truth)) < abs(math.log(law.median / truth))


def test_the_stopping_step_grows_with_the_risk_and_is_the_median_at_one_half(given):
    stops = [advise(pilots(), 512, T, {"W": 16}, risk).stop for risk in (0.01, 0.5)]
    assert stops[0] < given.stop < stops[1] == pytest.approx(given.forecasts["mem"]["power law"].median)


def test_what_is_extrapolated_is_told(given):
    assert given.beyond == {"n": 4.0, "W": 1.0, "B": 1.0, "eta": 1.0} and given.warnings == []
    assert given.copying == (18, 18)
    far = advise(pilots(), 1024, T, {"W": 64})
    assert any("n lies a factor 8" in text for text in far.warnings)
    assert any("W lies a factor 4" in text for text in far.warnings)
    # So few steps that nothing may have been learned yet.
    early = advise(pilots(spread=0.6), 16, T, {"W": 16}, risk=0.001)
    assert any("may not have generalized" in text for text in early.warnings)


def test_a_theory_and_a_measurement_that_exclude_each_other_are_said_to_first(given):
    assert given.contradictions == []
    apart = {"theory": ForecastTime(900.0, 800.0, 1000.0), "power law": ForecastTime(3000.0, 1001.0, 4000.0)}
    torn = dataclasses.replace(given, forecasts=given.forecasts | {"mem": apart})
    (sentence,) = torn.contradictions
    assert "tau_mem" in sentence and "800 to 1,000 (theory) and 1,001 to 4,000 (power law)" in sentence
    text = advice_text(torn, pilots())
    assert text.startswith("CONTRADICTION: theory and measurement") and text.count("contradict") == 1
    assert torn.warnings[0] == sentence and json.loads(advice_json(torn))["contradictions"] == [sentence]
    touching = apart | {"theory": ForecastTime(900.0, 800.0, 1001.0)}
    assert dataclasses.replace(given, forecasts={"mem": touching}).contradictions == []


def test_censored_pilots_stay_in():
    cut = pilots(spread=0.3, end=2500)
    assert sum(run.mem.censored for run in cut) > 4
    time = advise(cut, 512, T, {"W": 16}).forecasts["mem"]["power law"]
    assert time.low < 320 * 512 / 16 < time.high
    # Without the censored ones, long times would be missing.
    kept = advise([run for run in cut if not run.mem.censored], 512, T, {"W": 16}).forecasts["mem"]["power law"]
    assert kept.median < time.median


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"runs": pilots(sizes=(64,))}, "at least two n, but all have n = 64"),
        ({"n": -4}, "n must be positive"),
        ({"risk": 0.0}, "risk must lie between 0 and 1"),
        ({"risk": 1.0}, "risk must lie between 0 and 1"),
        ({"asked": {"W": -8}}, "width must be positive"),
        ({"asked": {"eta": 5.0}}, "none does at W = 8, B = 64, eta = 5"),
        ({"runs": pilots(end=150)}, "pilots must show tau_gen at two n"),
        ({"runs": [*pilots(), pilot(64, 100, 400, levels=2)]}, "levels is 2 and 3"),
    ],
)
def test_pilots_that_cannot_tell_are_refused(change, sentence):
    arguments = {"runs": pilots(), "n": 512, "asked": {}, "risk": 0.05} | change
    with pytest.raises(InputError, match=sentence):
        advise(arguments["runs"], arguments["n"], T, arguments["asked"], arguments["risk"])


@pytest.mark.slow
def test_cross_validation_predicts_only_from_fewer_images():
    trials = cross_validate(pilots(sizes=(32, 64, 128)), T)
    assert {(trial.largest, trial.run.record.config.n) for trial in trials} == {(64, 128)}
    assert {trial.width for trial in trials} == {8, 16, None}
    mem = [trial for trial in trials if (trial.event, trial.predictor, trial.width) == ("mem", "power law", None)]
    held_out = [run for run in pilots() if run.record.config.n < 128]
    for trial in mem:
        again = advise(held_out, 128, T, {"W": trial.run.record.config.width}).forecasts["mem"]["power law"]
        assert (trial.median, trial.low, trial.high) == pytest.approx((again.median, again.low, again.high))
    assert sum(trial.contradicted for trial in mem) <= 1
    wrong = [dataclasses.replace(trial, value=5 * trial.value) for trial in mem]
    assert all(trial.contradicted for trial in wrong)
    assert not any(dataclasses.replace(trial, value=1.0, censored=True).contradicted for trial in mem)
    row = [row for row in summaries(mem) if row["width"] == "all"][0]
    error = math.exp(math.sqrt(np.mean([math.log(trial.value / trial.median) ** 2 for trial in mem])))
    assert row["error"] == pytest.approx(error) and row["measured"] == 6 and row["covered"] >= 5
    assert trials_table(trials).count("| tau_mem | power law |") == 4  # each width, all, and every line
    json.loads(trials_json(trials), parse_constant=pytest.fail)
    with pytest.raises(InputError, match="at least three n"):
        cross_validate(pilots(sizes=(32, 64)), T)


def test_the_theory_alone():
    d, spectrum = images_of(TrainConfig())
    assert tuple(from_theory(256, "digits", 16.0, T).values()) == predicted_times(256 / d, 16.0, T, spectrum)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "n must be given"),
        ("--n 64", "pilots must be given, or data and psi_p"),
        ("--n 64 --data digits --psi-p 8 --width 4", "width must be left out without pilots"),
        ("runs --n 64 --psi-p 8", "psi_p must be left out with pilots"),
        ("nowhere --n 64", "must be a directory"),
    ],
)
def test_bad_input_is_refused(line, sentence, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        genmem("advise", *line.split(), monkeypatch=monkeypatch)
    assert stop.value.code == 2 and sentence in capsys.readouterr().err


def test_the_command_prints_the_advice_and_valid_json(monkeypatch, capsys):
    records = Path(__file__).parents[2] / "records" / "digits-cpu"
    genmem("advise", records, "--n", 512, "--width", 16, monkeypatch=monkeypatch)
    text = capsys.readouterr().out
    assert "stop at step" in text and "extrapolated: n by a factor 2" in text
    genmem("advise", records, "--n", 512, "--width", 16, "--json", monkeypatch=monkeypatch)
    values = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert f"stop at step {math.floor(values['stop']):,}" in text and values["beyond"]["n"] == 2
    assert set(values["setting"]) == set(KNOBS)
    alone = ("--data", "digits", "--psi-p", 8, "--steps-per-tau", 2)
    genmem("advise", "--n", 512, *alone, "--json", monkeypatch=monkeypatch)
    alone = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert alone["tau_gen"] == pytest.approx(2 * from_theory(512, "digits", 8.0, T)["gen"])
