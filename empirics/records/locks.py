"""Locks between processes, on Unix and Windows. They die with the process that holds them, however it dies.

Between machines they work on a file system that has them (NFS 4; Lustre mounted with `-o flock`); one without any is
refused, as a mere marker file would outlive its process.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path


class Held(Exception):
    """Another process holds the lock."""


@contextlib.contextmanager
def holding(path: Path, wait: bool = False) -> Iterator[None]:
    """Hold the lock that the file `path` stands for; the file is made if needed, and stays.

    Raises Held if another process has it, or waits for it; OSError if the file cannot be written.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=-1 if wait else 0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise Held from None
    try:
        yield
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether a process holds the lock; a file that this user may not lock is taken to be held."""
    if not path.exists():
        return False
    try:
        with holding(path):
            return False
    except (Held, OSError):
        return True
