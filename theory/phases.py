"""Phase diagrams: the times over a grid of psi_n and psi_p, and the phase at a chosen training time.

This is the diagram of Bonnaire et al. (arXiv:2505.17638), section 4: with n fixed by the data and p by the network, is
a training time too short, in the window, or too long, and is there a window at all?
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from genmem.shared.errors import InputError, SolverError, known, numbers, positive
from genmem.shared.resumable import ResumableRows
from genmem.theory.model import RandomFeatures
from genmem.theory.thresholds import Row, crossing
from genmem.theory.timescales import Fractions

# The code of a phase in a data set is its place here.
PHASES = (
    "no_generalization",
    "underfit",
    "generalization",
    "memorization",
    "architectural_regularization",
    "benign_overfitting",
)
OF_THE_MODEL = ("activation", "spectrum", "copies", "ridge", "center")


def interpolates(psi_n, psi_p, copies: float, ridge: float, linear: bool = False) -> np.ndarray:
    """Whether the train loss falls to zero: no more noised points n m than features p, and no ridge; arrays broadcast.

    linear: features of a linear activation, whose rank is d at most, so that n m <= d is needed too.
    """
    rank = np.minimum(psi_p, 1.0) if linear else np.asarray(psi_p)
    return (np.asarray(psi_n) * copies <= rank) & ((ridge == 0) | np.isinf(psi_p))


def classify(tau, gen, mem, interpolating=False) -> np.ndarray:
    """Phase codes (places in PHASES), int8, at training time tau for tau_gen and tau_mem; arrays are broadcast.

    no generalization: tau_gen = inf (only with a floor or strong gradient noise). underfit: tau < tau_gen. Else, if
    tau_mem = inf, benign overfitting where the train loss vanishes all the same (`interpolating`, of `interpolates`),
    architectural regularization where it does not; if tau >= tau_mem, memorization; in between, generalization. -1: a
    time is nan.
    """
    gen, mem = np.asarray(gen), np.asarray(mem)
    never = np.where(interpolating, 5, 4)
    trained = np.where(np.isinf(mem), never, np.where(tau >= mem, 3, 2))
    phase = np.where(np.isinf(gen), 0, np.where(tau < gen, 1, trained))
    return np.where(np.isnan(gen) | np.isnan(mem), -1, phase).astype(np.int8)


def phase_diagram(
    psi_n,
    psi_p,
    t: float,
    *,
    tau=None,
    gradient_noise=0.0,
    losses_at=(),
    floor=None,
    fractions: Fractions = Fractions(),
    progress: bool = False,
    resume=None,
    **model,
):
    """tau_gen, tau_mem and tau_gap on the grid psi_p x psi_n, and the lines between the phases, as an xarray.Dataset.

    psi_n: (N,) and psi_p: (P,), positive and increasing; the last psi_p may be inf. t and `model` (activation,
    spectrum, copies, ridge, center): as in RandomFeatures. tau: a training time, or increasing ones (T,); if given,
    the data set also holds `phase` (P, N), int8, codes into PHASES, at this time, and `psi_n_memorization` (P,),
    the psi_n at which tau_mem = tau, both with a leading axis `tau` for several times. gradient_noise: kappa =
    learning rate / (batch size x d) of SGD (see RandomFeatures.learning_curves); or increasing ones (P,), which
    then take the place of psi_p, a single value, as the axis. Where SGD diverges all times are inf. losses_at:
    training times at which to store `test` and `train` (loss_tau, P, N). floor, fractions: see
    RandomFeatures.timescales.
    `psi_n_architectural` (P,) is the threshold n*(p)/d above which tau_mem = inf, refined by a secant to 1e-4, looked
    for between the grid points, where memorization may be confined to a few psi_n around n m = p, and up to a factor
    1e4 beyond the grid, nan if not found. Times are in steps x learning rate / d^2, inf where the
    event never happens. `solved` is False where the equations could not be solved; times there are nan.
    resume: a path for the rows finished so far, from which an interrupted diagram goes on; removed at the end.
    Raises InputError for axes that do not increase, other bad values, or a `resume` file of another diagram.
    """
    import xarray
    from tqdm.auto import tqdm

    for name in model:
        known("argument", name, OF_THE_MODEL)
    psi_n, psi_p = _axis("psi_n", psi_n), _axis("psi_p", psi_p, infinite=True)
    losses_at = _axis("losses_at", losses_at) if np.size(losses_at) else np.zeros(0)
    tau = tau if tau is None else _axis("tau", tau) if np.ndim(tau) else positive("tau", tau)
    levels = np.zeros(0) if tau is None else np.atleast_1d(tau)
    kappa = np.atleast_1d(numbers("gradient_noise", gradient_noise))
    if (
        kappa.ndim != 1
        or not np.all(np.isfinite(kappa))
        or kappa.size == 0
        or kappa[0] < 0
        or np.any(np.diff(kappa) <= 0)
    ):
        raise InputError(f"gradient_noise must be zero or positive and increase, but {gradient_noise!r} was given")
    if np.ndim(gradient_noise) and psi_p.size > 1:
        raise InputError(f"psi_p must be one value where gradient_noise is an axis, but {psi_p.size} were given")
    rows_of = [(p, k) for p in psi_p for k in kappa]
    columns = max(3 + 2 * losses_at.size, 1 + len(levels))
    corner = RandomFeatures(psi_n[0], psi_p[0], t, **model)
    corner.timescales(floor, fractions)  # meets bad input, and compiles once, before the threads start

    def row(place: tuple[float, float]) -> np.ndarray:
        """Rows per psi_n: gen, mem, gap, test and train at losses_at; last column: n*, psi_n of each tau_mem = tau."""
        p, noise = place
        networks = Row(p, t, model, floor, fractions, noise)
        found = [networks.times(float(n)) for n in psi_n]
        times = np.array([[np.nan] * 3 if at is None else [at.gen, at.mem, at.gap] for at in found]).T
        losses = (
            [_losses(networks.network(n), losses_at, noise) for n in psi_n]
            if losses_at.size
            else [losses_at] * psi_n.size
        )
        values = np.full((columns, psi_n.size + 1), np.nan)
        values[: 3 + 2 * losses_at.size, :-1] = np.vstack([times, np.array(losses).T])
        lines = [crossing(networks, psi_n, level) for level in (np.inf, *levels)]
        values[: len(lines), -1] = lines
        return values

    settings = [
        psi_n,
        psi_p,
        losses_at,
        t,
        tau,
        floor,
        fractions,
        corner.constants,
        corner.spectrum.eigenvalues,
        corner.spectrum.weights,
        corner.copies,
        corner.ridge,
        kappa,
    ]
    table = ResumableRows((len(rows_of), columns, psi_n.size + 1), settings, resume)
    missing = table.missing()
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        rows = pool.map(row, [rows_of[i] for i in missing])
        shown = tqdm(rows, total=missing.size, desc="phase diagram", unit="row", disable=not progress)
        for i, values in zip(missing, shown):
            table.put(i, values)
    finally:
        pool.shutdown(cancel_futures=True)
        table.save()
    table.discard()
    axis = kappa if np.ndim(gradient_noise) else None
    return _dataset(xarray, corner, psi_n, psi_p, float(kappa[0]), axis, losses_at, tau, floor, fractions, table.values)


def _dataset(xarray, corner, psi_n, psi_p, noise, axis, losses_at, tau, floor, fractions, table):
    grid, lines = table[..., :-1], table[..., -1]
    # The axis beside psi_n: psi_p, or the gradient noise at one psi_p.
    if axis is None:
        other, values, meaning = "psi_p", psi_p, "features per dimension, p/d"
        fixed = {"gradient_noise": noise}
    else:
        other, values, meaning = "gradient_noise", axis, "gradient noise, learning rate / (batch size x d)"
        fixed = {"psi_p": float(psi_p[0])}
    dims, unit = (other, "psi_n"), {"units": "steps x learning rate / d^2"}
    activation = corner.activation
    name = activation if isinstance(activation, str) else getattr(activation, "__name__", "callable")
    data = xarray.Dataset(
        {
            "tau_gen": (dims, grid[:, 0], unit | {"long_name": "generalization time"}),
            "tau_mem": (dims, grid[:, 1], unit | {"long_name": "memorization time"}),
            "tau_gap": (dims, grid[:, 2], unit | {"long_name": "time at which test and train loss part"}),
            "solved": (dims, ~np.isnan(grid[:, 0])),
            "psi_n_architectural": (other, lines[:, 0], {"long_name": "n*(p)/d: tau_mem is infinite above"}),
        },
        coords={
            "psi_n": ("psi_n", psi_n, {"long_name": "training points per dimension, n/d"}),
            other: (other, values, {"long_name": meaning}),
        },
        attrs={
            "t": corner.t,
            "activation": name,
            "eigenvalues": corner.spectrum.eigenvalues,
            "weights": corner.spectrum.weights,
            "copies": corner.copies,
            "ridge": corner.ridge,
            **fixed,
            "fractions": [fractions.gen, fractions.mem, fractions.gap],
            "floor": "none" if floor is None else floor,
        },
    )
    if tau is not None:
        at = () if np.ndim(tau) == 0 else ("tau",)
        data = data.assign_coords(tau=(at, tau, unit | {"long_name": "training time"}))
        flags = {"flag_values": list(range(len(PHASES))), "flag_meanings": " ".join(PHASES)}
        zero = interpolates(psi_n, psi_p[:, None], corner.copies, corner.ridge, corner.is_linear)
        phase = classify(np.reshape(tau, (-1, 1, 1)), grid[:, 0], grid[:, 1], zero)
        data["phase"] = (*at, *dims), phase if at else phase[0], flags
        line = lines[:, 1 : 1 + np.size(tau)].T
        about = {"long_name": "n/d at which tau_mem is the training time"}
        data["psi_n_memorization"] = (*at, other), line if at else line[0], about
    if losses_at.size:
        data = data.assign_coords(loss_tau=("loss_tau", losses_at, unit | {"long_name": "training time"}))
        for k, loss in enumerate(("test", "train")):
            part = grid[:, 3 + k * losses_at.size : 3 + (k + 1) * losses_at.size]
            data[loss] = ("loss_tau", *dims), part.swapaxes(0, 1), {"long_name": f"{loss} loss"}
    return data


def _losses(model: RandomFeatures, tau: np.ndarray, noise: float) -> np.ndarray:
    try:
        if model.diverges(noise):
            return np.full(2 * tau.size, np.inf)
        curves = model.learning_curves(tau, noise)
    except SolverError:
        return np.full(2 * tau.size, np.nan)
    return np.concatenate([curves.test, curves.train])


def _axis(name: str, values, infinite: bool = False) -> np.ndarray:
    """Increasing positive numbers; if `infinite`, the last may be inf."""
    axis = np.atleast_1d(numbers(name, values, "a list of increasing positive numbers"))
    unbounded = not np.all(np.isfinite(axis[:-1] if infinite else axis))
    if axis.ndim != 1 or axis.size == 0 or unbounded or not axis[0] > 0 or not np.all(np.diff(axis) > 0):
        raise InputError(f"{name} must be a list of increasing positive numbers, but {values!r} was given")
    return axis
