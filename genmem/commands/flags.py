"""What several commands share: the flags that say what is learned, where runs are kept, and the line of files."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genmem.theory.problem import Problem

RUNS_ROOT = Path("out/runs")


@dataclass(frozen=True)
class ProblemFlags:
    """What is learned, and through which nonlinearity."""

    t: float = 0.1
    """Diffusion (Ornstein-Uhlenbeck) time at which the score is learned; the noise variance is 1 - exp(-2t)."""
    activation: str = "tanh"
    """Activation of the random features: tanh, erf, arctan, sin, hard-tanh, sign, linear; relu or cos with --center."""
    center: bool = False
    """Take the activation's mean under the Gaussian off first, as one that is not odd needs."""
    eigenvalues: tuple[float, ...] = (1.0,)
    """Eigenvalues of the data's covariance."""
    weights: tuple[float, ...] = ()
    """Weight of each eigenvalue, summing to one; equal weights if not given."""
    copies: float = math.inf
    """Noise copies of each training point, drawn once; inf averages the noise exactly, as fresh noise does."""
    ridge: float = 0.0
    """Weight lambda of the penalty Delta |A|^2 lambda / (p d)."""

    def problem(self, **sizes: float) -> "Problem":
        """The problem, of a network and data of these `sizes` (psi_n, psi_p), if any matter."""
        from genmem.theory import Spectrum
        from genmem.theory.problem import Problem

        spectrum = Spectrum(self.eigenvalues, self.weights or None)
        return Problem(
            t=self.t,
            activation=self.activation,
            spectrum=spectrum,
            copies=self.copies,
            ridge=self.ridge,
            center=self.center,
            **sizes,
        )


@dataclass(frozen=True)
class NetworkFlags(ProblemFlags):
    """A random-features score network and the data it learns from."""

    psi_n: float = 8.0
    """Training points per dimension, n / d."""
    psi_p: float = 16.0
    """Hidden units per dimension, p / d."""

    def sized(self) -> "Problem":
        """The problem with the flags' sizes."""
        return self.problem(psi_n=self.psi_n, psi_p=self.psi_p)


@dataclass(frozen=True)
class GridFlags:
    """The grid of the phase diagram, log-spaced."""

    psi_n: tuple[float, float] = (0.25, 1024.0)
    """Smallest and largest number of training points per dimension, n / d."""
    psi_p: tuple[float, float] = (0.25, 1024.0)
    """Smallest and largest number of hidden units per dimension, p / d."""
    points: int = 60
    """Grid points along each axis."""


def print_written(*paths: Path) -> None:
    """Say which files were written."""
    print("written: " + ", ".join(str(path) for path in paths))
