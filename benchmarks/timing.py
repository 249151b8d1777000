"""How long a call takes, for the benchmarks beside this file."""

import statistics
import time


def median_time(call, repetitions: int = 3) -> float:
    """Median seconds of a call, after one that does not count."""
    call()
    spent = []
    for _ in range(repetitions):
        start = time.perf_counter()
        call()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent)
