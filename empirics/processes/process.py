"""What a diffusion process is to the rest: clean data x are noised to a level, and a network learns the way back.

    x_level ~ q(x_level | x),        loss(x) = E over level and draw of errors(network, x, level, draw)

The training loop, the milestones, the stopping rule and the records know a process by the methods below alone, so
that another kind of data (strings of symbols, say) is one subclass in this folder and one line in table.py. Nothing
here says what a clean datum is; B and S count data along the first axis of every tensor.
"""

import abc
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch


class Process(abc.ABC):
    """A process on data of one kind.

    Randomness comes in from outside, from a torch.Generator on the device of the data: what is drawn from it, and how
    much, is the process's own affair, and the same generator gives the same numbers. Levels are what the network is
    told of the noise, one number for each datum (B,).

    Args:
        bound: largest absolute value of the data, None if there is none or if it has no meaning.
        symbols: of strings, how many there are; 0 for numbers.
    """

    copies_are_exact: bool = False
    """Whether a sample is a copy only if it equals a training datum, so that chance makes copies, too (strings)."""
    check_time: float = 0.01
    """The time at which StopBeforeMemorization looks at the loss, unless it is told another."""

    def __init__(self, bound: float | None = None, symbols: int | None = None):
        self.bound = bound
        self.symbols = symbols or 0

    @classmethod
    def of(cls, config: Any, bound: float | None = None, symbols: int | None = None) -> "Process":
        """The process of a run's TrainConfig, on data of this bound, or of so many symbols."""
        return cls(bound, symbols)

    @classmethod
    @abc.abstractmethod
    def check(cls, config: Any) -> None:
        """Raise InputError for values of a TrainConfig that no run of this process can have; its times, above all."""

    @abc.abstractmethod
    def clean(self, array: np.ndarray) -> "torch.Tensor":
        """Clean data (B, ...) as a tensor, from the array that a data set holds."""

    @abc.abstractmethod
    def level(self, t: float) -> int | float:
        """The level of a config's time t; raises InputError for a time that the process does not know."""

    @abc.abstractmethod
    def levels(self, share: "torch.Tensor") -> "torch.Tensor":
        """The levels (B,) below which the shares (B,) in [0, 1) of all levels lie: uniform shares, uniform levels."""

    @abc.abstractmethod
    def draw_levels(self, count: int, random: "torch.Generator") -> "torch.Tensor":
        """Levels (count,) for a step of training."""

    @abc.abstractmethod
    def draw_noise(self, shape: tuple[int, ...], random: "torch.Generator") -> "torch.Tensor":
        """All that `noise` needs by chance for clean data of this shape (B, ...); a tensor, B along its first axis."""

    @abc.abstractmethod
    def noise(self, clean: "torch.Tensor", levels: "torch.Tensor", draw: "torch.Tensor") -> "torch.Tensor":
        """x_level (B, ...), what the network sees. draw: of `draw_noise`."""

    @abc.abstractmethod
    def errors(self, network, clean: "torch.Tensor", levels: "torch.Tensor", draw: "torch.Tensor") -> "torch.Tensor":
        """The training loss (B,) of each datum, differentiable in the network's weights."""

    @abc.abstractmethod
    def draw_start(self, count: int, shape: tuple[int, ...], steps: int, random: "torch.Generator") -> "torch.Tensor":
        """All that `sample` needs by chance for `count` samples of shape (...): a tensor, `count` along axis 0."""

    @abc.abstractmethod
    def sample(self, network, start: "torch.Tensor", steps: int) -> "torch.Tensor":
        """Samples (S, ...) from a `draw_start`, in `steps` calls of the network; a pure function of its arguments."""

    @abc.abstractmethod
    def distances(
        self, samples: "torch.Tensor", training: "torch.Tensor", groups: "torch.Tensor | None" = None
    ) -> "tuple[torch.Tensor, ...]":
        """Distances d1, d2 (S,) of each sample to its nearest and second nearest training datum, and the index of the
        nearest.

        groups (n,) number the groups of duplicates among the training data, if there are any: the second nearest is
        then the nearest datum that is not of the nearest's group.
        """

    def log_density(self, network, start: "torch.Tensor", steps: int) -> "torch.Tensor | None":
        """Natural logarithm (S,) of the probability (density) with which `sample` makes what it makes of `start`.

        None where it is not known.
        """
        return None

    def packed(self, samples: "torch.Tensor") -> "torch.Tensor":
        """Samples as they are recorded."""
        return samples

    @classmethod
    def unpacked(cls, samples: np.ndarray) -> np.ndarray:
        """Samples as they are read, of what `packed` made of them."""
        return samples
