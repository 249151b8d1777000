"""The one rule of verdicts: what a measured 95 % interval says about an expected value."""

import math

AGREES, DISAGREES, UNDECIDED, NOT_TESTED = "agrees", "disagrees", "undecided", "not tested"
# An exponent known to less than this tells a law from no law; so does the logarithm of a time.
TELLING = 1.0


def verdict_on(low: float, high: float, expected: float) -> str:
    """What the interval from low to high says about the expected value.

    disagrees: the value lies outside. agrees: inside an interval no wider than TELLING. undecided: inside one that
    holds much else, as an open (infinite) end does. not tested: nothing was expected or measured (nan). For times, pass
    logarithms: then TELLING is a factor e.
    """
    if math.isnan(expected) or math.isnan(low) or math.isnan(high):
        return NOT_TESTED
    if not low <= expected <= high:
        return DISAGREES
    return AGREES if high - low <= TELLING else UNDECIDED


def disjoint(first: tuple[float, float], second: tuple[float, float]) -> bool:
    """Whether two intervals (low, high) have no value in common: then what they are about cannot both hold."""
    return first[1] < second[0] or second[1] < first[0]
