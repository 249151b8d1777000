"""Configs that differ in a few values: what a sweep is made of."""

import dataclasses
import itertools

from genmem.empirics.config import TrainConfig
from genmem.shared.errors import InputError, count, finite


@dataclasses.dataclass(frozen=True)
class Grid:
    """Lists of values, one run for each combination; an empty list stands for the config's own value."""

    ns: tuple[int, ...] = ()
    """Numbers of training images n."""
    widths: tuple[int, ...] = ()
    """Base widths W."""
    batch_sizes: tuple[int, ...] = ()
    """Batch sizes B."""
    learning_rates: tuple[float, ...] = ()
    """Learning rates."""
    seeds: tuple[int, ...] = ()
    """Seeds, the replicates of a setting."""
    full_batch: bool = False
    """B = n in each run."""
    steps_per_image: float = 0.0
    """Optimizer steps of a run in units of its n, as the time to memorization is; 0 keeps the config's steps."""

    def configs(self, base: TrainConfig) -> list[TrainConfig]:
        """The runs of the grid around `base`; raises InputError for a value that no run can have."""
        if self.full_batch and self.batch_sizes:
            raise InputError("full_batch and batch_sizes exclude each other, but both were given")
        if finite("steps_per_image", self.steps_per_image) < 0:
            raise InputError(f"steps_per_image must be at least 0, but {self.steps_per_image!r} was given")
        axes = {
            "n": self.ns,
            "width": self.widths,
            "batch_size": self.batch_sizes,
            "learning_rate": self.learning_rates,
            "seed": self.seeds,
        }
        axes = {name: values or (getattr(base, name),) for name, values in axes.items()}
        configs = []
        for values in itertools.product(*axes.values()):
            config = dataclasses.replace(base, **dict(zip(axes, values, strict=True)))
            # Before n is used in place of another value, which the message would then name.
            count("n", config.n, least=2)
            if self.full_batch:
                config = dataclasses.replace(config, batch_size=config.n)
            if self.steps_per_image:
                config = dataclasses.replace(config, steps=round(self.steps_per_image * config.n))
            config.check()
            configs.append(config)
        return list(dict.fromkeys(configs))
