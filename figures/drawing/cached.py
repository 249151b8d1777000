"""The data behind figures: computed once for a recipe, then read from its file; and where they come from."""

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from genmem.shared.files import save_dataset

if TYPE_CHECKING:
    import xarray

_LIBRARIES = ("genmem", "numpy", "scipy", "numba", "xarray")


def cached(path: Path, recipe: dict, compute: Callable[[], "xarray.Dataset"]) -> "xarray.Dataset":
    """The Dataset in `path` if it was made by the same recipe, else a new one, saved there with its provenance."""
    import xarray

    text = json.dumps(recipe | {"genmem": version("genmem")}, sort_keys=True, default=str)
    if path.exists():
        try:
            found = xarray.load_dataset(path, engine="h5netcdf")
        except (OSError, ValueError):
            found = None  # cut short or not ours: made anew below
        if found is not None and found.attrs.get("recipe") == text:
            return found
    made = compute().assign_attrs(recipe=text, provenance=provenance())
    save_dataset(made, path)
    return made


def figure_of(data: "xarray.Dataset") -> str | None:
    """The figure of the catalogue that data are behind, if they say so."""
    return json.loads(data.attrs.get("recipe", "{}")).get("figure")


def provenance() -> str:
    """Versions and the commit of the code that runs, as text."""
    from genmem.empirics.training.loop import git_commit

    versions = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    commit = git_commit()
    return versions + (f"; commit {commit}" if commit else "")
