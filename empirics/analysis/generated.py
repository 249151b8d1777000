"""What finite networks generate that were trained on real images exactly: copies, with no optimizer and no last step.

The networks are solved at each noise time (genmem.generate); f_mem and tau_copy mean what they do of recorded runs.
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from genmem.empirics.analysis.measure import COPY_LEVEL, first_crossing, lower_bound
from genmem.empirics.samples.metrics import LEAST_SAMPLES, frechet_distance
from genmem.shared.errors import InputError, count
from genmem.theory.generated_samples import NOISE, GeneratedSamples, generate
from genmem.theory.model import RandomFeatures
from genmem.theory.prediction import training_times
from genmem.theory.problem import Problem
from genmem.theory.spectra import Spectrum

if TYPE_CHECKING:
    import xarray

    from genmem.empirics.data.datasets import Dataset

UNIT = {"units": "steps x learning rate / d^2", "long_name": "training time"}


def of_images(
    data: "Dataset", sizes: Sequence[int], psi_p: float, tau, samples: int = 200, seed: int = 0, problem=Problem()
) -> "xarray.Dataset":
    """Copies of n images for each n of `sizes`, by a network of psi_p hidden units per dimension, at times tau (K,).

    data: centered inside, by the mean of its pool. problem: activation, copies and ridge; the covariance is the pool's.
    f_mem, ratio (median d1/d2), frechet (squared Frechet distance of the denoised samples to the held-out images, per
    dimension) and variance (mean square of a coordinate) over (n, tau); tau_copy (n), when the lower 95 % bound of
    f_mem first exceeds 1 %, inf if it does at no finite tau. Raises InputError for sizes below two or beyond the pool,
    and for times that do not increase from above zero.
    """
    import xarray

    tau = training_times(tau)
    if not tau.size or tau[0] == 0:
        raise InputError("tau must be one training time or more, the first above zero")
    sizes = [count("sizes", n, least=2) for n in sizes]
    count("samples", samples, least=LEAST_SAMPLES)
    data = data.centered()
    held_out = data.held_out.reshape(len(data.held_out), -1).astype(float)
    d = held_out.shape[1]
    spectrum = Spectrum.from_data(data.pool.reshape(len(data.pool), -1).astype(float))
    rows = []
    for n in sizes:
        images = data.subset(n, seed)[0].reshape(n, -1).astype(float)
        model = RandomFeatures.of(dataclasses.replace(problem, spectrum=spectrum), n / d, psi_p)
        made = generate(model, tau=tau, samples=samples, seed=seed, data=images)
        rows.append(_measured(made, held_out))
    values = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    about = {
        "f_mem": "fraction of samples nearer to an image than 1/3 of the distance to the second nearest",
        "ratio": "median distance to the nearest image over that to the second nearest",
        "frechet": "squared Frechet distance of the samples to the held-out images, per dimension",
        "variance": "mean square of a coordinate of the samples",
    }
    return xarray.Dataset(
        {name: (("n", "tau"), values[name], {"long_name": text}) for name, text in about.items()}
        | {"tau_copy": ("n", [_tau_copy(tau, f_mem, samples) for f_mem in values["f_mem"]], UNIT)},
        coords={"n": ("n", sizes, {"long_name": "training images"}), "tau": ("tau", tau, UNIT)},
        attrs={
            "data": data.name,
            "d": d,
            "psi_p": psi_p,
            "samples": samples,
            "seed": seed,
            "T": NOISE,
            "image_variance": float((held_out**2).mean()),
        },
    )


def _measured(made: GeneratedSamples, held_out: np.ndarray) -> dict[str, np.ndarray]:
    first, second = made.distances[..., 0], made.distances[..., 1]
    ratio = np.median(np.divide(first, second, out=np.zeros_like(first), where=second > 0), axis=-1)
    distance = [frechet_distance(samples, held_out) / made.d for samples in made.denoised]
    return {
        "f_mem": made.f_mem,
        "ratio": ratio,
        "frechet": np.array(distance),
        "variance": (made.denoised**2).mean(axis=(1, 2)),
    }


def _tau_copy(tau: np.ndarray, f_mem: np.ndarray, samples: int) -> float:
    finite = np.isfinite(tau)
    return first_crossing(tau[finite], lower_bound(f_mem[finite], samples) - COPY_LEVEL)


def table(data: "xarray.Dataset") -> str:
    """f_mem against training time for each n, and tau_copy, as text."""
    names = ["inf" if np.isinf(tau) else f"{tau:.3g}" for tau in data.tau.values]
    lines = [
        f"{data.attrs['data']}: f_mem of {data.attrs['samples']} samples, d = {data.attrs['d']}, "
        f"psi_p = {data.attrs['psi_p']:g}; tau in steps x learning rate / d^2",
        f"{'n':>6} {'psi_n':>7} {'tau_copy':>9} | " + " ".join(f"{name:>8}" for name in names),
    ]
    for n in data.n.values:
        row = data.sel(n=n)
        values = " ".join(f"{value:>8.3f}" for value in row.f_mem.values)
        lines.append(f"{n:>6} {n / data.attrs['d']:>7.3g} {float(row.tau_copy):>9.4g} | {values}")
    return "\n".join(lines)
