import dataclasses
import json
import subprocess
import sys

import pytest

from empirics.config import TrainConfig
from genmem import main
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
    genmem("train", *flags(dataclasses.replace(SMALL, n=8, loss_times=(0.1, 0.01))), "--out", root,
           monkeypatch=monkeypatch)
    lines = capsys.readouterr().out.splitlines()
    assert "f_mem" in lines[0] and "t = 0.1" in lines[0]
    assert [int(line.split()[0]) for line in lines[1:6]] == SMALL.milestone_steps()[1:]
    assert lines[-1].startswith("finished after") and str(root) in lines[-1]


def test_measure_prints_a_line_for_each_run_and_the_exponents(root, monkeypatch, capsys):
    genmem("measure", root, monkeypatch=monkeypatch)
    out = capsys.readouterr().out
    assert "tau_gen" in out and len([line for line in out.splitlines() if line.endswith("finished")]) == 4


def test_measure_json_goes_to_programs_and_to_a_file(root, tmp_path, monkeypatch, capsys):
    genmem("measure", root, "--json", "--out", tmp_path / "new" / "times.json", monkeypatch=monkeypatch)
    out = capsys.readouterr().out
    assert json.loads(out) == json.loads((tmp_path / "new" / "times.json").read_text())
    result = json.loads(out)
    assert [run["config"]["n"] for run in result["runs"]] == [8, 8, 16, 16]
    assert set(result["exponents_in_n"]) == {"gen", "gap", "mem", "copy", "half"}
    assert isinstance(result["runs"][0]["gen"]["censored"], bool)


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
    code = "import sys, empirics.commands; print([m for m in ('torch', 'diffusers', 'sklearn', 'scipy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
