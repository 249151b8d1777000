"""What one hears of a run while it is trained."""

import dataclasses
import sys
import types

import pytest
import torch

from genmem.empirics.records import runs
from genmem.empirics.records.runs import load
from genmem.empirics.training import estimate
from genmem.empirics.training.loop import train
from genmem.empirics.training.progress import MeasuringShare, Progress, time_left
from genmem.empirics.training.sweeps import _Bars
from genmem.empirics.training.tensorboard import TensorBoard
from genmem.empirics.training.watching import Watcher
from genmem.shared.errors import InputError
from tests.empirics.small import SMALL
from tests.empirics.test_commands import flags, genmem
from tests.empirics.test_training import recorded


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Loss:
    """Counts how often its number is asked for."""

    asked = 0

    def __float__(self):
        Loss.asked += 1
        return 0.25


def test_without_a_terminal_there_is_a_line_a_minute(capsys):
    clock, Loss.asked = Clock(), 0
    with Progress("n = 16", 1000, clock) as progress:
        progress.begin(100)
        for step in range(101, 301):
            clock.now += 1
            progress.after_step(step, Loss())
        clock.now += 60
        progress.measuring(300, 7)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4 == Loss.asked
    # 840 steps are left of which 60 took 60 s.
    assert lines[0] == "n = 16: step 160 of 1000, loss 0.2500, 14 min left"
    assert "measuring, call 7" in lines[-1]


def test_on_a_terminal_the_bar_shows_the_loss_and_moves_while_samples_are_made(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    clock, Loss.asked = Clock(), 0
    with Progress("n = 16", 1000, clock) as progress:
        progress.begin(0)
        for step in range(1, 101):
            clock.now += 0.1
            progress.after_step(step, Loss())
        for call in range(1, 21):
            clock.now += 1
            progress.measuring(100, call)
    err = capsys.readouterr().err
    assert "loss 0.2500" in err and "measuring, call 20" in err and 10 < Loss.asked < 45


def test_a_milestone_is_measured_against_the_one_before():
    share = MeasuringShare()
    assert [share.words(0, calls) for calls in (1, 2, 3, 4)][-1] == "measuring, call 4"
    assert share.words(10, 1) == "measuring 25 %" and share.words(10, 4) == "measuring 100 %"
    assert time_left(10, 0, 5) == "time left not known yet" and time_left(10, 2, 5) == "25 s left"


class Heard(Watcher):
    def __init__(self):
        self.losses, self.calls, self.steps = {}, [], []

    def after_step(self, step, loss):
        self.losses[step] = loss

    def measuring(self, step, calls):
        self.calls.append((step, calls))

    def milestone(self, step, record):
        self.steps.append(step)


def test_watchers_hear_all_and_change_no_bit(tmp_path):
    heard = Heard()
    watched = train(SMALL, tmp_path / "watched", watchers=[heard])
    plain = train(SMALL, tmp_path / "plain")
    assert recorded(watched.directory) == recorded(plain.directory)
    assert list(heard.losses) == list(range(1, SMALL.steps + 1)) and heard.steps == SMALL.milestone_steps()
    assert all(isinstance(loss, torch.Tensor) and not loss.requires_grad for loss in heard.losses.values())
    counts = [max(calls for at, calls in heard.calls if at == step) for step in heard.steps]
    assert counts[0] > SMALL.sampling_steps and set(counts) == {counts[0]}


def test_a_sweep_without_a_terminal_prints_a_line_a_minute(capsys):
    clock = Clock()
    configs = [dataclasses.replace(SMALL, seed=seed, steps=100) for seed in (0, 1)]
    with _Bars(configs, "training", clock) as bars:
        # The first goes on after 20 steps that were done before.
        for first, second, now in ((20, 0, 1), (40, 20, 59), (60, 20, 60)):
            clock.now = now
            for config, step, loss in zip(configs, (first, second), (0.5, 0.25), strict=True):
                bars.report((0, (config.key, step, loss, None)))
            bars.draw()
    line = "training: step 80 of 200, loss 0.2500 to 0.5000, 0 of 2 runs ended, 2.0 min left\n"
    assert capsys.readouterr().err == line


class Writer:
    written = []

    def __init__(self, folder, purge_step):
        Writer.written.append((folder, purge_step))

    def add_scalar(self, name, value, step):
        Writer.written.append((name, value, step))

    def flush(self):
        pass

    def close(self):
        Writer.written.append("closed")


def test_tensorboard_gets_the_recorded_numbers(tmp_path, monkeypatch):
    Writer.written = []
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=Writer))
    genmem("train", *flags(SMALL), "--out", tmp_path, "--tensorboard", tmp_path / "board", monkeypatch=monkeypatch)
    record = load(tmp_path / SMALL.key)
    t = SMALL.loss_times[0]
    (folder, purge), *rest, end = Writer.written
    assert (folder, purge, end) == (str(tmp_path / "board" / SMALL.key), 1, "closed")
    values = {(name, step): value for name, value, step in rest}
    for step, loss, f_mem in zip(record.steps, record.loss(t)[1], record.f_mem, strict=True):
        assert values[f"loss at t = {t:g}/test", step] == pytest.approx(loss, rel=1e-6)
        assert values["f_mem", step] == f_mem
    assert values["loss/batch", 1] > 0


