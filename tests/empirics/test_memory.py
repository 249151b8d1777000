"""Freed memory is kept: counted in page faults, which do not depend on how busy the machine is."""

import os
import platform
import subprocess
import sys

import pytest

CODE = """
import resource, sys, threading
import numpy as np
from genmem.empirics.training.memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory() and keep_freed_memory()
def work():
    def step():
        buffers = [np.ones(100_000) for _ in range(20)]
    step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        step()
    print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 10)
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


def faults(how):
    """Page faults of a step that takes and frees 16 MB, in a thread of a process with Dask's environment."""
    environment = os.environ | {"MALLOC_TRIM_THRESHOLD_": "65536"}
    result = subprocess.run(
        [sys.executable, "-c", CODE, how], env=environment, capture_output=True, text=True, check=True
    )
    return float(result.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_buffers_of_a_step_are_not_given_back_to_the_kernel():
    pages = 20 * 800_000 / 4096
    assert faults("plain") > 0.9 * pages and faults("kept") < 0.1 * pages


def test_a_c_library_without_the_call_is_left_alone(monkeypatch):
    from genmem.empirics.training import memory

    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    assert memory.keep_freed_memory.__wrapped__() is False
