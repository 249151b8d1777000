"""Phase diagrams: the times over a grid of psi_n and psi_p, and the phase at a chosen training time.

This is the diagram of [B], section 4: with n fixed by the data and p by the network, is a training time too short, in
the window, or too long, and is there a window at all?
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from theory.errors import InputError, positive
from theory.model import RandomFeatures, SolverError
from theory.spectra import Spectrum
from theory.timescales import Fractions

# The code of a phase in a data set is its place here.
PHASES = ("no_generalization", "underfit", "generalization", "memorization", "architectural_regularization")


def classify(tau: float, gen, mem) -> np.ndarray:
    """Phase codes (places in PHASES), int8, at training time tau for arrays of tau_gen and tau_mem of one shape.

    no generalization: tau_gen = inf (only with a floor). underfit: tau < tau_gen. Else, if tau_mem = inf,
    architectural regularization; if tau >= tau_mem, memorization; and in between, generalization. -1: a time is nan.
    """
    gen, mem = np.asarray(gen), np.asarray(mem)
    trained = np.where(np.isinf(mem), 4, np.where(tau >= mem, 3, 2))
    phase = np.where(np.isinf(gen), 0, np.where(tau < gen, 1, trained))
    return np.where(np.isnan(gen) | np.isnan(mem), -1, phase).astype(np.int8)


def phase_diagram(
    psi_n, psi_p, t: float, *, activation="tanh", spectrum: Spectrum = Spectrum(), tau: float | None = None,
    floor=None, fractions: Fractions = Fractions(), progress: bool = False,
):
    """tau_gen, tau_mem and tau_gap on the grid psi_p x psi_n as an xarray.Dataset.

    psi_n: (N,) and psi_p: (P,), positive and increasing. tau: if given, the data set also holds `phase` (int8, codes
    into PHASES) at this training time. floor: see RandomFeatures.timescales. Times are in steps x learning rate / d^2,
    inf where the event never happens. `solved` is False where the equations could not be solved; times there are nan.
    Raises InputError for axes that do not increase or other bad values.
    """
    import xarray
    from tqdm.auto import tqdm

    psi_n, psi_p = _axis("psi_n", psi_n), _axis("psi_p", psi_p)
    if tau is not None:
        tau = positive("tau", tau)

    def row(p: float) -> list[tuple[float, float, float, bool]]:
        return [_times(RandomFeatures(n, p, t, activation, spectrum), floor, fractions) for n in psi_n]

    row(psi_p[0])  # compiles once, and meets bad input, before threads start
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = tqdm(pool.map(row, psi_p), total=psi_p.size, desc="phase diagram", unit="row", disable=not progress)
        table = np.array(list(rows))
    dims = ("psi_p", "psi_n")
    unit = {"units": "steps x learning rate / d^2"}
    data = xarray.Dataset(
        {
            "tau_gen": (dims, table[..., 0], unit | {"long_name": "generalization time"}),
            "tau_mem": (dims, table[..., 1], unit | {"long_name": "memorization time"}),
            "tau_gap": (dims, table[..., 2], unit | {"long_name": "time at which test and train loss part"}),
            "solved": (dims, table[..., 3].astype(bool)),
        },
        coords={
            "psi_n": ("psi_n", psi_n, {"long_name": "training points per dimension, n/d"}),
            "psi_p": ("psi_p", psi_p, {"long_name": "features per dimension, p/d"}),
        },
        attrs={
            "t": float(t),
            "activation": activation if isinstance(activation, str) else getattr(activation, "__name__", "callable"),
            "eigenvalues": spectrum.eigenvalues,
            "weights": spectrum.weights,
            "fractions": [fractions.gen, fractions.mem, fractions.gap],
            "floor": "none" if floor is None else floor,
        },
    )
    if tau is not None:
        data["phase"] = (
            dims, classify(tau, table[..., 0], table[..., 1]),
            {"tau": tau, "flag_values": list(range(len(PHASES))), "flag_meanings": " ".join(PHASES)},
        )
    return data


def _times(model: RandomFeatures, floor, fractions: Fractions) -> tuple[float, float, float, bool]:
    try:
        times = model.timescales(floor, fractions)
    except SolverError:
        return np.nan, np.nan, np.nan, False
    return times.gen, times.mem, times.gap, True


def _axis(name: str, values) -> np.ndarray:
    axis = np.atleast_1d(np.asarray(values, dtype=float))
    if axis.ndim != 1 or axis.size == 0 or not np.all(np.isfinite(axis)) or axis[0] <= 0 or np.any(np.diff(axis) <= 0):
        raise InputError(f"{name} must be a list of increasing positive numbers, but {values!r} was given")
    return axis
