"""The rule on curves of which all is known, and the callback in loops that stop, are killed, diverge or copy."""

import dataclasses
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from genmem.commands.stopping import stopping
from genmem.empirics.analysis.measure import times_of
from genmem.empirics.analysis.replay import replay
from genmem.empirics.config import TrainConfig
from genmem.empirics.data import datasets
from genmem.empirics.records import runs, store
from genmem.empirics.records.overview import overview
from genmem.empirics.training.loop import train
from genmem.empirics.training.stopping import Check, StopBeforeMemorization, verdict
from genmem.empirics.training.sweeps import ended
from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures
from tests.empirics.small import SMALL
from tests.empirics.test_training import Stopped, recorded, stop_at


def stopped(steps, train_loss, test_loss, initial, f_mem_low=None, risk=0.01, gap_error=0.0):
    """Where the rule stops on a curve, and why; (None, None) if nowhere."""
    f_mem_low = np.zeros(len(steps)) if f_mem_low is None else f_mem_low
    checks = [Check(0, initial, initial, 0, 0, 0)]
    for step, of_train, of_test, low in zip(steps, train_loss, test_loss, f_mem_low, strict=True):
        checks.append(Check(step, of_train, of_test, gap_error, low, low))
        if reason := verdict(checks, risk):
            return checks[-1].step, reason
    return None, None


RECORDS = Path(__file__).parents[2] / "records" / "digits-cpu"
STEPS = np.exp(np.arange(np.log(20), np.log(20_000), np.log(1.05)))
FALLING = 0.2 + 0.8 * (1 + STEPS / 100) ** -0.7


# the rule -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("psi_n", "psi_p", "t"),
    [(1, 8, 0.1), (2, 8, 0.1), (4, 16, 0.1), (4, 64, 0.01), (16, 256, 0.01), (64, 256, 0.01), (64, 1024, 0.1)],
)
@pytest.mark.parametrize("spacing", [1.05, 1.2])
def test_it_stops_inside_the_window_of_the_closed_form(psi_n, psi_p, t, spacing):
    model = RandomFeatures(psi_n, psi_p, t)
    tau = np.exp(np.arange(np.log(0.1), np.log(1e6), np.log(spacing)))
    curves, times = model.learning_curves(tau), model.timescales()
    step, reason = stopped(tau, curves.train, curves.test, 1.0)
    assert times.gen < step < times.mem and reason in ("gap", "rise")
    # Ten times the unit of loss and of time changes nothing.
    again, _ = stopped(10 * tau, 10 * curves.train, 10 * curves.test, 10.0)
    assert again == pytest.approx(10 * step)


def test_a_generalizing_curve_is_never_stopped():
    assert stopped(STEPS, FALLING, FALLING, 1.0) == (None, None)
    # Nor with a constant gap below 0.10 F, a wide gap while the loss still falls, or train and test exchanged.
    assert stopped(STEPS, FALLING - 0.05, FALLING, 1.0) == (None, None)
    slow = 1 - 0.1 * np.log(STEPS / 20)
    assert stopped(STEPS, slow - 0.5, slow, 1.1) == (None, None)
    rising = FALLING + 0.05 * np.log1p(STEPS / 1000)
    assert stopped(STEPS, rising, FALLING, 1.0) == (None, None)
    # A control: the same rise of the test loss alone is stopped.
    assert stopped(STEPS, FALLING, rising, 1.0)[1] in ("gap", "rise")


def test_a_loss_that_never_fell_is_not_stopped():
    noise = np.random.default_rng(0).normal(1.2, 0.01, STEPS.size)
    assert stopped(STEPS, noise - 0.5, noise, 1.0) == (None, None)


def test_a_gap_within_its_error_is_not_memorization():
    """The plateau of a network that has learned to predict nothing: what fell so far is little, and so is the gap."""
    plateau = np.full(STEPS.size, 1.0)
    assert stopped(STEPS, plateau - 0.03, plateau, 1.05, gap_error=0.02) == (None, None)
    assert stopped(STEPS, plateau - 0.03, plateau, 1.05, gap_error=0.01)[1] == "gap"


