"""A result as a figure in one line."""

from typing import TYPE_CHECKING

import numpy as np

from genmem.figures.drawing import generated, learning_curves, phase_diagram, style
from genmem.shared.errors import InputError, positive

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

    from genmem.theory.tables import Table


def plot(result: "Table | xarray.Dataset", width: float = style.SINGLE) -> "Figure":
    """Draw learning curves, a simulation, a descent, a prediction, a phase diagram, or what is generated.

    result: what RandomFeatures.learning_curves, simulate, descend, LinearDenoiser.learning_curves, both `generated`,
    generate or phase_diagram (with a tau) returned. Of curves, times are marked as read off the sampled times. width:
    inches; one journal column is 3.4, two are 7.0. `curves.plot()` is the same.

    Returns the matplotlib Figure, which a notebook shows and `savefig` writes. Raises InputError for any other object.

        from genmem import RandomFeatures, phase_diagram, plot
        RandomFeatures(8, 64, 0.1).learning_curves([1, 10, 100, 1000]).plot().savefig("curves.pdf")
        plot(phase_diagram([1, 4, 16], [4, 16, 64], 0.1, tau=300.0))
    """
    width = positive("width", width)
    data = result.to_xarray() if hasattr(result, "to_xarray") else result
    variables = getattr(data, "data_vars", {})
    if "phase" in variables:
        return phase_diagram.build(data, width)
    if {"train", "test", "score"} <= set(variables):
        return learning_curves.build(_with_times(data), width)
    if {"kl", "f_mem"} & set(variables):
        return generated.build(data, width)
    raise InputError(
        "result must be learning curves, a simulation, what is generated, or a phase diagram with a tau, but "
        f"a {type(result).__name__} was given"
    )


def _with_times(data: "xarray.Dataset") -> "xarray.Dataset":
    """Curves over finite increasing times, with tau_gen, tau_mem and tau_gap as attributes."""
    from genmem.theory.timescales import timescales_of_curves

    if data.tau.ndim != 1:
        raise InputError(f"result must have one axis of training times to be drawn, but tau has shape {data.tau.shape}")
    tau, first = np.unique(data.tau, return_index=True)
    data = data.isel(tau=first[np.isfinite(tau) & (tau > 0)])
    if data.tau.size < 2:
        raise InputError(f"result must hold two finite training times to be drawn, but it holds {data.tau.size}")
    if "tau_gen" in data.attrs:
        return data
    times = timescales_of_curves(data.tau.values, data.train.values, data.test.values, initial=1.0)
    return data.assign_attrs(tau_gen=times.gen, tau_mem=times.mem, tau_gap=times.gap)
