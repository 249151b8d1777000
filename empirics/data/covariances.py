"""Covariance spectra by name, as on the command line.

    power-law:alpha=1,d=1000   eigenvalues proportional to k^-alpha, k = 1 ... d; mean=1 if not given
    mp:ratio=2                 Marchenko-Pastur: the sample covariance of white data, ratio = d / N
    atoms:0.5=0.3,1.5=0.7      eigenvalue=weight; without weights (atoms:0.5,1.5), equal ones
    data:NAME                  the pool of a data set (datasets.py): data:digits; data:cifar10,pixels=8 reduced
    PATH.npy                   a vector of eigenvalues of equal weight, or a symmetric matrix: the covariance

Data sets and files are those of one's own machine, and are compressed (Spectrum.compress).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from genmem.shared.errors import InputError, known
from genmem.theory.spectra import Spectrum

FORMS = "power-law:alpha=A,d=D, mp:ratio=R, atoms:EIGENVALUE=WEIGHT,..., data:NAME or a file .npy"


def spectrum_named(text: str) -> Spectrum:
    """The Spectrum of a text as above; raises InputError for a text of another form, or a value out of range."""
    if text.endswith(".npy") and not text.startswith("data:"):
        return _of_file(Path(text))
    kind, colon, argument = text.partition(":")
    if not colon:
        raise InputError(f"spectrum must be {FORMS}, but {text!r} was given")
    return _KINDS[known("spectrum", kind, _KINDS)](argument)


def _power_law(argument: str) -> Spectrum:
    return Spectrum.power_law(**_values("power-law", argument, {"alpha": float, "d": int, "mean": float}, ["alpha"]))


def _marchenko_pastur(argument: str) -> Spectrum:
    return Spectrum.marchenko_pastur(**_values("mp", argument, {"ratio": float, "atoms": int}, ["ratio"]))


def _atoms(argument: str) -> Spectrum:
    parts = [part.partition("=") for part in argument.split(",")]
    given = [bool(sign) for _, sign, _ in parts]
    if any(given) and not all(given):
        raise InputError(f"spectrum must give a weight to each atom or to none, but 'atoms:{argument}' was given")
    eigenvalues = [_number("atoms", value, float) for value, _, _ in parts]
    return Spectrum(eigenvalues, [_number("atoms", weight, float) for _, _, weight in parts] if all(given) else None)


def _of_data(argument: str) -> Spectrum:
    from genmem.empirics.data import views
    from genmem.empirics.data.datasets import load

    name, comma, rest = argument.rpartition(",pixels=")
    data = load(name if comma else argument)
    if comma:
        data = views.reduced(data, _number("data", rest, int))
    if "gaussian" not in data.processes:
        raise InputError(f"spectrum must be of numbers, but the data {data.name} are none")
    return Spectrum.from_data(data.pool.reshape(len(data.pool), -1).astype(float))


def _of_file(path: Path) -> Spectrum:
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"spectrum must be a .npy file of numbers, but '{path}' was given: {error}") from None
    if values.ndim == 2 and values.shape[0] == values.shape[1] and np.allclose(values, values.T):
        found = np.linalg.eigvalsh(values)
        # Rounding leaves tiny eigenvalues of either sign where there is no variance; larger ones are refused below.
        values = np.where(np.abs(found) < 1e-12 * np.abs(found).max(), 0.0, found)
    if values.ndim != 1:
        raise InputError(
            f"spectrum must be a vector of eigenvalues or a symmetric matrix, but '{path}' holds an array of the shape "
            f"{values.shape}"
        )
    return Spectrum(values).compress() if values.size > 1 else Spectrum(values)


def _values(kind: str, argument: str, types: dict[str, Callable], needed: list[str]) -> dict:
    """NAME=VALUE,... as arguments; InputError for a name that is not one of `types`, or a missing one."""
    found = {}
    for part in filter(None, argument.split(",")):
        name, _, value = part.partition("=")
        known(f"an argument of {kind} in spectrum", name, types)
        found[name] = _number(f"{kind}: {name}", value, types[name])
    for name in needed:
        if name not in found:
            raise InputError(
                f"spectrum must give {name} to {kind}, as {kind}:{name}=1, but '{kind}:{argument}' was given"
            )
    return found


def _number(what: str, text: str, kind: Callable):
    try:
        return kind(text)
    except ValueError:
        need = "a whole number" if kind is int else "a number"
        raise InputError(f"spectrum must have {need} after {what}, but {text!r} was given") from None


_KINDS: dict[str, Callable[[str], Spectrum]] = {
    "power-law": _power_law,
    "mp": _marchenko_pastur,
    "atoms": _atoms,
    "data": _of_data,
}
