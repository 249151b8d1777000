"""The one rule of verdicts, at its borders."""

import math

import pytest

from genmem.empirics.analysis.verdicts import TELLING, disjoint, verdict_on


@pytest.mark.parametrize(
    ("low", "high", "expected", "verdict"),
    [
        (0.9, 1.4, 1.0, "agrees"),
        (0.9, 1.4, 1.41, "disagrees"),
        (0.9, 1.4, 0.89, "disagrees"),
        (0.0, TELLING, 0.0, "agrees"),
        (0.0, TELLING + 1e-9, 0.0, "undecided"),
        (0.2, math.inf, 1.0, "undecided"),
        (1.2, math.inf, 1.0, "disagrees"),
        (-math.inf, math.inf, 1.0, "undecided"),
        (0.9, 1.4, math.inf, "disagrees"),
        (0.9, 1.4, math.nan, "not tested"),
        (math.nan, math.nan, 1.0, "not tested"),
    ],
)
def test_an_interval_decides(low, high, expected, verdict):
    assert verdict_on(low, high, expected) == verdict


def test_intervals_that_touch_have_a_value_in_common():
    assert not disjoint((0, 1), (1, 2)) and disjoint((0, 1), (1.001, 2)) and disjoint((3, 4), (1, 2))
