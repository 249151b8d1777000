import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from genmem.empirics.config import TrainConfig, from_json
from genmem.empirics.data import datasets
from genmem.empirics.records import runs
from genmem.shared.errors import InputError
from tests.empirics.small import SMALL

RECORDS = Path(__file__).parents[2] / "records"


def test_the_key_sees_every_value_and_only_values():
    default = TrainConfig()
    assert default.key == TrainConfig().key and len(default.key) == 12
    for field in dataclasses.fields(TrainConfig):
        value = getattr(default, field.name)
        if isinstance(value, bool):
            value = not value
        elif isinstance(value, str):
            value += "x"
        elif isinstance(value, tuple):
            value = (*value, 1)
        else:
            value = 3 if value is None else value + 0.25
        assert dataclasses.replace(default, **{field.name: value}).key != default.key, field.name
    # Learning rates that a short format would print alike, and one that is the same number.
    assert TrainConfig(learning_rate=1e-5).key != TrainConfig(learning_rate=1.0000001e-5).key
    assert TrainConfig(learning_rate=1).key == TrainConfig(learning_rate=1.0).key


def test_keys_outlive_new_fields():
    # What a program that knows no other fields than these would compute.
    text = json.dumps({"learning_rate": 0.5, "loss_times": [0.02], "n": 32}, sort_keys=True)
    config = TrainConfig(n=32, learning_rate=0.5, loss_times=(0.02,), width=TrainConfig().width)
    assert config.key == hashlib.sha256(text.encode()).hexdigest()[:12]
    older = {name: value for name, value in dataclasses.asdict(config).items() if name not in ("precision", "momentum")}
    assert from_json(older) == config


def test_milestones_are_log_spaced_and_end_with_the_run():
    steps = TrainConfig(steps=1000, milestones=4, first_milestone=1).milestone_steps()
    assert steps == [0, 1, 10, 100, 1000]
    crowded = TrainConfig(steps=20, milestones=40, first_milestone=1).milestone_steps()
    assert crowded == sorted(set(crowded)) and crowded[-1] == 20


def test_configs_survive_json():
    config = TrainConfig(loss_times=(0.02, 0.3), n=77)
    assert from_json(json.loads(json.dumps(dataclasses.asdict(config)))) == config
    with pytest.raises(InputError, match="unknown field 'colour'"):
        from_json(dataclasses.asdict(config) | {"colour": 1})


def write(directory, config, losses, status="finished", **facts):
    """A record with given losses, without training."""
    (directory / "milestones").mkdir(parents=True, exist_ok=True)
    runs.write_facts(
        directory,
        {
            "key": config.key,
            "config": dataclasses.asdict(config),
            "status": status,
            "wall_time": 1.0,
            **facts,
        },
    )
    for step, (train, test) in losses.items():
        runs.write_milestone(
            directory,
            step,
            {
                "train_loss": np.full((2, 3), train),
                "test_loss": np.full((2, 5), test),
                "train_average": np.full(3, train / 2),
                "test_average": np.full(5, test / 2),
                "d1": np.array([0.1, 0.4, 0.9]),
                "d2": np.ones(3),
                "index": np.arange(3),
            },
        )


# Measured at steps 0, 2 and 30.
SHORT = dataclasses.replace(SMALL, milestones=2)
STEPS = {0: (1.0, 1.1), 2: (0.8, 0.9), 30: (0.2, 0.7)}


@pytest.fixture
def record(tmp_path):
    with runs.open_for_writing(tmp_path, SHORT):
        write(tmp_path, SHORT, {0: (1.0, 1.1), 2: (0.8, 0.9), 30: (0.2, 0.7)})
    return runs.load(tmp_path)


def test_a_record_is_read_back(record):
    assert record.steps.tolist() == [2, 30]
    assert record.train_loss == pytest.approx([0.8, 0.2]) and record.test_loss == pytest.approx([0.9, 0.7])
    assert record.loss(None)[1].tolist() == pytest.approx([0.45, 0.35]) and record.initial(0.01) == (1.0, 1.1)
    assert record.f_mem.tolist() == [1 / 3, 1 / 3] and record.memorized(0.5)[:, 0].tolist() == [2 / 3, 2 / 3]
    assert all(record.f_mem_low <= record.f_mem) and all(record.f_mem <= record.f_mem_high)
    with pytest.raises(InputError, match="t must be one of 0.01, 0.1"):
        record.loss(0.5)
    with pytest.raises(InputError, match="step must be one of"):
        record.samples(3)


