"""The training scripts in examples/ run, with few steps; interrupted and resumed they decide as uninterrupted ones."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

ROOT = Path(__file__).parents[1]


def run(script, *arguments):
    """The last line that a script prints: where it ended, why, and which step it kept."""
    command = [sys.executable, str(ROOT / "examples" / script), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    line = result.stdout.splitlines()[-1]
    words = r"ended at step (\d+) \((\w+)\); kept step (\d+); (\d+) checks took \d+% of the time"
    return re.fullmatch(words, line).groups()


@pytest.mark.slow
def test_the_plain_loop_goes_on_from_its_checkpoint(tmp_path):
    small = ["--first", 4, "--spacing", 1.2, "--samples", 8]
    whole = run("plain_pytorch.py", "--out", tmp_path / "whole", "--steps", 60, *small)
    assert whole[:2] == ("58", "end") and whole[3] == "15"
    assert run("plain_pytorch.py", "--out", tmp_path / "cut", "--steps", 50, *small)[0] == "48"
    assert run("plain_pytorch.py", "--out", tmp_path / "cut", "--steps", 60, *small) == whole
    one, other = (load_file(tmp_path / part / "best.safetensors") for part in ("whole", "cut"))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_the_plain_loop_runs(tmp_path):
    arguments = ["--steps", 6, "--first", 4, "--spacing", 1.5, "--samples", 8]
    end, reason, kept, checks = run("plain_pytorch.py", "--out", tmp_path, *arguments)
    assert (end, reason, checks) == ("6", "end", "3") and int(kept) in (0, 4, 6)
    assert (tmp_path / "best.safetensors").exists()


@pytest.mark.slow
def test_the_diffusers_script_runs_is_resumed_and_saves_the_best_network(tmp_path):
    from diffusers import UNet2DModel

    small = ["--first_check", 2, "--check_spacing", 1.5, "--check_samples", 8, "--checkpointing_steps", 3]
    arguments = ["diffusers_unconditional.py", "--output_dir", tmp_path, *small, "--max_train_steps"]
    end, reason, kept, checks = run(*arguments, 4)
    assert (end, reason, checks) == ("3", "end", "3") and int(kept) in (0, 2, 3)
    best = load_file(tmp_path / "best.safetensors")
    saved = UNet2DModel.from_pretrained(tmp_path / "unet").state_dict()
    assert saved.keys() == best.keys() and all(torch.equal(saved[name], best[name]) for name in best)
    # The resumed script has seen the checks before, and adds that of step 5.
    resumed = run(*arguments, 5, "--resume_from_checkpoint", tmp_path / "checkpoint-3")
    assert resumed[0] == "5" and resumed[3] == "4"
