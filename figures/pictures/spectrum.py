"""The spectrum of the features' covariance U: the bulks, their exact and asymptotic edges, and one drawn network."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from genmem.figures.drawing import style
from genmem.theory.model import RandomFeatures
from genmem.theory.problem import Problem

if TYPE_CHECKING:
    import xarray


CAPTION = (
    "Eigenvalues λ of the features' covariance U: the predicted density (line) between its exact edges, the edges "
    "that both bulks tend to for 1 ≪ ψ_n ≪ ψ_p (dotted), and the eigenvalues of one drawn network (shaded). Areas are "
    "shares of all eigenvalues. Those that the theory has on one value, given as a number, are spread out in a finite "
    "network."
)
_LIMITS = {"memorization": style.VERMILION, "generalization": style.GREEN}
_BINS = 24


def calculate(problem: Problem) -> "xarray.Dataset":
    """The spectrum of a network for which both bulks show, and of one draw of it."""
    return spectrum_of(RandomFeatures.of(problem, 4.0, 32.0), d=110, seed=0)


def spectrum_of(model: RandomFeatures, d: int, seed: int) -> "xarray.Dataset":
    """The predicted spectrum of U and the eigenvalues of one network of dimension d, as `build` draws them."""
    import xarray

    from genmem.theory.density import feature_spectrum
    from genmem.theory.network import draw_network

    result = feature_spectrum(model)
    u, _ = draw_network(model, d, np.random.default_rng(seed)).train_moments()
    share = {"units": "1", "long_name": "share of all eigenvalues"}
    return xarray.Dataset(
        {
            "density": ("lambda", result.density, {"units": "1", "long_name": "density of eigenvalues"}),
            "edges": (("bulk", "side"), [(bulk.lower, bulk.upper) for bulk in result.bulks], {"units": "1"}),
            "mass": ("bulk", [bulk.mass for bulk in result.bulks], share),
            "atom": ("atoms", [atom.location for atom in result.atoms], {"units": "1"}),
            "atom_weight": ("atoms", [atom.weight for atom in result.atoms], share),
            "limit": (
                ("kind", "side"),
                [result.memorization_limit, result.generalization_limit],
                {"units": "1", "long_name": "asymptotic edges, nan where there is no formula"},
            ),
            "simulated": (
                "eigenvalue",
                np.linalg.eigvalsh(u),
                {"units": "1", "long_name": "eigenvalues of one network"},
            ),
        },
        coords={
            "lambda": ("lambda", result.lambdas, {"units": "1", "long_name": "eigenvalue of U"}),
            "side": ["lower", "upper"],
            "kind": list(_LIMITS),
        },
        attrs={"d": d, "seed": seed, "psi_n": model.psi_n, "psi_p": model.psi_p, "t": model.t},
    )


@style.styled
def build(data: "xarray.Dataset", width: float = style.DOUBLE) -> Figure:
    """Draw lambda rho(lambda), so that areas over the logarithmic axis are shares of eigenvalues, with two panels.

    The widest gap separates the panels, each with its own scale: usually that below the generalization bulk. data: of
    `calculate`. Shaded: simulated eigenvalues. Dotted: asymptotic edges.
    """
    edges = data.edges.values
    split = 1 + int(np.argmax(np.log(edges[1:, 0] / edges[:-1, 1]))) if len(edges) > 1 else 1
    parts = [part for part in (edges[:split], edges[split:]) if len(part)]
    wide = width > style.SINGLE
    figure = style.new(width, 2.6 if wide else 0.7 + 1.9 * len(parts))
    panels = np.atleast_1d(figure.subplots(*((1, len(parts)) if wide else (len(parts), 1))))
    for axes, part in zip(panels, parts):
        _panel(axes, data, part)
    for axes in panels if wide else panels[-1:]:
        axes.set_xlabel(r"eigenvalue $\lambda$ of $U$")
    handles = [Line2D([], [], color=style.BLACK, label="theory")]
    handles.append(Patch(color=style.SKY, alpha=0.5, label=f"one network, d = {data.attrs['d']}"))
    handles.append(Line2D([], [], color=style.GREY, linewidth=0.9, label="exact edges"))
    handles.append(Line2D([], [], color=style.BLACK, linestyle=":", label="asymptotic edges"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4 if wide else 2)
    return figure


def _panel(axes, data: "xarray.Dataset", part: np.ndarray) -> None:
    """One panel with the bulks whose edges are given, shape (bulks, 2)."""
    atoms = data.atom.values[data.atom.values < part[0, 0]]
    # An atom next to the lowest bulk of the panel belongs on it; the other panel's bulks do not.
    near = atoms[atoms > part[0, 0] / 10]
    left, right = min([part[0, 0], *near]) / 1.3, part[-1, 1] * 1.3
    axes.set_xscale("log")
    axes.set_xlim(left, right)
    style.plain_log(axes.xaxis)
    bins = np.geomspace(left, right, _BINS * max(1, round(np.log10(right / left))) + 1)
    simulated = data.simulated.values
    # Per unit of log lambda: areas are shares of all eigenvalues.
    share = np.histogram(simulated, bins)[0] / simulated.size / np.diff(np.log(bins))
    axes.stairs(share, bins, fill=True, color=style.SKY, alpha=0.5)
    for lower, upper in part:
        curve = data.sel({"lambda": slice(lower, upper)})
        axes.plot(curve["lambda"], curve["lambda"] * curve.density, color=style.BLACK)
        for edge in (lower, upper):
            axes.axvline(edge, color=style.GREY, linewidth=0.9, zorder=0)
    for name, colour in _LIMITS.items():
        shown = [edge for edge in data.limit.sel(kind=name).values if left < edge < right]
        for edge in shown:
            axes.axvline(edge, color=colour, linestyle=":", linewidth=1.2)
        if shown:
            _above(axes, np.sqrt(shown[0] * shown[-1]), name, colour)
    for location, weight in zip(data.atom.values, data.atom_weight.values):
        if left < location < right:
            axes.axvline(location, color=style.BLUE, linewidth=2)
            _above(axes, location, f"{weight:.0%} of all", style.BLUE)
    here = data.sel({"lambda": slice(part[0, 0], part[-1, 1])})
    # At finite d the atom is spread out and far higher: its share is given as a number, and the scale is the bulks'.
    axes.set_ylim(0, 1.3 * float((here["lambda"] * here.density).max()))
    axes.set_ylabel(r"$\lambda\,\rho(\lambda)$")


def _above(axes, position: float, text: str, colour: str) -> None:
    """A name above the axes, over a position on them."""
    axes.annotate(
        text, (position, 1.0), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points", color=colour,
        ha="center",
    )  # fmt: skip
