"""The spectrum of the features' covariance U: the bulks, their exact and asymptotic edges, and one drawn network."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from figures import style
from theory.commands import ProblemFlags

if TYPE_CHECKING:
    import xarray

    from theory import RandomFeatures

CAPTION = (
    "Spectrum of the features' covariance U: predicted density (line) with exact edges, the asymptotic edges of both bulks "
    "(dotted), and the eigenvalues of one drawn network (shaded)."
)
_LIMITS = {"memorization": style.VERMILION, "generalization": style.GREEN}
_BINS = 24


def calculate(problem: ProblemFlags) -> "xarray.Dataset":
    """The spectrum of a network for which both bulks show, and of one draw of it."""
    from theory import RandomFeatures

    model = RandomFeatures(8.0, 64.0, problem.t, problem.activation, problem.spectrum(), problem.copies)
    return spectrum_of(model, d=100, seed=0)


def spectrum_of(model: "RandomFeatures", d: int, seed: int) -> "xarray.Dataset":
    """The predicted spectrum of U and the eigenvalues of one network of dimension d, as `build` draws them."""
    import xarray

    from theory.density import spectrum
    from theory.network import draw_network

    result = spectrum(model)
    u, _ = draw_network(model, d, np.random.default_rng(seed)).train_moments()
    return xarray.Dataset(
        {
            "density": ("lambda", result.density),
            "edges": (("bulk", "side"), [(bulk.lower, bulk.upper) for bulk in result.bulks]),
            "mass": ("bulk", [bulk.mass for bulk in result.bulks]),
            "atom": ("atoms", [atom.location for atom in result.atoms]),
            "atom_weight": ("atoms", [atom.weight for atom in result.atoms]),
            "simulated": ("eigenvalue", np.linalg.eigvalsh(u)),
        },
        coords={"lambda": result.lambdas},
        attrs={
            "memorization_limit": result.memorization_limit,
            "generalization_limit": result.generalization_limit,
            "d": d,
            "seed": seed,
        },
    )


@style.styled
def build(data: "xarray.Dataset", width: float = style.DOUBLE) -> Figure:
    """Draw lambda rho(lambda), so that areas over the logarithmic axis are shares of eigenvalues, with two panels.

    The widest gap separates the panels, each with its own scale: usually that below the generalization bulk. data: of
    `calculate`. Shaded: simulated eigenvalues. Dotted: asymptotic edges.
    """
    figure = style.new(width, 2.7)
    edges = data.edges.values
    split = 1 + int(np.argmax(np.log(edges[1:, 0] / edges[:-1, 1]))) if len(edges) > 1 else 1
    parts = [part for part in (edges[:split], edges[split:]) if len(part)]
    for axes, part in zip(np.atleast_1d(figure.subplots(1, len(parts))), parts):
        _panel(axes, data, part)
    handles = [Line2D([], [], color=style.BLACK, label="theory")]
    handles.append(Patch(color=style.SKY, alpha=0.5, label=f"one network, d = {data.attrs['d']}"))
    handles.append(Line2D([], [], color=style.GREY, linestyle="-", linewidth=0.9, label="exact edges"))
    for name, colour in _LIMITS.items():
        handles.append(Line2D([], [], color=colour, linestyle=":", label=f"asymptotic edges, {name}"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _panel(axes, data: "xarray.Dataset", part: np.ndarray) -> None:
    """One panel with the bulks whose edges are given, shape (bulks, 2)."""
    atoms = data.atom.values[data.atom.values < part[0, 0]]
    # An atom next to the lowest bulk of the panel belongs on it; the other panel's bulks do not.
    near = atoms[atoms > part[0, 0] / 10]
    left, right = min([part[0, 0], *near]) / 1.3, part[-1, 1] * 1.3
    axes.set_xscale("log")
    axes.set_xlim(left, right)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    bins = np.geomspace(left, right, _BINS * max(1, round(np.log10(right / left))) + 1)
    simulated = data.simulated.values
    inside = simulated[(simulated > part[0, 0] / 1.001) & (simulated < right)]
    # Per unit of log lambda: areas are shares of all eigenvalues.
    share = np.histogram(inside, bins)[0] / simulated.size / np.diff(np.log(bins))
    axes.stairs(share, bins, fill=True, color=style.SKY, alpha=0.5)
    for lower, upper in part:
        curve = data.sel({"lambda": slice(lower, upper)})
        axes.plot(curve["lambda"], curve["lambda"] * curve.density, color=style.BLACK)
        for edge in (lower, upper):
            axes.axvline(edge, color=style.GREY, linewidth=0.9, zorder=0)
    for name, colour in _LIMITS.items():
        for edge in data.attrs[f"{name}_limit"]:
            if left < edge < right:
                axes.axvline(edge, color=colour, linestyle=":", linewidth=1.2)
    for location, weight in zip(data.atom.values, data.atom_weight.values):
        if left < location < right:
            axes.axvline(location, color=style.BLUE, linewidth=2)
            axes.annotate(
                f"{weight:.0%} of all", (location, 1.0), (0, 3), xycoords=("data", "axes fraction"),
                textcoords="offset points", color=style.BLUE,
            )  # fmt: skip
    here = data.sel({"lambda": slice(part[0, 0], part[-1, 1])})
    # At finite d the atom is spread; its share is given as a number, and the scale is that of the bulks.
    axes.set_ylim(0, 1.3 * float((here["lambda"] * here.density).max()))
    axes.set_xlabel(r"eigenvalue $\lambda$ of $U$")
    axes.set_ylabel(r"$\lambda\,\rho(\lambda)$")