def test_reading_a_record_loads_no_torch(record):
    code = (
        f"import sys; from genmem.empirics.records import runs; runs.load({str(record.directory)!r}).f_mem; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_damaged_milestone_is_named(record):
    path = record.directory / "milestones" / "000000030.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match="000000030.*train it again"):
        runs.load(record.directory).loss(0.1)


def test_find_orders_runs_and_refuses_what_is_no_folder(tmp_path):
    for n, seed in ((32, 1), (8, 0), (32, 0)):
        config = dataclasses.replace(SMALL, n=n, seed=seed)
        with runs.open_for_writing(tmp_path / config.key, config):
            write(tmp_path / config.key, config, {}, status="running")
    (tmp_path / "other").mkdir()
    assert [(r.config.n, r.config.seed) for r in runs.find(tmp_path)] == [(8, 0), (32, 0), (32, 1)]
    with pytest.raises(InputError, match="must be a directory"):
        runs.find(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no run"):
        runs.load(tmp_path / "other")
    (tmp_path / "other" / "run.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        runs.find(tmp_path)


def test_a_directory_of_another_config_is_refused(record):
    with pytest.raises(InputError, match="belongs to another config"):
        with runs.open_for_writing(record.directory, dataclasses.replace(SMALL, seed=9)):
            pass


def test_a_directory_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        with runs.open_for_writing(tmp_path / "file" / "run", SMALL):
            pass


def test_two_processes_cannot_write_one_run_and_a_dead_one_does_not_block(tmp_path):
    code = (
        "import sys, time; from genmem.empirics.records import runs; from tests.empirics.small import SMALL\n"
        f"with runs.open_for_writing(__import__('pathlib').Path({str(tmp_path)!r}), SMALL):\n"
        "    print('locked', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(InputError, match="in use by another process"):
            with runs.open_for_writing(tmp_path, SMALL):
                pass
        other.kill()
    with runs.open_for_writing(tmp_path, SMALL):
        pass


def changed(record, change):
    facts = json.loads((record.directory / "run.json").read_text())
    change(facts)
    (record.directory / "run.json").write_text(json.dumps(facts))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{}", "no record of a run: it has no key"),
        ("[]", "has no key"),
        ("3", "has no key"),
        ("null", "has no key"),
        ('{"key": "x", "config": {}}', "has no status"),
        ('{"key": 3, "config": {}, "status": "finished"}', "its key is 3"),
        ('{"key": "x", "config": [], "status": "finished"}', "its config is"),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_a_run_json_that_is_none_is_one_sentence(record, content, words):
    (record.directory / "run.json").write_text(content)
    with pytest.raises(InputError, match=words) as error:
        runs.load(record.directory)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("n", 17, "changed after the run: its config has the key"),
        ("n", "16", "a whole number for n, but it holds '16'"),
        ("n", True, "a whole number for n"),
        ("n", None, "a whole number for n"),
        ("n", 16.0, "a whole number for n"),
        ("learning_rate", "fast", "a number for learning_rate"),
        ("loss_times", 0.1, "a list of numbers for loss_times"),
        ("loss_times", ["x"], "a list of numbers"),
        ("data", 3, "a text for data"),
        ("flip", 1, "true or false for flip"),
        ("optimizer", "sdg", "one of adam, sgd for optimizer"),
        ("sampling_seed", "x", "a whole number or null"),
        ("colour", "red", "unknown field 'colour'"),
    ],
)
def test_a_config_that_was_changed_is_one_sentence(record, field, value, words):
    changed(record, lambda facts: facts["config"].update({field: value}))
    with pytest.raises(InputError, match=f"{record.directory}.*{words}"):
        runs.load(record.directory)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": "done"}, "status must be one of running, finished"),
        ({"wall_time": "long"}, "its wall_time is 'long'"),
        ({"data_source": "here"}, "its data_source is"),
        ({"key": "0" * 12}, "the run 000000000000"),
    ],
)
def test_other_facts_that_were_changed_are_one_sentence(record, change, words):
    changed(record, lambda facts: facts.update(change))
    with pytest.raises(InputError, match=words):
        runs.load(record.directory)


@pytest.mark.parametrize("status", ["finished", "running", "stopped early", "diverged"])
@pytest.mark.parametrize("step", [0, 2])
def test_a_missing_milestone_is_named(record, status, step):
    changed(record, lambda facts: facts.update(status=status))
    assert runs.load(record.directory).steps.tolist() == [2, 30]
    (record.directory / "milestones" / f"{step:09d}.safetensors").unlink()
    with pytest.raises(InputError, match=f"that of step {step} is missing"):
        runs.load(record.directory)


def test_a_finished_run_lacks_what_comes_last_and_another_does_not(record):
    (record.directory / "milestones" / "000000030.safetensors").unlink()
    with pytest.raises(InputError, match="that of step 30 is missing"):
        runs.load(record.directory)
    changed(record, lambda facts: facts.update(status="stopped early"))
    assert runs.load(record.directory).steps.tolist() == [2]


def test_more_milestones_than_planned_are_allowed_and_other_files_are_none(record):
    runs.write_milestone(record.directory, 7, {"d1": np.ones(3)})
    for name in ("._000000030.safetensors", "000000030 copy.safetensors"):
        (record.directory / "milestones" / name).write_bytes(b"")
    assert runs.load(record.directory).steps.tolist() == [2, 7, 30]


