"""The explorer's plots: each has a bokeh figure and shows what was calculated, or measured, in it."""

import math
from collections.abc import Sequence

import numpy as np
from bokeh.models import BoxAnnotation, ColumnDataSource, Label, LinearColorMapper, Range1d, Span
from bokeh.plotting import figure

from genmem.figures.drawing.phase_diagram import COLOURS, STRONG
from genmem.figures.drawing.style import BLACK, BLUE, GREEN, LOSS_COLOURS, TIME_COLOURS, VERMILION
from genmem.figures.explorer.calculation import TAU, TRAINING_TIMES, Curves, Eigenvalues
from genmem.figures.explorer.refined_regimes import PSI, RegimesAtTime
from genmem.figures.explorer.runs import MeasuredRun
from genmem.theory.phases import PHASES
from genmem.theory.timescales import Timescales

EVENTS = {"gen": "generalizes", "gap": "losses part", "mem": "memorizes"}
# How far below the top of the plot the name of each time begins.
_DROPS = {"gen": 0.0, "mem": 0.27, "gap": 0.54}
# Of a run that had ended at the training time shown.
ENDED = "#FFFFFF"
LIMIT_COLOURS = (VERMILION, VERMILION, GREEN, GREEN)
_EXPONENT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# The spectrum's plot shows this many powers of e of density below the highest.
_DEPTH = 9.0


class TimeMarks:
    """tau_gen, tau_gap, tau_mem and the training time as vertical lines in a plot, the window between them shaded."""

    def __init__(self, plot: figure, named: bool):
        self._window = BoxAnnotation(
            left=1, right=2, fill_color=GREEN, fill_alpha=0.13, line_color=None, level="underlay"
        )
        self._lines = {
            kind: Span(
                dimension="height", location=1, line_color=TIME_COLOURS[kind], line_dash="dashed", line_width=1.5
            )
            for kind in EVENTS
        }
        self._now = Span(dimension="height", location=1, line_color=BLACK, line_width=1)
        self._names = {}
        for mark in (self._window, *self._lines.values(), self._now):
            plot.add_layout(mark)
        if named:
            for kind, text in EVENTS.items():
                self._names[kind] = Label(
                    x=1, y=1, text=text, text_color=TIME_COLOURS[kind], text_font_size="11px", angle=math.pi / 2,
                    text_align="right", text_baseline="bottom", x_offset=-2, y_offset=-3,
                    background_fill_color="white", background_fill_alpha=0.85,
                )  # fmt: skip
                plot.add_layout(self._names[kind])

    def show_times(self, times: Timescales, bottom: float, top: float) -> None:
        """bottom, top: the ends of the plot; the names hang from the top."""
        self._window.left = min(times.gen, TRAINING_TIMES[-1])
        self._window.right = min(times.mem, TRAINING_TIMES[-1])
        for kind, line in self._lines.items():
            at = getattr(times, kind)
            inside = TRAINING_TIMES[0] < at < TRAINING_TIMES[-1]
            line.visible = inside
            line.location = at if inside else 1
            if kind in self._names:
                # The times may be close to each other, so every name has a height of its own.
                height = top - _DROPS[kind] * (top - bottom)
                self._names[kind].update(visible=inside, x=line.location, y=height)

    def show_now(self, tau: float) -> None:
        self._now.location = tau


class Losses:
    """Train and test loss against training time."""

    def __init__(self):
        time = "training time τ = steps × learning rate / d²"
        self.figure = _plot("losses", time, "loss per dimension", TAU, "linear")
        self.marks = TimeMarks(self.figure, named=True)
        self._source = ColumnDataSource({"tau": [], "train": [], "test": []}, name="curves")
        self._seen = ColumnDataSource({"tau": [], "train": [], "test": []}, name="measured curves")
        for name in ("train", "test"):
            colour = LOSS_COLOURS[name]
            self.figure.line("tau", name, source=self._source, color=colour, line_width=2)
            self.figure.scatter("tau", name, source=self._seen, color=colour, size=5)

    def show(self, curves: Curves) -> None:
        low, high = curves.shown_losses
        self.figure.y_range.update(start=low, end=high)
        self.marks.show_times(curves.times, low, high)
        self._source.data = {"tau": TRAINING_TIMES, "train": curves.train, "test": curves.test}

    def show_run(self, run: MeasuredRun | None) -> None:
        """Lay the losses of a run over; none for None."""
        seen = {"tau": run.tau, "train": run.train, "test": run.test} if run else {"tau": [], "train": [], "test": []}
        self._seen.data = seen