def test_a_spike_of_the_optimizer_is_not_memorization():
    """Train and test loss jump together for a few checks; so does the test loss alone for one."""
    both = FALLING + 0.3 * ((STEPS > 300) & (STEPS < 500))
    assert stopped(STEPS, both, both, 1.0) == (None, None)
    one = FALLING.copy()
    one[40] += 0.2
    assert stopped(STEPS, FALLING, one, 1.0) == (None, None)


@pytest.mark.parametrize("seed", range(5))
def test_noise_of_the_checks_does_not_stop_before_generalization(seed):
    """Fluctuations of 2 % of the fall, as real runs show, on the closed form's narrow window."""
    model = RandomFeatures(2, 8, 0.1)
    tau = np.exp(np.arange(np.log(0.3), np.log(1e3), np.log(1.05)))
    curves, times = model.learning_curves(tau), model.timescales()
    noise = 0.02 * (times.loss_initial - times.loss_min) * np.random.default_rng(seed).normal(size=tau.size)
    step, _ = stopped(tau, curves.train + noise, curves.test + noise, 1.0)
    assert times.gen < step < times.mem


def test_rise_is_the_reason_where_the_loss_turns_sharply():
    test_loss = np.where(STEPS < 1000, 1 - 0.3 * np.log(STEPS / 20) / np.log(50), 0.7 + 0.5 * np.log(STEPS / 1000))
    step, reason = stopped(STEPS, test_loss - 0.2, test_loss, 1.0)
    assert reason == "rise" and 1000 < step < 1200


def test_copies_stop_at_once_and_at_the_risk_that_is_allowed():
    f_mem_low = np.clip(np.log(STEPS / 1000), 0, 1)
    for risk in (0.01, 0.2):
        step, reason = stopped(STEPS, FALLING, FALLING, 1.0, f_mem_low, risk)
        assert reason == "copies" and math.exp(risk) < step / 1000 < 1.05 * math.exp(risk) * 1.001


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops(bad):
    test_loss = FALLING.copy()
    test_loss[10:] = bad
    assert stopped(STEPS, FALLING, test_loss, 1.0) == (STEPS[10], "diverged")
    assert verdict([Check(0, bad, 1.0, 0, 0, 0)]) == "diverged"


# the callback ---------------------------------------------------------------------------------------------------------


class Scripted(torch.nn.Module):
    """Its one weight counts steps, and its losses are read off a script."""

    def __init__(self):
        super().__init__()
        self.step = torch.nn.Parameter(torch.zeros(()))


IMAGES = torch.randn(20, 1, 4, 4, generator=torch.Generator().manual_seed(0))
HELD_OUT = torch.randn(12, 1, 4, 4, generator=torch.Generator().manual_seed(1))


def scripted(path, test_loss, gap=0.2, copied_from=math.inf, **options):
    """A callback whose network has the test loss test_loss(step), and copies from some step on."""

    def loss(network, images):
        return torch.full((len(images),), test_loss(network.step.item()) - (gap if images is not HELD_OUT else 0))

    def sample(network):
        return IMAGES if network.step.item() >= copied_from else 3 + torch.randn(20, 1, 4, 4)

    return StopBeforeMemorization(IMAGES, HELD_OUT, path, first=20, loss=loss, sample=sample, **options)


def loop(stopper, network, start=0, steps=3000, interrupted=None):
    """A plain loop; returns the step after which it ended."""
    if start == 0 and stopper.after_step(0, network):
        return 0
    for step in range(start + 1, steps + 1):
        with torch.no_grad():
            network.step += 1
        if stopper.after_step(step, network):
            return step
        if step == interrupted:
            return None
    return steps


def valley(step):
    """Falls to its minimum at step 1000 and rises as fast again."""
    return 0.3 + 0.08 * abs(math.log(max(step, 1) / 1000))


def test_it_stops_after_the_minimum_and_keeps_it(tmp_path):
    stopper, network = scripted(tmp_path / "new" / "best.safetensors", valley), Scripted()
    end = loop(stopper, network)
    outcome = stopper.outcome
    assert outcome.reason == "gap" and 1000 < end < 1600 and outcome.step == end
    assert abs(math.log(outcome.best_step / 1000)) < 0.06
    assert load_file(stopper.best)["step"] == outcome.best_step
    assert stopper.restore(network) == outcome.best_step and network.step.item() == outcome.best_step
    steps = [check.step for check in outcome.checks]
    assert steps[:3] == [0, 20, 21] and steps == sorted(set(steps)) and 0 < outcome.share < 1
    assert max(b / a for a, b in zip(steps[40:], steps[41:])) < 1.06
    assert list(stopper.best.parent.iterdir()) == [stopper.best]


