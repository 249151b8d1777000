"""How long the metrics of a milestone take, against a plain implementation of each in the same run; how exact both are.

Sizes are those of the CIFAR-10 studies: 2000 samples, 16384 training images of 32x32x3. Medians on one thread.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np
import torch
from scipy.linalg import sqrtm
from scipy.stats import wasserstein_distance
from timing import median_time

from genmem.empirics.processes.neighbours import nearest_two
from genmem.empirics.samples.features import feature_space
from genmem.empirics.samples.metrics import (
    frechet_distance,
    memorized_fraction,
    nearest_similarity,
    sliced_wasserstein,
)

SAMPLES, IMAGES, SHAPE = 2000, 16_384, (3, 32, 32)
FEATURES, REFERENCES = 64, 2000
PART = 20  # samples that the slowest baselines are timed on; their time grows in proportion


def differences(samples, images):
    """The plain way that is exact: the difference to every image, sample by sample."""
    return torch.stack([(images - sample).square().sum(1).sqrt().topk(2, largest=False).values for sample in samples])


def projections_one_by_one(a, b):
    """Sliced distance by scipy, a loop over the directions (its distance is the first, not the second, moment)."""
    directions = np.random.default_rng(0).standard_normal((256, a.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return np.mean([wasserstein_distance(a @ direction, b @ direction) for direction in directions])


def with_matrix_root(a, b):
    """Frechet distance as published: scipy's square root of the product of the covariances."""
    ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * sqrtm(ca @ cb).real)


def resampled(d1, d2):
    """The interval of f_mem by drawing the samples anew 1000 times."""
    rng, memorized = np.random.default_rng(0), d1 < d2 / 3
    return np.quantile([memorized[rng.integers(len(d1), size=len(d1))].mean() for _ in range(1000)], [0.025, 0.975])


def line(label: str, spent: float, baseline: float, baseline_name: str) -> None:
    print(f"{label:46} {1e3 * spent:9.1f} {1e3 * baseline:11.1f} {baseline / spent:7.1f}   {baseline_name}")


def main() -> None:
    torch.set_num_threads(1)
    random = torch.Generator().manual_seed(0)
    images = torch.rand((IMAGES, *SHAPE), generator=random) * 2 - 1
    samples = images[:SAMPLES] + 1e-3 * torch.randn((SAMPLES, *SHAPE), generator=random)
    flat, copies = images.flatten(1), samples.flatten(1)
    print(f"{SAMPLES} samples, {IMAGES} images of 32x32x3, {FEATURES} features")
    print(f"{'':46} {'ms':>9} {'baseline ms':>11} {'ratio':>7}")

    nearest = median_time(lambda: nearest_two(samples, images), 1)
    plain = median_time(lambda: differences(copies[:PART], flat), 1) * SAMPLES / PART
    line("two nearest images, exact distances", nearest, plain, f"all differences, loop over samples (timed on {PART})")
    cdist = median_time(lambda: torch.cdist(copies, flat).topk(2, largest=False), 1)
    line("", nearest, cdist, "torch.cdist and topk, not exact:")
    exact = (copies[:PART].double() - flat[:PART].double()).norm(dim=1)
    for name, found in (
        ("this", nearest_two(samples[:PART], images)[0]),
        ("torch.cdist", torch.cdist(copies[:PART], flat).min(1).values),
    ):
        error = ((found.double() - exact).abs() / exact).max().item()
        print(f"{'':4}{f'largest relative error of {name}, copies + 1e-3':60} {error:.1e}")

    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(count, FEATURES)).astype(np.float32) for count in (SAMPLES, REFERENCES))
    line(
        "sliced Wasserstein, 256 directions",
        median_time(lambda: sliced_wasserstein(a, b)),
        median_time(lambda: projections_one_by_one(a, b)),
        "scipy's wasserstein_distance in a loop",
    )
    line(
        "Frechet distance",
        median_time(lambda: frechet_distance(a, b)),
        median_time(lambda: with_matrix_root(a, b)),
        "scipy.linalg.sqrtm",
    )
    d1, d2 = rng.uniform(size=SAMPLES), np.ones(SAMPLES)
    line(
        "f_mem and its interval",
        median_time(lambda: memorized_fraction(d1, d2)),
        median_time(lambda: resampled(d1, d2)),
        "1000 resamplings",
    )

    space = feature_space("random-conv")
    digits = rng.uniform(-1, 1, (SAMPLES, *SHAPE)).astype(np.float32)
    print(f"{'random-conv features of all samples':46} {1e3 * median_time(lambda: space(digits), 1):9.1f}")
    references = rng.normal(size=(IMAGES, FEATURES)).astype(np.float32)
    centre = references.mean(axis=0)
    print(
        f"{'copy score: nearest of all images':46} "
        f"{1e3 * median_time(lambda: nearest_similarity(a, references, centre), 1):9.1f}"
    )


if __name__ == "__main__":
    main()
