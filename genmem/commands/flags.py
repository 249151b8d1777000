"""What several commands share: the flags that say what is learned, where runs are kept, and the line of files."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genmem.shared.errors import InputError

if TYPE_CHECKING:
    from genmem.theory.problem import Problem
    from genmem.theory.timescales import Fractions

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
    spectrum: str = ""
    """The data's covariance: power-law:alpha=1,d=1000, mp:ratio=2, atoms:0.5=0.3,1.5=0.7, data:digits (or any data
    set), or a .npy file of eigenvalues or of the covariance."""
    eigenvalues: tuple[float, ...] = (1.0,)
    """Eigenvalues of the data's covariance, in place of --spectrum."""
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

        if self.spectrum:
            from genmem.empirics.data.covariances import spectrum_named

            if self.eigenvalues != (1.0,) or self.weights:
                raise InputError("spectrum must be given without eigenvalues and weights, but both are given")
            spectrum = spectrum_named(self.spectrum)
        else:
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
class TimesFlags:
    """What counts as generalizing and as memorizing."""

    floor: str = "minimum"
    """The test loss that counts as generalization: near the curve's own `minimum`, near the `bayes` loss, which few
    training points never reach (no generalization), or near a loss given as a number."""
    fractions: tuple[float, float, float] = (0.05, 0.10, 0.10)
    """Of the fall of the test loss: at which distance from its best it generalizes, after which rise it memorizes, and
    at which distance of test and train loss they have parted."""

    def level(self) -> float | str | None:
        """The floor as RandomFeatures.timescales takes it."""
        if self.floor == "minimum":
            return None
        try:
            return float(self.floor)
        except ValueError:
            if self.floor == "bayes":
                return "bayes"
            raise InputError(f"floor must be minimum, bayes or a loss, but {self.floor!r} was given") from None

    def shares(self) -> "Fractions":
        from genmem.theory.timescales import Fractions

        return Fractions(*self.fractions)


@dataclass(frozen=True)
class GridFlags:
    """The grid of the phase diagram, log-spaced."""

    psi_n: tuple[float, float] = (0.25, 1024.0)
    """Smallest and largest number of training points per dimension, n / d."""
    psi_p: tuple[float, float] = (0.25, 1024.0)
    """Smallest and largest number of hidden units per dimension, p / d; inf: a row at infinite width."""
    points: int = 60
    """Grid points along each axis."""


def print_written(*paths: Path) -> None:
    """Say which files were written."""
    print("written: " + ", ".join(str(path) for path in paths))
