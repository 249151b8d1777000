"""Data of the shapes that the figures draw, with values chosen so that they can be recognized."""

import functools
from pathlib import Path

import numpy as np
import xarray

PHASES = "no_generalization underfit generalization memorization architectural_regularization benign_overfitting"


def curves() -> xarray.Dataset:
    """A prediction and a simulation that is 1 % off everywhere."""
    tau = np.geomspace(0.1, 1e5, 96)
    data = xarray.Dataset(
        {
            "train": ("tau", 1 - 0.2 * tau / (tau + 5) - 0.15 * tau / (tau + 3e3)),
            "test": ("tau", 1 - 0.2 * tau / (tau + 5) + 0.8 * tau / (tau + 1e4)),
            "score": ("tau", 1 / (1 + tau) + 0.01 + tau / 1e5),
        },
        coords={"tau": tau},
        attrs={"tau_gen": 20.0, "tau_mem": 800.0, "tau_gap": 300.0, "psi_n": 8.0, "psi_p": 16.0, "t": 0.1, "d": 100},
    )
    return data.assign({f"simulated_{name}": 1.01 * data[name] for name in ("train", "test", "score")})


def diagram() -> xarray.Dataset:
    """tau_mem = 30 psi_n below the line psi_n = 3 psi_p and infinite above it; phases at tau = 1000."""
    psi = np.geomspace(0.1, 1000, 40)
    n, p = np.meshgrid(psi, psi)
    mem = np.where(n < 3 * p, 30 * n, np.inf)
    phase = np.select([np.isinf(mem), mem <= 1000], [4, 3], 2).astype(np.int8)
    dims = ("psi_p", "psi_n")
    return xarray.Dataset(
        {
            "tau_gen": (dims, np.full_like(mem, 10.0)),
            "tau_mem": (dims, mem),
            "phase": (dims, phase, {"flag_meanings": PHASES}),
            "psi_n_memorization": ("psi_p", np.minimum(1000 / 30, 3 * psi)),
            "psi_n_architectural": ("psi_p", 3 * psi),
        },
        coords={"psi_n": psi, "psi_p": psi, "tau": 1000.0},
    )


def overlay() -> xarray.Dataset:
    """Two runs at each of three n; tau_mem = 3 n and tau_copy = 12 n, censored at 1200 for the largest n."""
    n = np.array([32, 32, 64, 64, 128, 128])
    measured = np.stack([np.full(6, 60.0), 1.5 * n, 3.0 * n, 12.0 * n], axis=1)
    censored = measured >= 1200
    measured[censored] = 1200
    predicted = np.stack([np.full(6, 50.0), 2.0 * n, 3.2 * n, np.full(6, np.nan)], axis=1)
    return xarray.Dataset(
        {
            "measured": (("run", "event"), measured),
            "censored": (("run", "event"), censored),
            "predicted": (("run", "event"), predicted),
            "f_mem": ("run", [0.5, 0.5, 0.3, 0.3, 0.0, 0.0]),
            "exponent": ("law", [0.02, 0.5, 1.1, np.nan]),
            "exponent_low": ("law", [-0.1, 0.3, 0.9, -np.inf]),
            "exponent_high": ("law", [0.1, 0.7, 1.4, np.inf]),
            "exponent_predicted": ("law", [0.0, 1.0, 1.0, np.nan]),
            "exponent_law": ("law", [0.0, 1.0, 1.0, np.nan]),
        },
        coords={
            "event": ["gen", "gap", "mem", "copy"],
            "law": ["gen n", "gap n", "mem n", "copy n"],
            "n": ("run", n),
            "seed": ("run", [0, 1] * 3),
            **{name: ("run", [value] * 6) for name, value in (("W", 8.0), ("B", 64.0), ("eta", 1e-3))},
        },
        attrs={
            "data": "digits",
            "t": 0.01,
            "d": 64,
            "psi_p": 16.0,
            "psi_p_fitted": 1,
            "psi_p_at_edge": 0,
            "psi_p_interval": [6.1, np.inf],
            "steps_per_tau": 12.3,
            "powers": "{}",
            "residual_factor": 1.6,
            "points": 12,
            "reference_W": 8.0,
            "reference_B": 64.0,
            "reference_eta": 1e-3,
        },
    )


@functools.cache
def random_features() -> xarray.Dataset:
    """The recorded run of the random-features network, beside the closed form."""
    from genmem.empirics.records.runs import find
    from genmem.figures.pictures.random_features import calculate

    return calculate(find(Path(__file__).parents[2] / "records" / "random-features"))


def batch_sizes() -> xarray.Dataset:
    """As genmem.figures.pictures.batch_size has them: of four batch sizes and two rates, two seeds each."""
    share = np.geomspace(1e-3, 0.5, 60)
    varied = ["batch_size"] * 8 + ["learning_rate"] * 4
    value = np.array([16, 16, 32, 32, 64, 64, 128, 128, 1e-3, 1e-3, 2e-3, 2e-3])
    step = np.outer(1 + np.arange(12) % 2, [100.0, 150.0, 700.0, 1500.0])
    return xarray.Dataset(
        {
            "tau": (("event", "share"), np.outer([10, 30, 700], 1 - share)),
            "loss": ("share", 0.82 + 0.3 * share),
            "step": (("run", "recorded"), step),
            "beyond": (("run", "recorded"), step > 2000),
            "best": ("run", 0.55 + 0.01 * np.arange(12)),
        },
        coords={
            "event": ["gen", "gap", "mem"],
            "recorded": ["gen", "gap", "mem", "copy"],
            "share": share,
            "varied": ("run", varied),
            "value": ("run", value),
            "seed": ("run", np.arange(12) % 2),
        },
        attrs={"psi_n": 16.0, "psi_p": 64.0, "t": 0.1, "critical_gradient_noise": 14.0, "recorded": "U-Net, Adam"},
    )
