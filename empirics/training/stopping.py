"""Stop a training run between generalization and memorization, in any PyTorch loop, and keep its best network.

    stopper = StopBeforeMemorization(images, held_out, "best.safetensors")
    stopper.after_step(0, network)
    for step in range(1, steps + 1):
        ...
        if stopper.after_step(step, network):
            break
    stopper.restore(network)

The rule is `verdict`, a function of the numbers alone; docs/stopping.md says how it was chosen and where it stops.
"""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from genmem.empirics.processes.gaussian import Gaussian
from genmem.empirics.processes.process import Process
from genmem.empirics.samples.metrics import fraction_interval, memorized_fraction
from genmem.shared.errors import InputError, count, finite
from genmem.shared.files import writable_file, written_whole
from genmem.theory.timescales import Fractions

if TYPE_CHECKING:
    import torch

Reason = Literal["gap", "rise", "copies", "diverged", "end"]

REASONS: dict[str, str] = {
    "gap": "the held-out loss has stopped falling while the train loss lies below it",
    "rise": "the held-out loss rises",
    "copies": "more samples are copies of training images than allowed",
    "diverged": "a loss is no longer finite",
    "end": "the rule found no reason to stop before the last step",
}
"""What each reason means, in words."""

PATIENCE = 1.8
"""Factor in training steps over which the held-out loss is looked at."""
_GAP = Fractions().gap
# Half of the rise that defines tau_mem: the window ends there.
_RISE = Fractions().mem / 2
# What is left to win in an e-fold of training, once the loss is as near to its minimum as tau_gen asks.
_RATE = Fractions().gen
_STANDARD_ERRORS = 2
# Fewer have no slope that could be told from noise.
_LEAST_CHECKS = 3
_LOSS_DRAWS = 5
_SAMPLING_STEPS = 20


