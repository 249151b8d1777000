"""Theory on simulation: the predicted learning curves as lines, the exact dynamics of a finite network as points."""

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from genmem.figures.drawing import learning_curves, style

if TYPE_CHECKING:
    import xarray

_POINTS = {"linestyle": "none", "marker": "o", "markersize": 3.2, "markerfacecolor": "white"}


@style.styled
def build(data: "xarray.Dataset", width: float = style.SINGLE) -> Figure:
    """Draw predicted (lines) and simulated (points) train loss, test loss and score error against training time.

    data: variables train, test, score and simulated_train, simulated_test, simulated_score over dimension tau;
    attributes tau_gen, tau_mem, tau_gap and d, the dimension simulated.
    """
    figure, losses, score = learning_curves.panels(data, width)
    sparse = data.isel(tau=slice(None, None, max(1, data.tau.size // 24)))
    for name, axes in (("train", losses), ("test", losses), ("score", score)):
        axes.plot(data.tau, data[name], color=style.LOSS_COLOURS[name])
        error = sparse.get(f"simulated_{name}_error")
        axes.errorbar(
            sparse.tau,
            sparse[f"simulated_{name}"],
            yerr=error,
            elinewidth=0.8,
            ecolor=style.LOSS_COLOURS[name],
            **_POINTS,
            markeredgecolor=style.LOSS_COLOURS[name],
        )
    labels = learning_curves.LABELS.items()
    handles = [Line2D([], [], color=style.LOSS_COLOURS[name], label=label) for name, label in labels]
    handles.append(Line2D([], [], color=style.GREY, label="theory"))
    draws = data.attrs.get("draws", 1)
    what = f"simulation, d = {data.attrs['d']}" + (f", {draws} draws" if draws > 1 else "")
    handles.append(Line2D([], [], **_POINTS, markeredgecolor=style.GREY, label=what))
    figure.legend(handles=handles, loc="outside lower center", ncols=2 if width == style.SINGLE else 5)
    return figure
