"""Results as labelled arrays, and as a figure in one line.

The theory draws nothing and loads no figure. `plot()` asks the package's front door, which finds the figure when it is
called: so the arrow from figures to theory stays as it is, and a program that only computes loads no matplotlib.
"""

from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    import xarray

UNIT = "steps x learning rate / d^2"


class Table:
    """A base of dataclasses whose field `tau` holds training times and whose arrays begin with its dimensions."""

    # The dimensions that a field has after those of tau, and those of fields that do not depend on tau.
    further: ClassVar[dict[str, tuple[str, ...]]] = {}
    apart: ClassVar[dict[str, tuple[str, ...]]] = {}
    # Arrays that are no fields, since they are computed when they are read.
    computed: ClassVar[tuple[str, ...]] = ()
    unit: ClassVar[str] = UNIT

    def to_xarray(self) -> "xarray.Dataset":
        """The result as an xarray Dataset over `tau` (`tau_0`, `tau_1`, ... for times of several dimensions).

        Numbers, texts and seeds are its attributes; modes and samples are further dimensions, without coordinates.
        """
        import xarray

        tau = np.asarray(self.tau)  # type: ignore[attr-defined]
        dims = ("tau",) * tau.ndim if tau.ndim < 2 else tuple(f"tau_{k}" for k in range(tau.ndim))
        variables: dict[str, Any] = {}
        attributes: dict[str, Any] = {}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if field.name == "tau" or field.name.startswith("_") or value is None:
                continue
            if field.name in self.apart:
                variables[field.name] = self.apart[field.name], value
            elif isinstance(value, dict):
                for name, part in value.items():
                    variables[f"{name}_{field.name}"] = (*dims, *self.further.get(name, ())), part
            elif field.type is np.ndarray:
                variables[field.name] = (*dims, *self.further.get(field.name, ())), value
            else:
                attributes[field.name] = value if isinstance(value, int | float | str) else str(value)
        for name in self.computed:
            variables[name] = (*dims, *self.further.get(name, ())), getattr(self, name)
        coordinates = {"tau": (dims, tau, {"units": self.unit, "long_name": "training time"})}
        return xarray.Dataset(variables, coordinates, attributes)

    def plot(self, width: float = 3.4):
        """The result as a matplotlib Figure in the project's style, `width` inches wide; see genmem.plot."""
        import genmem

        return genmem.plot(self, width)