def test_a_run_that_generalizes_reaches_its_end(tmp_path):
    stopper = scripted(tmp_path / "best.safetensors", lambda step: 1 / (1 + step / 100), gap=0.0)
    assert loop(stopper, Scripted()) == 3000
    assert stopper.outcome.reason == "end" and stopper.outcome.best_step == stopper.checks[-1].step


def test_copies_stop_before_the_loss_does_and_are_not_kept(tmp_path):
    stopper = scripted(tmp_path / "best.safetensors", lambda step: 1 / (1 + step / 100), gap=0.0, copied_from=500)
    end = loop(stopper, Scripted())
    assert stopper.outcome.reason == "copies" and 500 <= end < 530 and stopper.checks[-1].f_mem == 1
    assert stopper.outcome.best_step < 500


def test_a_network_that_copies_from_the_start_is_stopped_at_the_first_check(tmp_path):
    stopper = scripted(tmp_path / "best.safetensors", valley, copied_from=0)
    assert loop(stopper, Scripted()) == 0
    assert stopper.outcome.reason == "copies" and stopper.outcome.best_step is None
    assert stopper.state_dict()["best"] == {} and not stopper.best.exists()
    with pytest.raises(InputError, match="no network to restore"):
        stopper.restore(Scripted())


def test_a_diverging_loss_stops_and_the_best_before_is_kept(tmp_path):
    stopper = scripted(tmp_path / "best.safetensors", lambda step: math.nan if step > 300 else valley(step))
    end = loop(stopper, Scripted())
    assert stopper.outcome.reason == "diverged" and 300 < end < 320 and 280 < stopper.outcome.best_step <= 300


@pytest.mark.parametrize("interrupted", [10, 700, 1100])
def test_a_resumed_run_decides_as_an_uninterrupted_one(tmp_path, interrupted):
    whole = scripted(tmp_path / "whole.safetensors", valley)
    end = loop(whole, Scripted())
    first, network = scripted(tmp_path / "cut.safetensors", valley), Scripted()
    assert loop(first, network, interrupted=interrupted) is None
    torch.save({"stopper": first.state_dict(), "network": network.state_dict()}, tmp_path / "checkpoint")
    # After its last checkpoint the run went on, and wrote another best, before it was killed.
    loop(first, network, start=interrupted, interrupted=interrupted + 200)

    state = torch.load(tmp_path / "checkpoint", weights_only=True)
    second, network = scripted(tmp_path / "cut.safetensors", valley), Scripted()
    network.load_state_dict(state["network"])
    second.load_state_dict(state["stopper"])
    best = second.outcome.best_step
    assert load_file(second.best)["step"] == best <= interrupted
    assert loop(second, network, start=interrupted) == end
    assert second.checks == whole.checks and second.reason == whole.reason
    assert load_file(second.best) == load_file(whole.best)


def test_a_check_disturbs_neither_the_network_nor_the_random_numbers(tmp_path):
    from genmem.empirics.networks.unet import unet

    images = torch.from_numpy(datasets.digits().pool[:24])
    network = unet(4, 1, 8, 2, 1, dropout=0.5)
    network.down_blocks[0].eval()
    modes = [module.training for module in network.modules()]
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    stopper = StopBeforeMemorization(images[:16], images[16:], tmp_path / "best.safetensors", samples=8, batch_size=3)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = stopper.measure(1, network), stopper.measure(1, network)
    assert torch.equal(torch.rand(3), expected) and first == second
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert 0.8 < first.test < 1.3 and first.f_mem == 0


def test_a_users_random_functions_see_the_same_noise_each_time(tmp_path):
    stopper = StopBeforeMemorization(
        IMAGES,
        HELD_OUT,
        tmp_path / "best.safetensors",
        loss=lambda network, images: torch.rand(len(images)),
        sample=lambda network: torch.rand(5, 1, 4, 4),
    )
    assert stopper.measure(1, Scripted()) == stopper.measure(1, Scripted())


