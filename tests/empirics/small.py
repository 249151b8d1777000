"""A run that takes a second or two."""

from genmem.empirics.config import TrainConfig

SMALL = TrainConfig(
    n=16,
    width=4,
    levels=2,
    blocks=1,
    batch_size=12,
    steps=30,
    milestones=5,
    first_milestone=2,
    loss_draws=2,
    test_images=16,
    samples=16,
    sampling_steps=3,
)
