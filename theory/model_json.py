"""Models as JSON text, and back: to keep beside the results, or to hand on."""

import dataclasses
import json
import math
from typing import Any

from genmem.shared.errors import InputError, known
from genmem.theory.spectra import Spectrum

# The number that JSON does not know.
_INFINITE = "inf"


def as_json(model) -> str:
    """All arguments of a model (a dataclass) as JSON, each number to its last digit.

    Raises InputError for an activation that is a function and has no name in genmem.theory.activations.ACTIVATIONS.
    """
    values: dict[str, Any] = {"model": type(model).__name__}
    for field in dataclasses.fields(model):
        value = getattr(model, field.name)
        if callable(value):
            raise InputError(f"{field.name} must be a name for a model to be saved, but {value!r} was given")
        if isinstance(value, Spectrum):
            value = {"eigenvalues": value.eigenvalues.tolist(), "weights": value.weights.tolist()}
        values[field.name] = _INFINITE if isinstance(value, float) and math.isinf(value) else value
    return json.dumps(values, indent=1)


def of_json(cls, text: str):
    """The model of class `cls` that `as_json` wrote; InputError for a text that is none, or of another class."""
    try:
        values = json.loads(text)
    except (TypeError, ValueError) as error:
        raise InputError(f"text must be JSON, as to_json writes it, but it is not: {error}") from None
    if not isinstance(values, dict) or values.pop("model", None) != cls.__name__:
        raise InputError(f"text must be a {cls.__name__} as to_json writes it, but it is none")
    names = [field.name for field in dataclasses.fields(cls)]
    for name in values:
        known(f"an argument of {cls.__name__} in text", name, names)
    found = {name: math.inf if value == _INFINITE else value for name, value in values.items()}
    if "spectrum" in found:
        spectrum = found["spectrum"]
        if not isinstance(spectrum, dict) or set(spectrum) != {"eigenvalues", "weights"}:
            raise InputError(f"spectrum in text must hold eigenvalues and weights, but it is {spectrum!r}")
        found["spectrum"] = Spectrum(**spectrum)
    return cls(**found)
