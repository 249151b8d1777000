"""What a user's mistake looks like: one sentence with the argument, what was given and what is allowed."""

import difflib
import math
from collections.abc import Iterable


class InputError(ValueError):
    """A mistake in the input. The command line prints its sentence and exits with code 2."""


class Failure(RuntimeError):
    """Work that could not be done although the input is right. The command line prints it and exits with 1."""


class SolverError(Failure):
    """The self-consistent equations could not be solved at the given parameters; the message says where."""


def positive(name: str, value: float) -> float:
    """Return `value` as a float if it is finite and positive, else raise InputError."""
    number = finite(name, value)
    if number <= 0:
        raise InputError(f"{name} must be positive, but {value!r} was given")
    return number


def finite(name: str, value: float) -> float:
    """Return `value` as a float if it is a finite real number, else raise InputError."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number, but {value!r} was given") from None
    if not math.isfinite(number):
        raise InputError(f"{name} must be finite, but {value!r} was given")
    return number


def count(name: str, value: int, least: int = 1) -> int:
    """Return `value` as an int if it is a whole number of at least `least`, else raise InputError."""
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        whole = None
    if whole is None or whole != value or whole < least:
        raise InputError(f"{name} must be a whole number of at least {least}, but {value!r} was given")
    return whole


def times(name: str, value):
    """Return `value` as a float array of training times >= 0 (inf allowed), else raise InputError."""
    import numpy as np

    try:
        array = np.array(value, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a time or a list of times, but {value!r} was given") from None
    if not np.all(array >= 0):
        raise InputError(f"{name} must be zero or positive, but it holds {array[~(array >= 0)].flat[0]:g}")
    return array


def known(name: str, value: str, allowed: Iterable[str]) -> str:
    """Return `value` if it is one of `allowed`, else raise InputError that suggests the nearest name."""
    allowed = sorted(allowed)
    if value in allowed:
        return value
    near = difflib.get_close_matches(str(value), allowed, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InputError(f"{name} must be one of {', '.join(allowed)}, but {value!r} was given{hint}")
