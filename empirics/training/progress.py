"""How far one run is: a bar on a terminal, a line a minute in a log."""

import sys
import time
from collections.abc import Callable

from genmem.empirics.training.plan import duration
from genmem.empirics.training.watching import Watcher

DRAW_SECONDS = 0.5
LINE_SECONDS = 60.0


def time_left(elapsed: float, taken: int, left: int) -> str:
    """In words, for `left` more steps of which each lasts as long as the `taken` ones did, `elapsed` seconds in all."""
    return f"{duration(elapsed * left / taken)} left" if taken > 0 else "time left not known yet"


class MeasuringShare:
    """How much of a milestone is measured, in words. As many calls of the network are needed as at the one before."""

    def __init__(self) -> None:
        self._step, self._calls, self._before = -1, 0, 0

    def words(self, step: int, calls: int) -> str:
        if step != self._step:
            self._step, self._before = step, self._calls
        self._calls = calls
        return f"measuring {min(100 * calls // self._before, 100)} %" if self._before else f"measuring, call {calls}"


class Progress(Watcher):
    """Shows the steps, the loss and the time left of one run on stderr.

    Args:
        title: names the run.
        steps: its number of steps.
        clock: seconds.
    """

    def __init__(self, title: str, steps: int, clock: Callable[[], float] = time.monotonic):
        from tqdm.auto import tqdm

        self._title, self._steps, self._clock = title, steps, clock
        self._share = MeasuringShare()
        # On a terminal only.
        self._bar = tqdm(total=steps, desc=title, unit="step", disable=None)
        self._every = LINE_SECONDS if self._bar.disable else DRAW_SECONDS
        self._begun = self._shown = clock()
        self._first = 0
        self._loss = None

    def begin(self, step: int) -> None:
        self._begun, self._first = self._clock(), step
        self._bar.initial = step  # so that the bar's rate is that of the steps taken now
        self._bar.n = step
        self._bar.refresh()

    def after_step(self, step: int, loss) -> None:
        self._loss = loss
        self._show(step, None)

    def measuring(self, step: int, calls: int) -> None:
        # Each call is counted, and few are shown.
        self._show(step, self._share.words(step, calls))

    def close(self) -> None:
        self._bar.close()

    def _show(self, step: int, note: str | None) -> None:
        now = self._clock()
        last = step == self._steps and note is None and not self._bar.disable
        if now - self._shown < self._every and not last:
            return
        self._shown = now
        words = ([] if self._loss is None else [f"loss {float(self._loss):.4f}"]) + ([note] if note else [])
        if self._bar.disable:
            line = ", ".join(
                [
                    f"step {step} of {self._steps}",
                    *words,
                    time_left(now - self._begun, step - self._first, self._steps - step),
                ]
            )
            print(f"{self._title}: {line}", file=sys.stderr, flush=True)
        else:
            self._bar.set_postfix_str(", ".join(words), refresh=False)
            self._bar.n = step
            self._bar.refresh()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error) -> None:
        self.close()
