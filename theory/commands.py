"""The commands of this package, mounted by genmem.py."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from theory.errors import InputError, positive
from theory.files import save_dataset, writable_file

if TYPE_CHECKING:
    import xarray

    from theory.model import RandomFeatures
    from theory.spectra import Spectrum

# The curves of LearningCurves that are predicted: losses, then the score error and its two parts.
LOSSES = ("train", "test", "score", "bias", "variance")


@dataclass(frozen=True)
class ProblemFlags:
    """What is learned, and through which nonlinearity."""

    t: float = 0.1
    """Diffusion (Ornstein-Uhlenbeck) time at which the score is learned; the noise variance is 1 - exp(-2t)."""
    activation: str = "tanh"
    """Activation of the random features: tanh, erf, arctan or sin."""
    eigenvalues: tuple[float, ...] = (1.0,)
    """Eigenvalues of the data's covariance."""
    weights: tuple[float, ...] = ()
    """Weight of each eigenvalue, summing to one; equal weights if not given."""
    copies: float = math.inf
    """Noise copies of each training point, drawn once; inf averages the noise exactly, as fresh noise does."""
    ridge: float = 0.0
    """Weight lambda of the penalty Delta |A|^2 lambda / (p d)."""

    def spectrum(self) -> "Spectrum":
        from theory import Spectrum

        return Spectrum(self.eigenvalues, self.weights or None)

    def network(self, psi_n: float, psi_p: float) -> "RandomFeatures":
        """The network with psi_p hidden units per dimension that learns this from psi_n points per dimension."""
        from theory import RandomFeatures

        return RandomFeatures(psi_n, psi_p, self.t, self.activation, self.spectrum(), self.copies, self.ridge)


@dataclass(frozen=True)
class ModelFlags(ProblemFlags):
    """A random-features score network and the data it learns from."""

    psi_n: float = 8.0
    """Training points per dimension, n / d."""
    psi_p: float = 16.0
    """Hidden units per dimension, p / d."""

    def model(self) -> "RandomFeatures":
        return self.network(self.psi_n, self.psi_p)


def predict(model: ModelFlags, tau: tuple[float, ...] = (), json: bool = False, out: Path | None = None) -> None:
    """Predict the learning curves and the times of generalization and memorization in closed form.

    Prints the train loss, the test loss, and the score error with its two parts bias^2 and variance against the
    training time tau (steps x learning rate / d^2), then tau_gen, tau_mem and tau_gap.

    Args:
        model: The network and its data.
        tau: Training times, increasing; by default 96 of them around the window from tau_gen to tau_mem.
        json: Print one JSON object with all values instead of the tables.
        out: Also save the curves to this NetCDF file (.nc).
    """
    if out is not None:
        writable_file("out", out, ".nc")
    curves = prediction(model, tau)
    if out is not None:
        save_dataset(curves, out)
    print(as_json(curves) if json else as_table(curves))


def prediction(flags: ModelFlags, tau: tuple[float, ...] = ()) -> "xarray.Dataset":
    """Learning curves over dimension tau (default: `window` of 96 times), with the times and the inputs as attributes.

    Variables of LearningCurves: train, test, score, bias (of the mean score, squared) and variance, shape (K,), and
    modes, shape (K, k), along the eigenvalues; attributes tau_gen, tau_mem, tau_gap and every field of `flags`.
    """
    import numpy as np
    import xarray

    model = flags.model()
    times = model.timescales()
    grid = training_times(tau) if tau else window(times.gen, times.mem)
    curves = model.learning_curves(grid)
    return xarray.Dataset(
        {name: ("tau", np.asarray(getattr(curves, name))) for name in LOSSES}
        | {"modes": (("tau", "eigenvalue"), curves.modes), "target_modes": ("eigenvalue", model.target_modes)},
        coords={"tau": grid, "eigenvalue": model.spectrum.eigenvalues},
        attrs={"tau_gen": times.gen, "tau_mem": times.mem, "tau_gap": times.gap, **inputs(flags)},
    )


def inputs(flags: ProblemFlags) -> dict:
    """The fields of `flags` as attributes of a data file, with the weights spelled out."""
    return {**asdict(flags), "eigenvalues": list(flags.eigenvalues), "weights": flags.spectrum().weights.tolist()}


def training_times(tau: tuple[float, ...]):
    """The user's training times as an array; InputError unless they are positive, finite and increasing."""
    import numpy as np

    times = np.array([positive("tau", value) for value in tau])
    if np.any(np.diff(times) <= 0):
        raise InputError(f"tau must increase, but {', '.join(f'{value:g}' for value in tau)} was given")
    return times


def window(gen: float, mem: float, points: int = 96):
    """Log-spaced training times from well before tau_gen to well after tau_mem, or to 1000 tau_gen if that is inf."""
    import numpy as np

    return np.geomspace(gen / 100, 10 * (mem if math.isfinite(mem) else 100 * gen), points)


def as_json(curves: "xarray.Dataset") -> str:
    """The curves and their attributes as one JSON object; an infinite time is null."""
    values = {name: curves[name].values.tolist() for name in ("tau", *LOSSES, "modes", "target_modes")}
    attributes = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in curves.attrs.items()}
    finite = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in attributes.items()
    }
    return json.dumps({**finite, **values}, allow_nan=False)


def as_table(curves: "xarray.Dataset", rows: int = 14) -> str:
    """A table of at most `rows` evenly chosen training times, and the three times below it."""
    import numpy as np

    headings = ("train loss", "test loss", "score error", "bias^2", "variance")
    lines = [f"{'tau':>11} " + " ".join(f"{heading:>11}" for heading in headings)]
    shown = np.unique(np.linspace(0, curves.tau.size - 1, min(rows, curves.tau.size)).round().astype(int))
    for k in shown:
        tau, train, test, *parts = (float(curves[name][k]) for name in ("tau", *LOSSES))
        lines.append(f"{tau:11.4g} {train:11.5f} {test:11.5f} " + " ".join(f"{part:11.4g}" for part in parts))
    return "\n".join(lines + ["", *times_lines(curves.attrs)])


def times_lines(times: dict) -> list[str]:
    """The three times of `times` (tau_gen, tau_mem, tau_gap) with what each means."""
    meaning = {
        "tau_gen": "the test loss is within 5 % of its best: the network generalizes",
        "tau_mem": "the test loss has risen by 10 % of its fall: the network memorizes",
        "tau_gap": "test and train loss have parted by 10 % of the fall",
    }
    lines = [f"{name} = {times[name]:<9.4g}  {text}" for name, text in meaning.items()]
    if math.isinf(times["tau_mem"]):
        lines.append("tau_mem is infinite: this network is too small to memorize, however long it is trained")
    return lines


COMMANDS = {"predict": predict}
