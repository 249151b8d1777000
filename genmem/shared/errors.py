"""What a user's mistake looks like: one sentence with the argument, what was given and what is allowed."""

import difflib
import math
from collections.abc import Iterable
from numbers import Integral
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


class InputError(ValueError):
    """A mistake in the input. The command line prints its sentence and exits with code 2."""


class Failure(RuntimeError):
    """Work that could not be done although the input is right. The command line prints it and exits with 1."""


class SolverError(Failure):
    """The self-consistent equations could not be solved at the given parameters; the message says where."""


def positive(name: str, value: object) -> float:
    """Return `value` as a float if it is finite and positive, else raise InputError."""
    number = finite(name, value)
    if number <= 0:
        raise InputError(f"{name} must be positive, but {value!r} was given")
    return number


def positive_or_infinite(name: str, value: object) -> float:
    """Return `value` as a float if it is positive or infinite, else raise InputError."""
    number = _real(value)
    if number is None or not number > 0:
        raise InputError(f"{name} must be a positive number or inf, but {value!r} was given")
    return number


def finite(name: str, value: object) -> float:
    """Return `value` as a float if it is a finite real number, else raise InputError."""
    number = _real(value)
    if number is None:
        raise InputError(f"{name} must be a number, but {value!r} was given")
    if not math.isfinite(number):
        raise InputError(f"{name} must be finite, but {value!r} was given")
    return number


def count(name: str, value: object, least: int = 1) -> int:
    """Return `value` as an int if it is a whole number of at least `least`, else raise InputError."""
    number = _real(value)
    if number is None or not math.isfinite(number) or number != int(number) or number < least:
        raise InputError(f"{name} must be a whole number of at least {least}, but {value!r} was given")
    # Whole numbers beyond 2^53 (seeds) must keep all their digits.
    return int(value) if isinstance(value, Integral) else int(number)


def _real(value) -> float | None:
    """The float that a number is, also one of numpy; None for truth values, text, complex numbers and arrays."""
    if isinstance(value, (bool, str, bytes, bytearray)) or getattr(value, "ndim", False):
        return None
    if getattr(getattr(value, "dtype", None), "kind", "f") not in "iuf":
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def numbers(name: str, value, what: str = "a list of numbers") -> "np.ndarray":
    """Return `value` as a new float array of its shape, else raise InputError, which says `what` is wanted."""
    import numpy as np

    mixed = isinstance(value, (list, tuple)) and any(isinstance(part, (bool, np.bool_)) for part in value)
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        array = None
    if array is None or mixed or array.dtype.kind not in "iuf":
        raise InputError(f"{name} must be {what}, but {shortened(value)} was given")
    return np.array(array, dtype=float)


def shortened(value, length: int = 80) -> str:
    """What was given, in so many characters at most."""
    text = " ".join(repr(value).split())
    return text if len(text) <= length else f"{text[: length - 4]} ..."


def times(name: str, value) -> "np.ndarray":
    """Return `value` as a float array of training times >= 0 (inf allowed), else raise InputError."""
    import numpy as np

    array = numbers(name, value, "a time or a list of times")
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