@dataclasses.dataclass(frozen=True)
class Check:
    """What was seen of a network after `step` optimizer steps.

    train, test: its loss on training and on held-out images. gap_error: the standard error of their difference from the
    choice of images and noise. f_mem, f_mem_low: the memorized fraction of its samples and its lower 95 % bound.
    """

    step: int
    train: float
    test: float
    gap_error: float
    f_mem: float
    f_mem_low: float


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a run ended.

    reason: 'gap', the held-out loss has stopped falling while the train loss lies below it; 'rise', it rises; 'copies',
    too many samples are memorized; 'diverged', a loss is not finite; 'end', none of these.
    step: of the last check. best_step: of the kept network, None if none could be kept. checks: all that was seen.
    share: of the time since the callback was made, what the checks took.
    """

    reason: Reason
    step: int
    best_step: int | None
    checks: tuple[Check, ...]
    share: float


def verdict(checks: Sequence[Check], risk: float = 0.01) -> Reason | None:
    """Why to stop at the last of the checks, or None: go on.

    With F the fall of the held-out loss from the first check to its lowest so far, and the checks of the last factor
    1.8 in steps (at least three):

    - diverged: a loss is not finite;
    - copies: the lower 95 % bound of f_mem exceeds `risk`;
    - gap: in the mean over these checks the held-out loss lies above the train loss by 0.10 F or more (tau_gap has
      passed) and by more than two standard errors (or else it could be the images' own difference), and, fitted by a
      straight line in log(step), it falls by less than 0.05 F while training grows e-fold;
    - rise: the gap is as wide, and at the last two checks the held-out loss lies 0.05 F or more above its lowest.

    A gap alone does not stop: with few images it opens before the network generalizes. F and the fractions are those of
    genmem.theory.timescales, so that the unit of the loss does not matter.
    """
    now = checks[-1]
    if not (math.isfinite(now.train) and math.isfinite(now.test)):
        return "diverged"
    if now.f_mem_low > risk:
        return "copies"
    curve = [check for check in checks if check.step > 0]
    if len(curve) < _LEAST_CHECKS or curve[0].step * PATIENCE > now.step:
        return None
    lowest = min(check.test for check in curve)
    fall = checks[0].test - lowest
    if fall <= 0:
        return None
    recent = [check for check in curve if check.step * PATIENCE >= now.step]
    if len(recent) < _LEAST_CHECKS:
        recent = curve[-_LEAST_CHECKS:]
    train, test, error = np.array([(check.train, check.test, check.gap_error) for check in recent]).T
    # Images and noise are the same at each check, so that the mean over the checks has no smaller error.
    if (test - train).mean() < max(_GAP * fall, _STANDARD_ERRORS * error.mean()):
        return None
    x = np.log([check.step for check in recent])
    x -= x.mean()
    if x @ test / (x @ x) > -_RATE * fall:
        return "gap"
    return "rise" if test[-2:].min() - lowest >= _RISE * fall else None


def check_of(
    step: int, train: np.ndarray, test: np.ndarray, d1: np.ndarray, d2: np.ndarray, chance: float | None = None
) -> Check:
    """The check of a network from measured arrays.

    train (n,), test (N,): loss of each image. d1, d2 (S,): distances of each sample to its two nearest training images.
    chance: of strings, whose copies are exact, the share of the samples that are copies by chance (see `by_chance`).
    """
    f_mem, low, _ = memorized_fraction(d1, d2) if chance is None else fraction_interval(d1 == 0)
    if chance is not None:
        f_mem, low = max(f_mem - chance, 0.0), max(low - chance, 0.0)
    error = math.sqrt(train.var() / len(train) + test.var() / len(test))
    return Check(step, float(train.mean()), float(test.mean()), error, float(f_mem), low)


def by_chance(process: type[Process] | Process, d_held_out: np.ndarray, n: int, held_out: int) -> float | None:
    """The share of the samples that equal one of n training data by chance; None where copies need not be exact.

    As many as equal one of the held-out data, d_held_out = 0 (S,), for each of these. Of grammars the law is known, and
    records say more (RunRecord.chance); a rule that stops training should need no law.
    """
    if not process.copies_are_exact:
        return None
    return float((d_held_out == 0).mean() * n / held_out) if len(d_held_out) else 0.0


class StopBeforeMemorization:
    """Watches the held-out gap and the copies among generated images, says when to stop, and keeps the best network.

    The best network is the one with the lowest held-out loss of all checks before copies appear. A check leaves torch's
    random numbers, the network's mode and its weights as they were, and sees the same noise each time.

    Args:
        images: tensor (n, C, H, W), all training images, on the device of the network; n at least 2.
        held_out: tensor (N, C, H, W), images of the same kind that are not trained on, some hundred.
        best: file for the weights of the best network, in safetensors. It is always written whole.
        risk: largest fraction of memorized samples (f_mem, its lower 95 % bound) that is allowed.
        first: optimizer steps before the first check, other than that of the first call.
        spacing: factor in steps from one check to the next.
        samples: images generated at each check. With few, a small f_mem cannot be told from none.
        batch_size: images in one call of the network.
        loss: a function (network, images) of the loss (N,) of each image, for conventions other than the default: noise
            prediction by `network(noisy, k).sample` on the linear DDPM schedule of 1000 steps, at t = 0.01 (k = 40).
        sample: a function (network) of generated images (S, C, H, W), scaled as the training images; by default DDIM on
            the same schedule for images in [-1, 1].
        process: of other data than images with Gaussian noise; it decides the loss, the samples and their distances.

    After a check, `reason` tells why to stop (see `verdict`) or is None, and `checks` holds all that was seen. Raises
    InputError if a value is not allowed or `best` cannot be written.
    """

    def __init__(
        self,
        images: "torch.Tensor",
        held_out: "torch.Tensor",
        best: Path | str,
        risk: float = 0.01,
        first: int = 100,
        spacing: float = 1.05,
        samples: int = 256,
        batch_size: int = 256,
        loss: Callable | None = None,
        sample: Callable | None = None,
        process: Process | None = None,
    ):
        import torch

        if images.shape[1:] != held_out.shape[1:] or len(images) < 2 or not len(held_out):
            raise InputError(
                "images and held_out must be tensors (n, C, H, W) of images of one shape, two and one at "
                f"least, but shapes {tuple(images.shape)} and {tuple(held_out.shape)} were given"
            )
        if not 0 <= finite("risk", risk) < 1:
            raise InputError(f"risk must be at least 0 and below 1, but {risk!r} was given")
        if not finite("spacing", spacing) > 1:
            raise InputError(f"spacing must be above 1, but {spacing!r} was given")
        self.images = images
        self.held_out = held_out
        # As many as are held out, from all over the training set, which may be sorted.
        self.shown = images[torch.linspace(0, len(images) - 1, min(len(images), len(held_out))).long()]
        self.best = writable_file("best", Path(best), ".safetensors")
        self.risk = risk
        self.first = count("first", first)
        self.spacing = spacing
        self.samples = count("samples", samples)
        self.batch_size = count("batch_size", batch_size)
        self.process = process or Gaussian(bound=1.0)
        self.loss = loss or self._loss
        self.sample = sample or self._sample
        self.checks: list[Check] = []
        self.reason: Reason | None = None
        self._seconds, self._made = 0.0, time.monotonic()

    @property
    def outcome(self) -> Outcome:
        """How the run ended, or stands; raises InputError before the first check."""
        if not self.checks:
            raise InputError("the outcome must be asked for after a check, and there was none")
        best = self._best()
        return Outcome(
            self.reason or "end",
            self.checks[-1].step,
            best and best.step,
            tuple(self.checks),
            self._seconds / (time.monotonic() - self._made),
        )

    def after_step(self, step: int, network) -> bool:
        """Look at the network if a check is due; True if training is to stop.

        Call it once before training with step 0, which tells the loss that falls, and after each optimizer step with
        the number of steps done. network: the one whose samples will be used; if weights are averaged, the average.
        """
        last = self.checks[-1].step if self.checks else None
        if last is None or step > last and step >= max(self.first, last * self.spacing):
            return self.judge(self.measure(step, network), network)
        return self.reason is not None

    def measure(self, step: int, network) -> Check:
        """The check of a network."""
        import torch

        started = time.monotonic()
        in_training = [module for module in network.modules() if module.training]
        network.eval()
        # What a user's function draws from torch's global generator is the same at each check, too.
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(0)
            train, test = (self.loss(network, images).float().cpu().numpy() for images in (self.shown, self.held_out))
            samples = self.sample(network).to(self.images)
            d1, d2, _ = self.process.distances(samples, self.images, self._groups)
            chance = None
            if self.process.copies_are_exact:
                apart = self.process.distances(samples, self.held_out)[0].cpu().numpy()
                chance = by_chance(self.process, apart, len(self.images), len(self.held_out))
        for module in in_training:
            module.training = True
        self._seconds += time.monotonic() - started
        return check_of(step, train, test, d1.cpu().numpy(), d2.cpu().numpy(), chance)

    @functools.cached_property
    def _groups(self):
        from genmem.empirics.training.milestones import duplicate_groups

        return duplicate_groups(self.images)

    def judge(self, check: Check, network) -> bool:
        """Take in the check of a network; True if training is to stop. For a loop that measures by itself."""
        self.checks.append(check)
        if self._best() is check:
            self._write(network.state_dict(), check.step)
        self.reason = verdict(self.checks, self.risk)
        return self.reason is not None

    def restore(self, network) -> int:
        """Give the network the best weights and return their step; raises InputError if no network could be kept."""
        from safetensors.torch import load_file

        best = self._best()
        if best is None:
            raise InputError("there is no network to restore: copies, or a loss that is not finite, at the first check")
        network.load_state_dict(load_file(self.best))
        return best.step

    def state_dict(self) -> dict:
        """The checks and the best weights: with them a resumed run decides as an uninterrupted one."""
        from safetensors.torch import load_file

        return {
            "checks": [dataclasses.astuple(check) for check in self.checks],
            "best": load_file(self.best) if self._best() else {},
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a `state_dict`; the file of the best weights becomes what it was then."""
        self.checks = [Check(*check) for check in state["checks"]]
        self.reason = verdict(self.checks, self.risk) if self.checks else None
        if best := self._best():
            self._write(state["best"], best.step)

    def _best(self) -> Check | None:
        allowed = [check for check in self.checks if check.f_mem_low <= self.risk and math.isfinite(check.test)]
        return min(allowed, key=lambda check: check.test, default=None)

    def _write(self, weights: dict, step: int) -> None:
        from safetensors.torch import save

        # Copies, as safetensors refuses tensors that share memory.
        tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in weights.items()}
        self.best.parent.mkdir(parents=True, exist_ok=True)
        try:
            with written_whole(self.best) as part:
                part.write_bytes(save(tensors, metadata={"step": str(step)}))
        except OSError as error:
            raise InputError(
                f"best must be a file that can be written, but '{self.best}' cannot be: {error.strerror}"
            ) from None

    def _loss(self, network, images):
        from genmem.empirics.training.milestones import losses

        level = self.process.level(self.process.check_time)
        return losses(self.process, network, images, level, _LOSS_DRAWS, 0, "stop", self.batch_size)

    def _sample(self, network):
        from genmem.empirics.training.milestones import generated, sampling_start

        start = sampling_start(self.process, 0, self.samples, self.images, _SAMPLING_STEPS)
        return generated(self.process, network, start, _SAMPLING_STEPS, self.batch_size)