class Score:
    """The distance to the true score against training time."""

    def __init__(self):
        self.figure = _plot("score", "training time τ", "score error", TAU, "log")
        self.marks = TimeMarks(self.figure, named=False)
        self._source = ColumnDataSource({"tau": [], "score": []}, name="score data")
        self.figure.line("tau", "score", source=self._source, color=LOSS_COLOURS["score"], line_width=2)

    def show(self, curves: Curves) -> None:
        # After tau_mem the error runs away: what matters happens below its value before training.
        low, high = float(curves.score.min()) / 1.5, 4 * float(curves.score[0])
        self.figure.y_range.update(start=low, end=high)
        self.marks.show_times(curves.times, low, high)
        self._source.data = {"tau": TRAINING_TIMES, "score": curves.score}


class SpectrumPlot:
    """lambda rho(lambda), whose areas over the logarithmic axis are shares of eigenvalues, with atoms and limits."""

    def __init__(self):
        self.figure = _plot("spectrum", "eigenvalue λ of U", "λ ρ(λ)", (-4, 3), "log")
        self._bulks = ColumnDataSource({"x": [], "y": []}, name="spectrum data")
        self._atoms = ColumnDataSource({"x": [], "y": [], "text": []})
        self.figure.patches("x", "y", source=self._bulks, color=BLUE, alpha=0.35, line_color=BLACK)
        self.figure.scatter("x", "y", source=self._atoms, marker="triangle", size=11, color=BLACK)
        self.figure.text("x", "y", "text", source=self._atoms, x_offset=8, text_baseline="top", text_font_size="11px")
        self._limits = [
            Span(dimension="height", location=1, line_color=colour, line_dash="dotted", line_width=2)
            for colour in LIMIT_COLOURS
        ]
        for line in self._limits:
            self.figure.add_layout(line)

    def show(self, spectrum: Eigenvalues) -> None:
        if not spectrum.bulks:
            self._bulks.data, self._atoms.data = {"x": [], "y": []}, {"x": [], "y": [], "text": []}
            for line in self._limits:
                line.visible = False
            return
        top = max(float(height.max()) for _, height in spectrum.bulks)
        bottom = top * math.exp(-_DEPTH)
        # Closed below, at the lower end of the plot: on a logarithmic axis there is no zero.
        self._bulks.data = {
            "x": [np.concatenate([x[:1], x, x[-1:]]) for x, _ in spectrum.bulks],
            "y": [np.concatenate([[bottom], np.maximum(y, bottom), [bottom]]) for _, y in spectrum.bulks],
        }
        self._atoms.data = {
            "x": [location for location, _ in spectrum.atoms],
            "y": [2 * top] * len(spectrum.atoms),
            "text": [f"{weight:.1%}" for _, weight in spectrum.atoms],
        }
        for line, location in zip(self._limits, spectrum.limits, strict=True):
            line.update(visible=location > 0, location=max(location, 1e-30))
        places = [x for bulk, _ in spectrum.bulks for x in (bulk[0], bulk[-1])] + [
            x for x, _ in spectrum.atoms if x > 0
        ]
        self.figure.x_range.update(start=float(min(places)) / 2, end=float(max(places)) * 2)
        self.figure.y_range.update(start=bottom, end=4 * top)