def test_the_default_check_sees_copies_of_a_network_that_denoises_to_them(tmp_path):
    """The exact denoiser of the training images memorizes, and has the lower loss on them."""
    from genmem.empirics.processes.diffusion import alphabar

    images = torch.from_numpy(datasets.digits().pool[:40])
    train_images, held_out = images[:8], images[8:]

    class Empirical(torch.nn.Module):
        def forward(self, noisy, k):
            signal = torch.as_tensor(alphabar()[k], dtype=torch.float32).view(-1, 1)
            flat = noisy.flatten(1)
            far = (flat[:, None] - signal[..., None].sqrt() * train_images.flatten(1)).square().sum(2)
            mean = torch.softmax(-far / (2 * (1 - signal)), dim=1) @ train_images.flatten(1)
            return SimpleNamespace(sample=((flat - signal.sqrt() * mean) / (1 - signal).sqrt()).view_as(noisy))

    stopper = StopBeforeMemorization(train_images, held_out, tmp_path / "best.safetensors", samples=64)
    check = stopper.measure(1, Empirical())
    assert check.f_mem == 1 and check.train < 0.1 < 10 < check.test
    assert stopper.after_step(0, Empirical()) and stopper.reason == "copies"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"risk": 1.0}, "risk must be at least 0 and below 1"),
        ({"risk": "low"}, "risk must be a number"),
        ({"spacing": 1.0}, "spacing must be above 1"),
        ({"first": 0}, "first must be a whole number"),
        ({"samples": 0}, "samples must be a whole number"),
        ({"images": IMAGES[:1]}, "two and one at least"),
        ({"held_out": HELD_OUT[:, :, :3]}, "images of one shape"),
        ({"best": "/proc/none/best.safetensors"}, "best must be a path that can be written"),
        ({"best": "best.pt"}, "best must be a file name that ends in .safetensors"),
    ],
)
def test_what_cannot_be_is_refused_at_once(tmp_path, change, words):
    values = {"images": IMAGES, "held_out": HELD_OUT, "best": tmp_path / "best.safetensors"} | change
    with pytest.raises(InputError, match=words):
        StopBeforeMemorization(**values)


def test_an_outcome_needs_a_check(tmp_path):
    with pytest.raises(InputError, match="after a check"):
        scripted(tmp_path / "best.safetensors", valley).outcome


# our loop -------------------------------------------------------------------------------------------------------------

STOPPING = dataclasses.replace(
    SMALL, n=4, loss_times=(0.3,), learning_rate=1e-2, steps=200, milestones=14, first_milestone=8, stop=0.01
)


@pytest.fixture(scope="module")
def early(tmp_path_factory):
    return train(STOPPING, tmp_path_factory.mktemp("runs") / STOPPING.key)


def test_a_run_that_stops_early_is_a_result(early):
    assert early.status == "stopped early" and early.facts["stop_reason"] == "gap" and 50 < early.steps[-1] < 200
    assert early.facts["best_step"] == early.steps[np.argmin(early.test_loss)] < early.steps[-1]
    assert ended(early.directory) and [run.status for run in overview(early.directory.parent)] == ["stopped early"]
    steps = []
    assert train(STOPPING, early.directory, on_step=steps.append).steps[-1] == early.steps[-1] and steps == []
    times = times_of(early)
    assert times.mem.censored and times.half.censored and times.mem.value == early.steps[-1]


def test_stopping_early_changes_nothing_before(early, tmp_path):
    """Milestones are those of the run without `stop`, and the kept weights are the ones it had at the best step."""
    config = dataclasses.replace(STOPPING, stop=0.0)
    best = early.facts["best_step"]
    with pytest.raises(Stopped):
        train(config, tmp_path / "plain", on_step=stop_at(best))
    plain = recorded(tmp_path / "plain")
    assert len(plain) > 8 and all(recorded(early.directory)[name] == arrays for name, arrays in plain.items())
    newest, _ = store.load(tmp_path / "plain" / "checkpoints" / f"{best:09d}.safetensors")
    kept = load_file(early.directory / "best.safetensors")
    assert kept and all(np.array_equal(newest[f"network.{name}"], tensor.numpy()) for name, tensor in kept.items())
    assert config.key != STOPPING.key


