import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest

from empirics import runs
from empirics.presets import DIGITS_DEMO
from empirics.sweeps import SweepError, run_all
from tests.empirics.small import SMALL
from theory.errors import InputError

CONFIGS = [dataclasses.replace(SMALL, seed=seed, steps=10 + seed) for seed in range(3)]


def test_all_runs_finish_in_order_and_are_not_repeated(tmp_path):
    records = run_all(CONFIGS, tmp_path, workers=2)
    assert [record.config for record in records] == CONFIGS
    assert all(record.status == "finished" and record.facts["threads"] == 1 for record in records)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    run_all(CONFIGS, tmp_path, workers=2)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == before


def test_a_failed_run_is_named_and_the_others_finish(tmp_path):
    config = CONFIGS[1]
    with runs.open_for_writing(tmp_path / config.key, config):  # held by this process, so that the worker cannot
        with pytest.raises(SweepError, match=f"1 of 3 runs failed: {config.key}.*in use by another process"):
            run_all(CONFIGS, tmp_path, workers=2)
    assert [runs.load(tmp_path / CONFIGS[i].key).status for i in (0, 2)] == ["finished", "finished"]


def test_a_bad_config_stops_the_sweep_before_it_starts(tmp_path):
    with pytest.raises(InputError, match="width"):
        run_all([*CONFIGS, dataclasses.replace(SMALL, width=5)], tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


SWEEP = """
import dataclasses, sys
from empirics.sweeps import run_all
from tests.empirics.small import SMALL
if __name__ == "__main__":
    run_all([dataclasses.replace(SMALL, seed=seed, steps=10**6) for seed in (0, 1)], sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_do_not_outlive_their_sweep(tmp_path, how):
    script = tmp_path / "sweep.py"
    script.write_text(SWEEP)
    root = tmp_path / "runs"
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    with subprocess.Popen([sys.executable, script, root], env=environment, start_new_session=True) as sweep:
        deadline = time.monotonic() + 120
        while len(list(root.glob("*/milestones/*.safetensors"))) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        os.kill(sweep.pid, how)
        sweep.wait(30)
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(sweep.pid, 0)  # raises once the last process of the session has ended
            time.sleep(0.1)
    for seed in (0, 1):
        assert runs.load(root / dataclasses.replace(SMALL, seed=seed, steps=10**6).key).status == "running"


def test_the_demo_has_three_sizes_and_valid_configs():
    for config in DIGITS_DEMO:
        config.check()
    assert {config.n for config in DIGITS_DEMO} == {32, 64, 128} and len(set(DIGITS_DEMO)) == len(DIGITS_DEMO)
