import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from genmem.__main__ import main
from genmem.empirics.analysis.fidelity import metrics_of
from genmem.empirics.analysis.halves import pair_of
from genmem.empirics.analysis.measure import times_of
from genmem.empirics.config import TrainConfig
from genmem.empirics.records import runs
from genmem.empirics.training.loop import train
from genmem.empirics.training.sweeps import SweepError
from tests.empirics.small import SMALL


def flags(config):
    """Every field of the config that differs from the default, as flags."""
    result = []
    for field in dataclasses.fields(TrainConfig):
        value = getattr(config, field.name)
        if value != field.default:
            result += [f"--{field.name.replace('_', '-')}", *map(str, value if isinstance(value, tuple) else [value])]
    return result


def genmem(*arguments, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["genmem", *map(str, arguments)])
    main()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Runs of two sizes with two seeds, made by the command."""
    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as monkeypatch:
        for n in (8, 16):
            for seed in (0, 1):
                config = dataclasses.replace(SMALL, n=n, seed=seed, loss_times=(0.1, 0.01))
                genmem("train", *flags(config), "--out", root, monkeypatch=monkeypatch)
                assert (root / config.key / "run.json").exists()
    return root


def test_train_prints_its_record(root, monkeypatch, capsys):
    genmem(
        "train", *flags(dataclasses.replace(SMALL, n=8, loss_times=(0.1, 0.01))), "--out", root, monkeypatch=monkeypatch
    )
    lines = capsys.readouterr().out.splitlines()
    assert "f_mem" in lines[0] and "t = 0.1" in lines[0]
    assert [int(line.split()[0]) for line in lines[1:6]] == SMALL.milestone_steps()[1:]
    assert lines[-1].startswith("finished after") and str(root) in lines[-1]


def test_train_uses_the_threads_it_is_given_and_can_stop_early(tmp_path, monkeypatch, capsys):
    config = dataclasses.replace(SMALL, steps=2, first_milestone=1, milestones=2, stop=0.5)
    genmem("train", *flags(config), "--threads", 2, "--out", tmp_path, monkeypatch=monkeypatch)
    facts = runs.load(tmp_path / config.key).facts
    assert facts["threads"] == 2 and facts["stop_reason"] == "end"
    assert capsys.readouterr().out.splitlines()[-1].startswith("finished after")


def test_measure_prints_a_line_for_each_run_and_the_exponents(root, monkeypatch, capsys):
    genmem("measure", root, monkeypatch=monkeypatch)
    out = capsys.readouterr().out
    assert "tau_gen" in out and len([line for line in out.splitlines() if line.endswith("finished")]) == 4


def test_measure_reads_the_times_off_the_loss_it_is_told_to(root, monkeypatch, capsys):
    values = {}
    for t in ("0.1", "0.01"):
        genmem("measure", root, "--t", t, "--json", monkeypatch=monkeypatch)
        values[t] = [run["gen"]["value"] for run in json.loads(capsys.readouterr().out)["runs"]]
        assert values[t] == [times_of(record, float(t)).gen.value for record in runs.find(root)]
    assert values["0.1"] != values["0.01"]
    genmem("measure", root, "--t", "0.01", monkeypatch=monkeypatch)
    assert "losses at t = 0.01;" in capsys.readouterr().out


def test_measure_json_goes_to_programs_and_to_a_file(root, tmp_path, monkeypatch, capsys):
    genmem("measure", root, "--json", "--out", tmp_path / "new" / "times.json", monkeypatch=monkeypatch)
    out = capsys.readouterr().out
    assert json.loads(out) == json.loads((tmp_path / "new" / "times.json").read_text())
    result = json.loads(out)
    assert [run["config"]["n"] for run in result["runs"]] == [8, 8, 16, 16]
    assert set(result["exponents_in_n"]) == {"gen", "gap", "mem", "copy", "half"}
    assert isinstance(result["runs"][0]["gen"]["censored"], bool)


def test_measure_can_tell_the_quality_and_the_claims(root, monkeypatch, capsys):
    genmem("measure", root, "--quality", "--claims", "--features", "pixels", "--floor", monkeypatch=monkeypatch)
    out = capsys.readouterr().out
    assert (
        "best before copies" in out
        and "f_mem 1/2" in out
        and "swd_train" in out
        and "claimed" in out
        and "feature space pixels" in out
    )
    assert len(list(root.glob("*/metrics/pixels/*.safetensors"))) == 4 * (len(SMALL.milestone_steps()) - 1)


GRID = ["--ns", 8, 16, "--seeds", 0, 1, *flags(dataclasses.replace(SMALL, loss_times=(0.1, 0.01)))]


def test_sweep_knows_the_runs_that_are_done(root, monkeypatch, capsys):
    genmem("sweep", *GRID, "--out", root, monkeypatch=monkeypatch)
    assert capsys.readouterr().out == f"4 runs recorded in {root}; next: genmem measure {root}\n"


def test_a_dry_run_says_what_would_run_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    genmem("sweep", *GRID, "--out", tmp_path / "new", "--dry-run", monkeypatch=monkeypatch)
    out = capsys.readouterr().out
    assert out.startswith("4 runs to do, 0 done") and "4 runs: about" in out and "of disk" in out
    assert not list(tmp_path.iterdir())


def test_a_preset_can_be_trained_on_other_data(tmp_path, monkeypatch, capsys):
    genmem(
        "sweep",
        "--preset",
        "patches-cpu",
        "--data",
        "gaussian:digits",
        "--out",
        tmp_path,
        "--dry-run",
        monkeypatch=monkeypatch,
    )
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6 and all("gaussian" in line for line in lines[2:5])


def test_a_failed_sweep_is_one_sentence_and_exit_code_1(root, monkeypatch, capsys):
    def fail(*arguments, **options):
        raise SweepError("1 of 4 runs failed: 0123: it burned")

    monkeypatch.setattr("genmem.empirics.training.sweeps.sweep", fail)
    with pytest.raises(SystemExit) as exit_:
        genmem("sweep", *GRID, "--out", root, monkeypatch=monkeypatch)
    assert exit_.value.code == 1 and capsys.readouterr().err == "genmem: 1 of 4 runs failed: 0123: it burned\n"


def test_runs_lists_each_run_and_the_numbers_of_each_status(root, monkeypatch, capsys):
    genmem("runs", root, monkeypatch=monkeypatch)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6 and all(line.endswith("finished") for line in lines[1:]) and lines[-1] == "4 finished"
    genmem("runs", root, "--json", monkeypatch=monkeypatch)
    result = json.loads(capsys.readouterr().out)
    assert [(run["config"]["n"], run["step"], run["status"]) for run in result] == [
        (n, SMALL.steps, "finished") for n in (8, 8, 16, 16)
    ]


def test_exported_records_measure_the_same_without_weights(root, tmp_path, monkeypatch, capsys):
    copies = tmp_path / "copies"
    genmem("export", root, copies, "--images", 2, monkeypatch=monkeypatch)
    assert capsys.readouterr().out.startswith("4 runs, ")
    measured = []
    for folder in (root, copies):
        genmem("measure", folder, "--json", monkeypatch=monkeypatch)
        measured.append(json.loads(capsys.readouterr().out))
    for run, copy in zip(*(each["runs"] for each in measured), strict=True):
        for event in ("gen", "gap", "mem", "copy"):
            assert copy[event]["value"] == pytest.approx(run[event]["value"], rel=1e-5)
            ends = zip(copy[event]["interval"], run[event]["interval"], strict=True)
            assert all(mine == (end and pytest.approx(end, rel=0.02)) for mine, end in ends)
    files = [path for path in copies.rglob("*") if path.is_file()]
    assert not [path for path in files if "checkpoints" in path.parts or path.name == "lock"]
    for copy, record in zip(runs.find(copies), runs.find(root), strict=True):
        step = int(record.steps[-1])
        assert np.array_equal(copy.samples(step), record.samples(step)[:2])
        # Read, as two samples are too few to compute them.
        assert metrics_of(copy, step).distances == metrics_of(record, step).distances
        for mine, theirs in zip(copy.image_losses(0.1), record.image_losses(0.1), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=2e-3)
        for threshold in (1 / 4, 1 / 3, 1 / 2):
            assert np.array_equal(copy.memorized_samples(threshold), record.memorized_samples(threshold))
    # A copy of a copy is the same.
    genmem("export", copies, tmp_path / "again", "--images", 2, monkeypatch=monkeypatch)
    assert {path.relative_to(copies) for path in files} == {
        path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*") if path.is_file()
    }


def test_exported_halves_can_still_be_compared(tmp_path, monkeypatch):
    first = dataclasses.replace(SMALL, half="first", milestones=2)
    second = dataclasses.replace(first, half="second", seed=1, sampling_seed=0)
    records = [train(config, tmp_path / "runs" / config.key) for config in (first, second)]
    exact = pair_of(*records)
    genmem("export", tmp_path / "runs", tmp_path / "copies", "--images", 1, monkeypatch=monkeypatch)
    copies = [runs.load(tmp_path / "copies" / record.key) for record in records]
    assert len(copies[0].samples(SMALL.steps)) == 1
    kept = pair_of(*copies)
    for name in ("agreement", "with_untrained", "unrelated", "own", "held_out"):
        np.testing.assert_allclose(getattr(kept, name), getattr(exact, name), atol=5e-4, err_msg=name)
    # One half alone keeps all samples, as the other may be exported later.
    (tmp_path / "half").mkdir()
    records[0].directory.rename(tmp_path / "half" / first.key)
    genmem("export", tmp_path / "half", tmp_path / "alone", "--images", 1, monkeypatch=monkeypatch)
    assert len(runs.load(tmp_path / "alone" / first.key).samples(SMALL.steps)) == SMALL.samples


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_no_output_takes_the_place_of_a_run_that_it_is_made_of(root, tmp_path, monkeypatch, capsys):
    run = sorted(path.parent for path in root.glob("*/run.json"))[0]
    (tmp_path / "link").symlink_to(root)
    copies = tmp_path / "copies"
    genmem("export", root, copies, monkeypatch=monkeypatch)
    before = contents(root)
    capsys.readouterr()
    for command, words in (
        (["export", root, root], "out must be another folder"),
        (["export", root, tmp_path / "link"], "out must be another folder"),
        (["export", root, run], "must not overwrite the run"),
        (["export", root, run / "milestones" / "x"], "must not overwrite the run"),
        (["export", copies, root], "must not hold a run with its weights"),
        (["measure", root, "--out", run / "run.json"], "must not overwrite the run"),
        (["figures", "training", "--runs", root, "--out", run], "must not overwrite the run"),
        (["overlay", root, "--out", run / "overlay.nc"], "must not overwrite the run"),
        (["report", root, "--out", run], "must not overwrite the run"),
    ):
        with pytest.raises(SystemExit) as exit_:
            genmem(*command, monkeypatch=monkeypatch)
        assert exit_.value.code == 2 and words in capsys.readouterr().err, command
        assert contents(root) == before, command


def test_a_run_that_has_not_ended_is_not_exported(tmp_path, monkeypatch, capsys):
    def stop(step):
        if step == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(SMALL, tmp_path / "runs" / SMALL.key, stop)
    with pytest.raises(SystemExit) as exit_:
        genmem("export", tmp_path / "runs", tmp_path / "copies", monkeypatch=monkeypatch)
    assert exit_.value.code == 2 and "runs must have ended" in capsys.readouterr().err
    assert not (tmp_path / "copies").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--n", "5000"], "n must be at most 1285"),
        (["train", "--n", "0"], "n must be a whole number of at least 2"),
        (["train", "--learning-rate", "-1"], "learning_rate must be positive"),
        (["train", "--data", "digit"], "did you mean 'digits'"),
        (["train", "--colour", "red"], "--colour"),
        (["train", "--optimizer", "sdg"], "sdg"),
        (["train", "--out", "/dev/null/runs"], "cannot be written"),
        (["measure", "/no/such/folder"], "must be a directory"),
        (["measure", "."], "holds none"),
        (["measure", ".", "--out", "times.txt"], "out must be"),
        (["measure", ".", "--features", "pixel"], "did you mean 'pixels'"),
        (["runs", "/no/such/folder"], "must be a directory"),
        (["runs", "."], "holds none"),
        (["export", ".", "copies"], "holds none"),
        (["export", ".", "copies", "--images", "0"], "images must be"),
        (["sweep", "--preset", "digit-cpu"], "digits-cpu"),
        (["sweep", "--preset", "digits-cpu", "--width", "16"], "fixes all values of its runs but data"),
        (["sweep", "--preset", "digits-cpu", "--ns", "16", "--seed", "1"], "but data, so ns, seed must be left out"),
        (["sweep", "--preset", "digits-cpu", "--print-config"], "print_config must be left out with a preset"),
        (["train", "--steps", "5", "--first-milestone", "5"], "first_milestone must be below steps = 5"),
        (["train", "--device", "gpu"], "gpu"),
        (["train", "--device", "mps", "--steps", "2"], "device must be one that this machine has, but 'mps' was given"),
        (["train", "--config", "nowhere.toml"], "config must be a file that can be read, but 'nowhere.toml' was given"),
        (["sweep", "--ns", "16", "1"], "n must be a whole number of at least 2"),
        (["sweep", "--ns", "many"], "--ns"),
        (["sweep", "--workers", "0"], "workers must be"),
        (["sweep", "--out", "/dev/null/runs"], "out must be a path that can be written"),
        (["sweep", "--scheduler", "nowhere"], "scheduler must be the address"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        genmem(*arguments, monkeypatch=monkeypatch)
    assert exit_.value.code == 2
    output = capsys.readouterr()
    assert words in output.err and not output.out and "Traceback" not in output.err
    assert not list(tmp_path.iterdir())


def test_commands_load_nothing_heavy_until_they_run():
    code = (
        "import sys; from genmem.commands import NAMES, command; [command(name) for name in NAMES]; "
        "print([m for m in ('torch', 'diffusers', 'sklearn', 'scipy') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