@pytest.mark.parametrize("step", ["best", "last"])
def test_a_run_that_is_interrupted_stops_early_at_the_same_step(early, tmp_path, step):
    step = {"best": early.facts["best_step"], "last": early.steps[-1]}[step]
    with pytest.raises(Stopped):
        train(STOPPING, tmp_path, on_step=stop_at(step))
    assert runs.load(tmp_path).status == "running"
    # Whatever happened after the last checkpoint.
    (tmp_path / "best.safetensors").write_bytes(b"")
    again = train(STOPPING, tmp_path)
    assert again.status == "stopped early" and recorded(tmp_path) == recorded(early.directory)
    assert (tmp_path / "best.safetensors").read_bytes() == (early.directory / "best.safetensors").read_bytes()
    assert again.facts["best_step"] == early.facts["best_step"]


def test_a_run_that_does_not_stop_is_finished_and_keeps_its_best(tmp_path):
    record = train(dataclasses.replace(SMALL, stop=0.01, ema=0.5, loss_times=(0.5,)), tmp_path)
    assert record.status == "finished" and record.facts["stop_reason"] == "end" and record.facts["best_step"] > 0
    arrays, _ = store.load(max((tmp_path / "checkpoints").iterdir()))
    kept = load_file(tmp_path / "best.safetensors")
    assert record.facts["best_step"] == 30 and all(
        np.array_equal(arrays[f"average.module.{name}"], tensor.numpy()) for name, tensor in kept.items()
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stop": 1.0}, "stop must be at least 0 and below 1"),
        ({"stop": 0.01, "samples": 0}, "stop must be 0 without samples"),
    ],
)
def test_a_config_that_cannot_be_stopped_is_refused(change, words):
    with pytest.raises(InputError, match=words):
        dataclasses.replace(TrainConfig(), **change).check()


@pytest.mark.slow
def test_a_real_run_stops_inside_the_recorded_window(tmp_path):
    """digits, n = 32, W = 8: the times are those of the recorded run that went on to memorize."""
    [whole] = [
        record
        for record in runs.find(RECORDS)
        if (record.config.n, record.config.width, record.config.seed) == (32, 8, 0)
    ]
    times = times_of(whole)
    config = dataclasses.replace(
        whole.config, stop=0.01, first_milestone=40, milestones=40, loss_times=(0.01,), sampling_steps=20
    )
    record = train(config, tmp_path)
    assert record.status == "stopped early" and times.gen.value < record.steps[-1] < times.mem.value
    assert times.gen.value < record.facts["best_step"] < times.mem.value and record.f_mem.max() == 0


# replays --------------------------------------------------------------------------------------------------------------


def test_the_replay_of_a_run_that_went_on_is_where_it_stops_early(early, tmp_path):
    whole = train(dataclasses.replace(STOPPING, stop=0.0), tmp_path)
    result = replay(whole)
    assert (result.step, result.reason, result.best_step) == (early.steps[-1], "gap", early.facts["best_step"])
    assert replay(early).step == early.steps[-1]


def test_recorded_runs_are_stopped_inside_their_windows():
    replays = [replay(record, spacing=1.05) for record in runs.find(RECORDS)]
    assert len(replays) >= 20
    for each in replays:
        gen, mem = each.times.gen, each.times.mem
        if each.step is None:
            # A loss that still falls, never one that has risen.
            assert mem.censored and gen.censored
            continue
        assert mem.censored or each.step < mem.value
        if not gen.censored:
            assert gen.value < each.step and each.place == each.best_place == "in the window"


def test_the_command_says_where_each_run_would_stop(capsys, tmp_path):
    stopping(RECORDS, spacing=1.05)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(runs.find(RECORDS)) + 3 and "in the window" in lines[-2] and "kept network" in lines[-1]
    with pytest.raises(InputError, match="spacing must be above 1"):
        stopping(RECORDS, spacing=1.0)
    with pytest.raises(InputError, match="at least one run with samples"):
        stopping(tmp_path)
