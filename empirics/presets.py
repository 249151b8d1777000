"""Sets of runs with a name."""

import dataclasses

from empirics.config import TrainConfig

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
