"""Sets of runs with a name: the demonstration, this project's own measurements, and the published protocols.

A preset is a list of configs without repetition; which data sets and hours each needs is told in docs/experiments.md.
"""

import dataclasses

from empirics.config import TrainConfig
from empirics.grids import Grid

# The smallest U-Net and the shortest runs on which all times show within minutes on two cores. Runs last 25 n steps,
# so that each sees its training images equally often; the largest n has one seed, as it takes half of the time.
_DIGITS = TrainConfig(
    data="digits", width=16, levels=2, blocks=1, learning_rate=2e-3, batch_size=64,
    first_milestone=20, test_images=256, samples=128, sampling_steps=20,
)
DIGITS_DEMO = [
    dataclasses.replace(_DIGITS, n=n, seed=seed, steps=25 * n, milestones=milestones)
    for n, milestones, seeds in ((32, 13, 2), (64, 15, 2), (128, 17, 1))
    for seed in range(seeds)
]


def _digits_cpu() -> list[TrainConfig]:
    """n by W, then batch size, learning rate and full batch around one of its runs: 20 minutes on two cores."""
    base = dataclasses.replace(_DIGITS, milestones=12, test_images=128, loss_draws=3)
    # Wider networks memorize in fewer steps, and a step of theirs takes longer.
    by_width = [
        config
        for width, per_image in ((4, 20), (8, 18), (16, 14))
        for config in Grid(ns=(32, 64, 128, 256), widths=(width,), seeds=(0, 1), steps_per_image=per_image).configs(base)
    ]
    middle = dataclasses.replace(base, n=64)
    # Small batches need more steps, about as 1/B.
    by_batch = [
        dataclasses.replace(middle, batch_size=size, steps=steps) for size, steps in ((16, 3200), (32, 1792), (128, 576))
    ]
    by_rate = Grid(learning_rates=(1e-3, 4e-3), steps_per_image=14).configs(middle)
    full_batch = [
        dataclasses.replace(base, n=n, batch_size=n, steps=steps) for n, steps in ((32, 800), (128, 1280))
    ]
    return [*by_width, *by_batch, *by_rate, *full_batch]


PRESETS = {"digits-cpu": _digits_cpu()}
