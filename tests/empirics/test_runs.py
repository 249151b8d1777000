import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from genmem.empirics.config import TrainConfig, from_json
from genmem.empirics.records import runs
from genmem.shared.errors import InputError
from tests.empirics.small import SMALL


def test_the_key_sees_every_value_and_only_values():
    default = TrainConfig()
    assert default.key == TrainConfig().key and len(default.key) == 12
    changes = {"data": "x", "optimizer": "sgd", "precision": "bf16", "loss_times": (0.02,), "momentum": 0.5,
               "half": "first", "network": "mlp", "balanced": True, "center": True, "flip": True}
    for field in dataclasses.fields(TrainConfig):
        value = changes.get(field.name, getattr(default, field.name))
        other = dataclasses.replace(default, **{field.name: value if field.name in changes else value + 1})
        assert other.key != default.key, field.name
    # Learning rates that a short format would print alike, and one that is the same number.
    assert TrainConfig(learning_rate=1e-5).key != TrainConfig(learning_rate=1.0000001e-5).key
    assert TrainConfig(learning_rate=1).key == TrainConfig(learning_rate=1.0).key


def test_keys_outlive_new_fields():
    import hashlib
    import json

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
    import json

    config = TrainConfig(loss_times=(0.02, 0.3), n=77)
    assert from_json(json.loads(json.dumps(dataclasses.asdict(config)))) == config
    with pytest.raises(InputError, match="unknown field 'colour'"):
        from_json(dataclasses.asdict(config) | {"colour": 1})


def write(directory, config, losses):
    """A record with given losses, without training."""
    runs.write_facts(directory, {
        "key": config.key, "config": dataclasses.asdict(config), "status": "finished", "wall_time": 1.0,
    })
    for step, (train, test) in losses.items():
        runs.write_milestone(directory, step, {
            "train_loss": np.full((2, 3), train), "test_loss": np.full((2, 5), test),
            "train_average": np.full(3, train / 2), "test_average": np.full(5, test / 2),
            "d1": np.array([0.1, 0.4, 0.9]), "d2": np.ones(3), "index": np.arange(3),
        })


@pytest.fixture
def record(tmp_path):
    with runs.open_for_writing(tmp_path, SMALL):
        write(tmp_path, SMALL, {0: (1.0, 1.1), 2: (0.8, 0.9), 30: (0.2, 0.7)})
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
    code = f"import sys; from genmem.empirics import runs; runs.load({str(record.directory)!r}).f_mem; assert 'torch' not in sys.modules"
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
            write(tmp_path / config.key, config, {})
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
        "import sys, time; from genmem.empirics import runs; from tests.empirics.small import SMALL\n"
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
