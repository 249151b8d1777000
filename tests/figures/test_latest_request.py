"""Only the latest request counts, and there is time for other work when there is none."""

import threading

import pytest

from genmem.figures.explorer.latest_request import LatestRequest


@pytest.fixture
def slow():
    """A worker whose answers wait until they are let go; it keeps what it was asked and how often it was idle."""

    class Slow(LatestRequest):
        def __init__(self):
            super().__init__(self.work, self.rest)
            self.answered, self.rests = [], 0
            self.begun, self.go, self.rested = threading.Event(), threading.Semaphore(0), threading.Semaphore(0)

        def work(self, request):
            self.answered.append(request)
            self.begun.set()
            self.go.acquire(timeout=5)

        def rest(self):
            self.rests += 1
            self.rested.release()
            return self.rests % 3 > 0

    worker = Slow()
    worker.start()
    yield worker
    worker.stop()
    for _ in range(9):
        worker.go.release()
    worker.join(5)
    assert not worker.is_alive()


def test_what_came_meanwhile_is_skipped_but_for_the_latest(slow):
    slow.ask(0)
    assert slow.begun.wait(5)
    for request in range(1, 8):
        slow.ask(request)
    slow.go.release()
    slow.go.release()
    for _ in range(3):
        assert slow.rested.acquire(timeout=5)
    assert slow.answered == [0, 7]


def test_idle_work_is_done_until_it_is_finished(slow):
    slow.go.release()
    slow.ask(0)
    for _ in range(3):
        assert slow.rested.acquire(timeout=5)
    assert not slow.rested.acquire(timeout=0.1)
    slow.go.release()
    slow.ask(1)
    assert slow.rested.acquire(timeout=5)
    assert slow.answered == [0, 1]
