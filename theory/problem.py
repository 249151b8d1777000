"""What is learned, from how many points, and by how large a network: validated once for all."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

from genmem.shared.errors import InputError, finite, positive, positive_or_infinite
from genmem.theory.activations import resolve
from genmem.theory.spectra import Spectrum


@dataclass(frozen=True)
class Problem:
    """A score to be learned and the random-features network that learns it (docs/theory.md, section 1).

    psi_n: training points per dimension n/d. psi_p: width per dimension p/d; inf is the
    limit of infinite width, in which a ridge has no effect. t: Ornstein-Uhlenbeck noise time.
    activation: a name in genmem.theory.activations.ACTIVATIONS or a callable on arrays, centred. spectrum: of the
    data's covariance.
    copies: noise copies m >= 1 of each point, drawn once; inf averages the noise exactly, as fresh noise does. ridge:
    lambda >= 0 of the penalty Delta |A|^2 lambda / (p d), so that U -> U + lambda in the flow (Urfin et al., 2026;
    George et al., arXiv:2502.00336). center: take the activation's Gaussian mean off first.
    Raises InputError for values out of range.
    """

    psi_n: float = 8.0
    psi_p: float = 16.0
    t: float = 0.1
    activation: str | Callable = "tanh"
    spectrum: Spectrum = Spectrum()
    copies: float = math.inf
    ridge: float = 0.0
    center: bool = False

    def __post_init__(self):
        for name, check in (("psi_n", positive), ("psi_p", positive_or_infinite), ("t", positive)):
            object.__setattr__(self, name, check(name, getattr(self, name)))
        resolve(self.activation)
        if not isinstance(self.spectrum, Spectrum):
            raise InputError(f"spectrum must be a genmem.Spectrum, but {self.spectrum!r} was given")
        if isinstance(self.copies, bool) or not (isinstance(self.copies, Real) and self.copies >= 1):
            raise InputError(f"copies must be at least 1 (inf: the exact noise average), but {self.copies!r} was given")
        if finite("ridge", self.ridge) < 0:
            raise InputError(f"ridge must be zero or positive, but {self.ridge!r} was given")

    def inputs(self) -> dict:
        """All values but the size of network and data, as attributes of a data file."""
        return {
            "t": self.t,
            "activation": str(self.activation),
            "eigenvalues": self.spectrum.eigenvalues.tolist(),
            "weights": self.spectrum.weights.tolist(),
            "copies": self.copies,
            "ridge": self.ridge,
            "center": int(self.center),
        }

    def sized_inputs(self) -> dict:
        """`inputs` with psi_n and psi_p."""
        return {**self.inputs(), "psi_n": self.psi_n, "psi_p": self.psi_p}
