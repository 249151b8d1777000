"""What a data file of genmem shows: how it is drawn, its caption, and the sentences that go with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genmem.figures.drawing import learning_curves, phase_diagram, simulation
from genmem.figures.drawing.cached import figure_of
from genmem.figures.pictures import overlay
from genmem.figures.report import sentences
from genmem.shared.errors import InputError

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Kind:
    """A kind of data file. variables: those by which it is known."""

    variables: frozenset[str]
    caption: str
    build: Callable[["xarray.Dataset", float], "Figure"]
    sentences: Callable[["xarray.Dataset"], Sequence[str]]


# In this order: a simulation holds the curves too, and an overlay a phase diagram.
KINDS: dict[str, Kind] = {
    "overlay": Kind(
        frozenset({"measured", "predicted", "line"}),
        overlay.CAPTION,
        overlay.build,
        sentences.overlaid,
    ),
    "simulation": Kind(
        frozenset({"simulated_train", "simulated_test"}),
        "Prediction (lines) and the exact dynamics of one finite network (points).",
        simulation.build,
        lambda data: [sentences.simulated(data)],
    ),
    "learning_curves": Kind(
        frozenset({"train", "test", "score"}),
        "Predicted losses and score error against training time. Shaded: the window in which to stop.",
        learning_curves.build,
        lambda data: [sentences.predicted(data)],
    ),
    "phase_diagram": Kind(
        frozenset({"phase", "tau_mem"}),
        "What a network of ψ_p hidden units per dimension does with ψ_n training points per dimension.",
        phase_diagram.build,
        sentences.phases,
    ),
}


def load(path: Path) -> tuple["xarray.Dataset", Kind]:
    """The data in a NetCDF file that a command of genmem wrote, and what they are; raises InputError for any other."""
    import xarray

    from genmem.figures.catalogue import FIGURES

    try:
        data = xarray.load_dataset(path, engine="h5netcdf")
    except (OSError, ValueError):
        # The library's own words name its drivers and flags.
        why = "is not a NetCDF file, or is damaged" if path.exists() else "does not exist"
        raise InputError(f"sources must be folders of runs or NetCDF files, but '{path}' {why}") from None
    name = figure_of(data)
    if name in FIGURES:
        entry = FIGURES[name]
        said = next((kind.sentences for kind in KINDS.values() if kind.build is entry.build), lambda data: [])
        return data, Kind(frozenset(), entry.caption, entry.build, said)
    for kind in KINDS.values():
        if kind.variables <= set(data.variables):
            return data, kind
    raise InputError(
        f"sources must hold what a command of genmem wrote, but '{path}' holds {', '.join(data.variables)}"
    )