class RegimesPlot:
    """The regimes over the plane, lines of constant tau_mem, the network of the sliders, and recorded runs."""

    def __init__(self):
        axes = "training points per dimension, ψₙ", "hidden units per dimension, ψₚ"
        self.figure = _plot("regimes", *axes, None, "log")
        low, high = (2.0**end for end in PSI)
        for range_ in (self.figure.x_range, self.figure.y_range):
            range_.update(start=low, end=high)
        palette = [COLOURS[name] for name in PHASES]
        colours = LinearColorMapper(palette, low=-0.5, high=len(PHASES) - 0.5, low_color="white")
        self._phases = ColumnDataSource({"phase": []}, name="phases")
        self._lines = ColumnDataSource({"x": [], "y": []}, name="contours")
        self._names = ColumnDataSource({"x": [], "y": [], "text": []})
        self._network = ColumnDataSource({"x": [], "y": []}, name="network")
        self._seen = ColumnDataSource({"x": [], "y": [], "colour": []}, name="measured regimes")
        self.figure.image(
            "phase",
            x=low,
            y=low,
            dw=high - low,
            dh=high - low,
            source=self._phases,
            color_mapper=colours,
            level="image",
        )
        self.figure.multi_line("x", "y", source=self._lines, color=BLACK, line_width=1)
        self.figure.text(
            "x", "y", "text", source=self._names, text_font_size="11px", text_align="center", text_baseline="middle",
            background_fill_color="white", background_fill_alpha=0.6,
        )  # fmt: skip
        # A white ring under each, for a dot on a region of its own phase.
        self.figure.scatter("x", "y", source=self._seen, size=12, fill_color="white", line_color=None)
        self.figure.scatter("x", "y", source=self._seen, size=9, fill_color="colour", line_color=BLACK)
        self.figure.scatter(
            "x", "y", source=self._network, marker="star", size=18, fill_color="white", line_color=BLACK, line_width=1.5
        )

    def show(self, plane: RegimesAtTime) -> None:
        self._phases.data = {"phase": [plane.phase]}
        self._lines.data = {"x": [x for _, x, _ in plane.contours], "y": [y for _, _, y in plane.contours]}
        middle = [(k, x[len(x) // 2], y[len(y) // 2]) for k, x, y in plane.contours if len(x) > 20]
        self._names.data = {
            "x": [x for _, x, _ in middle],
            "y": [y for _, _, y in middle],
            "text": [f"10{str(k).translate(_EXPONENT)}" for k, _, _ in middle],
        }

    def show_network(self, psi_n: float, psi_p: float) -> None:
        # Infinite width is the plane's upper edge.
        self._network.data = {"x": [psi_n], "y": [min(psi_p, 2.0 ** PSI[1])]}

    def show_runs(self, runs: Sequence[MeasuredRun], tau: float) -> None:
        """Each run in the stronger colour of the regime it was in at this training time; ENDED if it ended before."""
        phases = [run.phase(tau) for run in runs]
        places = [(run.settings.psi_n, run.settings.psi_p) for run in runs]
        # Runs of one place are stacked, half a marker over each other.
        rank = [places[:k].count(place) - (places.count(place) - 1) / 2 for k, place in enumerate(places)]
        self._seen.data = {
            "x": [psi_n for psi_n, _ in places],
            "y": [psi_p * 1.3**over for (_, psi_p), over in zip(places, rank, strict=True)],
            "colour": [STRONG[PHASES[phase]] if phase >= 0 else ENDED for phase in phases],
        }


def _plot(name: str, x: str, y: str, decades: tuple[float, float] | None, y_axis: str) -> figure:
    """An empty plot that follows the page's width and leaves touches to the page."""
    ends = (1, 10) if decades is None else (10.0 ** decades[0], 10.0 ** decades[1])
    plot = figure(
        name=name, height=300, sizing_mode="stretch_width", tools="", toolbar_location=None, x_axis_type="log",
        y_axis_type=y_axis, x_range=Range1d(*ends), y_range=Range1d(0.1, 1), x_axis_label=x, y_axis_label=y,
        min_border_left=60, min_border_right=12,
    )  # fmt: skip
    plot.grid.grid_line_alpha = 0.3
    for axis in plot.axis:
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = "12px"
        axis.major_label_text_font_size = "11px"
        axis.ticker.desired_num_ticks = 5
    return plot
