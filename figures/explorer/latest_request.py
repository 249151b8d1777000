"""A thread that always works on the latest request: what a page needs whose sliders move faster than it computes."""

from collections.abc import Callable
from threading import Condition, Thread
from typing import Any


class LatestRequest(Thread):
    """Answers the latest request; those that came before it meanwhile are skipped. Dies with the program.

    answer(request): works on one request to its end, and raises nothing. idle(): a small piece of work for the time
    without requests; called until it returns False.
    """

    def __init__(self, answer: Callable[[Any], None], idle: Callable[[], bool]):
        super().__init__(daemon=True)
        self._answer, self._idle = answer, idle
        self._changed = Condition()
        self._waiting: list = []
        self._stopped = False

    def ask(self, request: Any) -> None:
        """Ask for this instead of all that was asked before; returns at once."""
        with self._changed:
            self._waiting = [request]
            self._changed.notify()

    def stop(self) -> None:
        """End after the piece at hand."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def run(self) -> None:
        busy = False
        while True:
            with self._changed:
                while not (self._waiting or self._stopped or busy):
                    self._changed.wait()
                if self._stopped:
                    return
                requests, self._waiting = self._waiting, []
            for request in requests:
                self._answer(request)
            busy = self._idle()
