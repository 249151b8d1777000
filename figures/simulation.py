"""Theory on simulation: the predicted learning curves as lines, the exact dynamics of a finite network as points."""

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from figures import learning_curves, style

if TYPE_CHECKING:
    import xarray


@style.styled
def build(data: "xarray.Dataset") -> Figure:
    """Draw predicted (lines) and simulated (points) train loss, test loss and score error against training time.

    data: variables train, test, score and simulated_train, simulated_test, simulated_score over dimension tau;
    attributes tau_gen, tau_mem, tau_gap and d, the dimension simulated.
    """
    figure, losses, score = learning_curves.panels(data)
    sparse = data.isel(tau=slice(None, None, max(1, data.tau.size // 24)))
    axes_of = {"train": losses, "test": losses, "score": score}
    for name, axes in axes_of.items():
        axes.plot(data.tau, data[name], color=style.LOSS_COLOURS[name], label=f"{learning_curves.LABELS[name]}: theory")
    for name, axes in axes_of.items():
        axes.plot(
            sparse.tau,
            sparse[f"simulated_{name}"],
            linestyle="none",
            marker="o",
            markersize=3.2,
            markerfacecolor="white",
            markeredgecolor=style.LOSS_COLOURS[name],
            label=f"simulation, d = {data.attrs['d']}",
        )
    figure.legend(loc="outside lower center", ncols=2)
    return figure
