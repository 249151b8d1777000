"""The explorer's sliders and selectors, and the settings that they say."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict

from bokeh.layouts import column
from bokeh.models import CustomJSTickFormatter, Select, Slider, TextInput

from genmem.figures.explorer.calculation import COVARIANCES, TAU, Settings
from genmem.figures.explorer.refined_regimes import PSI
from genmem.theory.activations import SIGMOIDS

# Sliders of a logarithmic scale: the base.
_BASES = {"psi_n": 2, "psi_p": 2, "tau": 10, "t": 10, "ratio": 2, "copies": 2}
# Number of noise copies: powers of two, and one step further infinity.
_MOST_COPIES = 7
# The same for the width: a step of its slider beyond the plane's upper edge.
_STEP = 0.125
_INFINITE_WIDTH = PSI[1] + _STEP
# Which covariance each of these belongs to.
_SHAPES = {"ratio": "two atoms", "alpha": "power law", "data": "of a data set"}
_WIDE = {"sizing_mode": "stretch_width"}


class Controls:
    """All widgets; `settings` are what they say, and `changed` is called whenever one of them moves.

    runs: keys and labels of recorded runs, for the selector `run`, which is left to the caller.
    """

    def __init__(self, start: Settings, changed: Callable[[], None], runs: Sequence[tuple[str, str]] = ()):
        self._changed = changed
        self._widgets = {
            "psi_n": _slider("psi_n", "training points ψₙ = n/d", *PSI, _STEP),
            "psi_p": _slider("psi_p", "hidden units ψₚ = p/d", PSI[0], _INFINITE_WIDTH, _STEP),
            "tau": _slider("tau", "training time τ", *TAU, 0.05),
            "t": _slider("t", "noise time t", -3, 0.5, 0.05),
            "copies": _slider("copies", "noise copies m", 0, _MOST_COPIES + 1, 1),
            "noise": _slider("noise", "SGD's gradient noise κ/κ_c", 0, 0.95, 0.01),
            "activation": Select(name="activation", title="activation", options=list(SIGMOIDS), **_WIDE),
            "kind": Select(name="kind", title="covariance", options=list(COVARIANCES), **_WIDE),
            "ratio": _slider("ratio", "ratio of the eigenvalues", 0, 7, 0.25),
            "alpha": _slider("alpha", "exponent α of k^−α", 0.25, 2, 0.25),
            "data": TextInput(name="data", title="data set", **_WIDE),
        }
        self._silent = False
        self.set(start)
        for widget in self._widgets.values():
            widget.on_change("value", lambda attr, old, new: self._follow())
        # A run that was chosen may be left by moving a slider: then its losses are taken away.
        self.run = Select(name="run", title="recorded run", options=list(runs), **_WIDE)
        self.run.value = runs[0][0] if runs else ""
        self.column = column(*([self.run] if runs else []), *self._widgets.values(), **_WIDE)

    @property
    def settings(self) -> Settings:
        return Settings(**{name: _decoded(name, widget.value) for name, widget in self._widgets.items()})

    def set(self, settings: Settings) -> None:
        """Move all widgets at once, without a call of `changed`."""
        self._silent = True
        for name, value in asdict(settings).items():
            self._widgets[name].value = _encoded(name, value)
        self._silent = False
        self._show_shape()

    def move(self, psi_n: float, psi_p: float) -> None:
        """Set two sliders, within their ranges."""
        for name, value in (("psi_n", psi_n), ("psi_p", psi_p)):
            self._widgets[name].value = min(max(_encoded(name, value), PSI[0]), PSI[1])

    def _follow(self) -> None:
        self._show_shape()
        if not self._silent:
            self._changed()

    def _show_shape(self) -> None:
        for name, kind in _SHAPES.items():
            self._widgets[name].visible = self._widgets["kind"].value == kind


def _slider(name: str, title: str, low: float, high: float, step: float) -> Slider:
    value = f"Math.pow({_BASES[name]}, tick)" if name in _BASES else "tick"
    text = f"const v = {value}; return v >= 9999.5 ? v.toExponential(1) : v >= 100 ? v.toFixed(0) : v.toPrecision(3)"
    if name == "copies":
        text = f"return tick > {_MOST_COPIES} ? '∞' : Math.pow(2, tick).toFixed(0)"
    if name == "psi_p":
        text = f"if (tick > {PSI[1]}) return '∞'; {text}"
    return Slider(
        name=name,
        title=title,
        start=low,
        end=high,
        step=step,
        value=low,
        format=CustomJSTickFormatter(code=text),
        **_WIDE,
    )


def _encoded(name: str, value):
    """The widget's value for a setting."""
    if name == "copies" and math.isinf(value):
        return _MOST_COPIES + 1
    if name == "psi_p" and math.isinf(value):
        return _INFINITE_WIDTH
    return math.log(value, _BASES[name]) if name in _BASES else value


def _decoded(name: str, value):
    """The setting for a widget's value."""
    if name == "copies" and value > _MOST_COPIES:
        return math.inf
    if name == "psi_p" and value > PSI[1]:
        return math.inf
    return float(_BASES[name]) ** value if name in _BASES else value
