"""How every figure looks, and how one is saved: sizes, fonts, colours that mean the same thing everywhere."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import matplotlib.colors
import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from genmem.shared.files import written_whole

if TYPE_CHECKING:
    import xarray

# Widths in inches of one and of two journal columns.
SINGLE, DOUBLE = 3.4, 7.0

# Okabe and Ito's colours, told apart with every common colour-vision deficiency.
BLACK, BLUE, SKY, GREEN, YELLOW = "#000000", "#0072B2", "#56B4E9", "#009E73", "#F0E442"
ORANGE, VERMILION, PURPLE, GREY = "#E69F00", "#D55E00", "#CC79A7", "#999999"

TIME_COLOURS = {"gen": GREEN, "mem": VERMILION, "gap": ORANGE, "copy": PURPLE}
TIME_MARKERS = {"gen": "o", "mem": "s", "gap": "D", "copy": "v"}
TIME_LABELS = {"gen": r"$\tau_{gen}$", "mem": r"$\tau_{mem}$", "gap": r"$\tau_{gap}$", "copy": r"$\tau_{copy}$"}
LOSS_COLOURS = {"train": BLUE, "test": BLACK, "score": PURPLE}

_RC = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "mathtext.fontset": "dejavusans",
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    # TrueType outlines: the text in the PDF stays text, which journals ask for.
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
}

# A decorator for every `build`: matplotlib reads most of these settings when an artist is made, not when it is drawn.
styled = matplotlib.rc_context(_RC)


def ordered(count: int) -> list[str]:
    """Colours for an ordered parameter, dark to light: viridis less its end too pale for thin lines on white."""
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, count))
    return [matplotlib.colors.to_hex(shade) for shade in shades]


def plain_log(axis: Axis, digits: tuple[int, ...] = (1, 2, 5)) -> None:
    """Label a logarithmic axis of few decades with plain numbers beginning with `digits`: 0.01, 0.02, 0.05, 0.1."""
    axis.set_major_locator(LogLocator(subs=digits))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def new(width: float = SINGLE, height: float = 2.5) -> Figure:
    """An empty figure of the given size in inches, free of pyplot's global state, that leaves room for its labels."""
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: Path, about: str = "") -> list[Path]:
    """Write `figure` as path.pdf (vector) and path.png (300 dpi), each whole or not at all; return both paths.

    about: what the figure shows and where its numbers come from, kept inside both files.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    creator = f"genmem {version('genmem')}"
    # No date in the files: the same data give the same bytes.
    metadata = {
        ".pdf": {"Creator": creator, "Subject": about, "CreationDate": None},
        ".png": {"Software": creator, "Description": about},
    }
    for suffix, entries in metadata.items():
        with written_whole(path.with_suffix(suffix)) as part, matplotlib.rc_context(_RC):
            figure.savefig(part, format=suffix[1:], dpi=300, metadata=entries)
    return [path.with_suffix(suffix) for suffix in metadata]


def save_both(build: Callable[["xarray.Dataset", float], Figure], data: "xarray.Dataset", path: Path) -> list[Path]:
    """Draw `data` for one column (path.pdf, path.png) and for two (path-double.pdf, path-double.png).

    The data's recipe and provenance (genmem.figures.drawing.cached) go into the files.
    """
    about = "; ".join(str(data.attrs[name]) for name in ("recipe", "provenance") if name in data.attrs)
    double = path.with_name(f"{path.stem}-double")
    return [*save(build(data, SINGLE), path, about), *save(build(data, DOUBLE), double, about)]


def decade(value: float) -> str:
    """A number of any size as mathtext to two digits: 340, 1.2 x 10^5, 10^4."""
    if not 0.01 <= abs(value) < 1e4:
        mantissa, exponent = f"{value:.1e}".split("e")
        factor = "" if mantissa == "1.0" else rf"{mantissa}\times"
        return rf"${factor}10^{{{int(exponent)}}}$"
    return f"{value:.2g}" if abs(value) < 100 else f"{value:.0f}"
