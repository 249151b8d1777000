"""A config in a file: what is printed reads back as the same run; what is typed goes before it."""

import dataclasses
import json
import tomllib

import pytest

from genmem.commands.config_file import as_toml, with_file
from genmem.commands.run_flags import TOPICS, config_of, flags_of
from genmem.commands.train import train
from genmem.empirics.config import TrainConfig
from genmem.empirics.records import runs
from genmem.empirics.training.presets import PRESETS
from genmem.shared.errors import InputError
from tests.empirics.small import SMALL
from tests.test_commands import run  # noqa: F401

ODD = TrainConfig(
    data='folder:C:\\photos "of" 図\x7f\t',
    classes=(3, 1),
    learning_rate=1e-5,
    loss_times=(0.01, 1),
    sampling_seed=7,
    grey=True,
    range="centered",
    ema=0.999,
    precision="bf16",
    steps=20_000,
)


def test_each_field_of_a_run_has_its_place_in_the_help():
    names = [name for group in TOPICS.values() for name in group]
    assert sorted(names) == sorted(field.name for field in dataclasses.fields(TrainConfig))


@pytest.mark.parametrize("config", [TrainConfig(), SMALL, ODD, *(configs[-1] for configs in PRESETS.values())])
def test_a_printed_config_reads_back_as_the_same_run(config, tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(as_toml(flags_of(config)), encoding="utf-8")
    read = config_of(with_file(train, ["--config", str(path)]).keywords["run"])
    assert read == config and read.key == config.key
    # By a reader that knows nothing of the flags: the same values as in a run's record.
    plain = {name: value for name, value in dataclasses.asdict(config).items() if value is not None}
    assert json.loads(json.dumps(tomllib.loads(path.read_text(encoding="utf-8")))) == json.loads(json.dumps(plain))


def test_what_is_typed_goes_before_the_file(run, tmp_path):  # noqa: F811
    (tmp_path / "run.toml").write_text("n = 16\nwidth = 12\nbalanced = true\nlearning_rate = 1\n")
    code, output, _ = run("train", "--width", 4, "--config", "run.toml", "--no-balanced", "--print-config")
    assert code == 0
    assert tomllib.loads(output) == {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(TrainConfig(n=16, width=4, learning_rate=1.0)).items()
        if value is not None
    }


def test_a_file_can_hold_a_grid(run, tmp_path):  # noqa: F811
    (tmp_path / "grid.toml").write_text("ns = [16, 32]\nlearning_rates = [1, 0.1]\nsteps = 50\n")
    code, output, _ = run("sweep", "--config=grid.toml", "--seeds", 1, 2, "--print-config")
    read = tomllib.loads(output)
    assert code == 0 and read["steps"] == 50
    assert (read["ns"], read["learning_rates"], read["seeds"]) == ([16, 32], [1.0, 0.1], [1, 2])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("widht = 4", "but 'widht' was given; did you mean 'width'?"),
        ("ns = [1]", "but 'ns' was given"),  # of a sweep, not of a run
        ("n = 3.5", "n must be a whole number, but 3.5 is given in run.toml"),
        ("n = true", "n must be a whole number, but True is given"),
        ("balanced = 1", "balanced must be true or false, but 1 is given"),
        ("data = 1", "data must be a text, but 1 is given"),
        ("learning_rate = '1e-3'", "learning_rate must be a number, but '1e-3' is given"),
        ("classes = [1, 'a']", "classes must be a list in which each entry is a whole number"),
        ("loss_times = 0.1", "loss_times must be a list, but 0.1 is given"),
        ("[network]\nwidth = 4", "network must be a text, but {'width': 4} is given"),
        ("n = ", "config must be a TOML file, as --print-config writes it, but 'run.toml' is none"),
        ("half = 'third'", "half in run.toml must be one of all, first, second, but 'third' was given"),
    ],
)
def test_a_slip_in_the_file_is_one_sentence(run, tmp_path, text, sentence):  # noqa: F811
    (tmp_path / "run.toml").write_text(text)
    code, output, errors = run("train", "--config", "run.toml", "--print-config")
    assert code == 2 and output == "" and sentence in errors and errors.count("\n") == 1


def test_a_run_shorter_than_its_first_milestone_is_measured_from_the_first_step():
    assert TrainConfig(steps=5).milestone_steps() == [0, 1, 2, 3, 4, 5]
    assert TrainConfig(steps=8).milestone_steps()[:2] == [0, 1] and TrainConfig(steps=1).milestone_steps() == [0, 1]
    assert TrainConfig(steps=9).milestone_steps() == [0, 8, 9]
    TrainConfig(steps=1).check()
    with pytest.raises(InputError, match="first_milestone must be below steps = 5"):
        TrainConfig(steps=5, first_milestone=6).check()


def test_a_run_is_trained_where_it_is_told_to(run, tmp_path):  # noqa: F811
    line = "train --device cpu --steps 2 --n 4 --width 4 --levels 2 --blocks 1 --samples 0 --test-images 4 --out runs"
    code, _, errors = run(*line.split())
    assert code == 0, errors
    (record,) = runs.find(tmp_path / "runs")
    # Where it was trained is no part of what was trained.
    assert record.facts["device"] == "cpu" and "device" not in record.facts["config"]
    assert record.steps.tolist() == [1, 2]