def test_tensorboard_is_not_required_unless_asked_for(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match="the package tensorboard is not installed"):
        TensorBoard(SMALL, tmp_path / "board")
    assert not (tmp_path / "board").exists()


def test_train_says_before_how_long_and_after_what_is_next_and_what_was_kept(tmp_path, monkeypatch, capsys):
    config = dataclasses.replace(SMALL, stop=0.5)
    genmem("train", *flags(config), "--device", "cpu", "--out", tmp_path, monkeypatch=monkeypatch)
    out, err = capsys.readouterr()
    assert err.startswith("30 steps on cpu: about ") and "% of it at milestones" in err.splitlines()[0]
    directory = tmp_path / config.key
    facts = runs.load(directory).facts
    assert f"the weights of step {facts['best_step']}, " in out and str(directory / "best.safetensors") in out
    assert out.splitlines()[-1].endswith(f"next: genmem measure {tmp_path}")
    # The forecast changes nothing of the run.
    assert recorded(directory) == recorded(train(config, tmp_path / "plain").directory)


def test_the_forecast_of_a_longer_run_begins_where_the_shorter_one_ended(tmp_path, monkeypatch, capsys):
    train(SMALL, tmp_path / SMALL.key)
    longer = dataclasses.replace(SMALL, steps=45)
    genmem("train", *flags(longer), "--device", "cpu", "--out", tmp_path, monkeypatch=monkeypatch)
    assert capsys.readouterr().err.startswith("15 steps after 30 on cpu")
    assert load(tmp_path / longer.key).facts["continued"]["at"] == 30


def test_what_is_left_costs_less():
    cost = estimate.Cost(30, 10, 1, 1)
    left = cost.after(SMALL.steps // 2, SMALL)
    planned = SMALL.milestone_steps()
    assert cost.after(0, SMALL) == cost and left.training_seconds == 15
    assert left.milestone_seconds == pytest.approx(10 * sum(step > 15 for step in planned) / len(planned))
    assert cost.milestone_share == 0.25 and cost.slower(3).seconds == 120


def test_runs_are_listed_again_until_an_interrupt(tmp_path, monkeypatch, capsys):
    train(SMALL, tmp_path / SMALL.key)
    other = dataclasses.replace(SMALL, seed=5)
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 2:
            raise KeyboardInterrupt
        train(other, tmp_path / other.key)

    monkeypatch.setattr("genmem.commands.runs.time", types.SimpleNamespace(sleep=sleep))
    genmem("runs", tmp_path, "--watch", monkeypatch=monkeypatch)
    out = capsys.readouterr().out
    assert out.count("1 finished") == 1 and out.count("2 finished") == 1 and len(slept) == 2
    with pytest.raises(SystemExit):
        genmem("runs", tmp_path, "--watch", "--json", monkeypatch=monkeypatch)