def test_a_milestone_under_the_name_of_another_step_is_refused(record):
    folder = record.directory / "milestones"
    shutil.copy(folder / "000000030.safetensors", folder / "000000002.safetensors")
    with pytest.raises(InputError, match="holds the milestone of another step, 30"):
        runs.load(record.directory).loss(0.1)


def test_a_copied_folder_counts_once(tmp_path, caplog):
    for seed in (0, 1):
        config = dataclasses.replace(SHORT, seed=seed)
        write(tmp_path / config.key, config, STEPS)
    before = runs.find(tmp_path)
    shutil.copytree(tmp_path / SHORT.key, tmp_path / "a copy")
    assert [record.directory for record in runs.find(tmp_path)] == [record.directory for record in before]
    assert "a copy is left out: it holds the same run as" in caplog.text and caplog.text.count("left out") == 1
    # Of two states of a run the later one is taken.
    (tmp_path / SHORT.key / "milestones" / "000000030.safetensors").unlink()
    changed(runs.RunRecord(tmp_path / SHORT.key, {}), lambda facts: facts.update(status="running"))
    assert runs.find(tmp_path)[0].directory.name == "a copy"


def test_the_same_images_under_another_name_make_the_same_run(tmp_path, caplog):
    here, there = (dataclasses.replace(SHORT, data=name) for name in ("folder:photos", "folder:/data/photos"))
    write(tmp_path / here.key, here, STEPS, data_digest="1")
    write(tmp_path / there.key, there, STEPS, data_digest="2")
    assert len(runs.find(tmp_path)) == 2 and not caplog.text
    changed(runs.RunRecord(tmp_path / there.key, {}), lambda facts: facts.update(data_digest="1"))
    assert len(runs.find(tmp_path)) == 1 and "left out" in caplog.text


def test_a_path_has_one_spelling_and_an_older_record_keeps_its_key(tmp_path):
    plain = TrainConfig(data="folder:photos")
    for name in ("folder:./photos", "folder:photos/", "folder:.//photos/."):
        assert TrainConfig(data=name) == plain and TrainConfig(data=name).key == plain.key
    assert TrainConfig(data="folder:../photos").key != plain.key
    # As written before there was one spelling.
    text = json.dumps({"data": "folder:./photos", "n": 32}, sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:12]
    config = {"data": "folder:./photos", "n": 32}
    runs.write_facts(tmp_path, {"key": key, "config": config, "status": "running", "wall_time": 1.0})
    assert runs.load(tmp_path).key == key and runs.load(tmp_path).config == dataclasses.replace(plain, n=32)


def test_the_records_of_the_repository_are_whole():
    records = [record for folder in sorted(RECORDS.iterdir()) if folder.is_dir() for record in runs.find(folder)]
    assert len(records) >= 52 and all(record.key == record.config.key == record.directory.name for record in records)


def test_data_that_have_changed_are_noticed_and_found_from_anywhere(tmp_path, monkeypatch):
    photos = tmp_path / "home" / "photos.npy"
    photos.parent.mkdir()
    np.save(photos, np.random.default_rng(0).integers(0, 256, (40, 3, 8, 8)).astype(np.uint8))
    monkeypatch.chdir(photos.parent)
    monkeypatch.delenv("GENMEM_DATA", raising=False)
    config = dataclasses.replace(SHORT, data="npy:photos.npy")
    data = datasets.of_config(config)
    facts = {"data_digest": datasets.digest(datasets.training_images(config, data), data.held_out)}
    source = datasets.source(config.data)
    assert source == {"path": str(photos), "md5": hashlib.md5(photos.read_bytes()).hexdigest()}
    write(tmp_path / "with", config, STEPS, **facts, data_source=source)
    write(tmp_path / "without", config, STEPS, **facts)
    monkeypatch.chdir(tmp_path)
    there = runs.load(tmp_path / "with").training_images()
    assert np.array_equal(there, datasets.training_images(config, data))
    with pytest.raises(InputError, match="there is no 'photos.npy'; GENMEM_DATA may name"):
        runs.load(tmp_path / "without").training_images()
    monkeypatch.setenv("GENMEM_DATA", str(photos.parent))
    assert np.array_equal(runs.load(tmp_path / "without").training_images(), there)
    # Another folder of the same name, where the record is read, is not taken for it.
    np.save(tmp_path / "photos.npy", np.random.default_rng(1).integers(0, 256, (40, 3, 8, 8)).astype(np.uint8))
    assert np.array_equal(runs.load(tmp_path / "with").training_images(), there)
    shutil.copy(tmp_path / "photos.npy", photos)
    for read in (runs.RunRecord.training_images, runs.RunRecord.held_out_images):
        with pytest.raises(InputError, match="the images of 'npy:photos.npy' have changed"):
            read(runs.load(tmp_path / "with"))
