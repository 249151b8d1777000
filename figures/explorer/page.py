"""The explorer's page: sliders and selectors, four plots that follow them, and recorded runs laid over."""

import math
from collections.abc import Sequence
from functools import partial

from bokeh.document import Document
from bokeh.events import Tap
from bokeh.layouts import column
from bokeh.models import Div
from jinja2 import Template

from genmem.figures.drawing.phase_diagram import COLOURS, STRONG
from genmem.figures.drawing.style import GREEN, LOSS_COLOURS, VERMILION
from genmem.figures.explorer.calculation import Calculation, Curves, Eigenvalues, Settings
from genmem.figures.explorer.controls import Controls
from genmem.figures.explorer.latest_request import LatestRequest
from genmem.figures.explorer.plots import ENDED, Losses, RegimesPlot, Score, SpectrumPlot
from genmem.figures.explorer.refined_regimes import RegimesAtTime
from genmem.figures.explorer.runs import MeasuredRun
from genmem.shared.errors import InputError, SolverError
from genmem.theory.phases import PHASES, classify, interpolates

TEMPLATE = Template("""
{% from macros import embed %}
{% extends base %}
{% block title %}genmem explorer{% endblock %}
{% block postamble %}
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<style>
  body { font: 15px/1.45 system-ui, sans-serif; color: #1a1a1a; margin: 0 auto;
         padding: .8rem 1rem; max-width: 1260px; }
  h1 { font-size: 1.25rem; margin: 0 0 .6rem; }
  h2 { font-size: .95rem; margin: 0; }
  main { display: grid; gap: .8rem 1.2rem; grid-template-columns: 15rem minmax(0, 1fr) minmax(0, 1fr); }
  main > div { min-width: 0; }
  .controls { grid-row: span 2; }
  .keys { font-size: .8rem; color: #333; display: flex; flex-wrap: wrap; gap: 0 .9rem; min-height: 2.5em; }
  .keys i { display: inline-block; width: .8em; height: .8em; margin-right: .3em; border: 1px solid #777; }
  .keys i.dot { border-radius: 50%; border-color: #000; }
  .keys b { display: inline-block; width: 1.3em; border-top: 2px solid; vertical-align: .25em; margin-right: .3em; }
  .keys b.dotted { border-top-style: dotted; }
  @media (max-width: 800px) { main { grid-template-columns: minmax(0, 1fr); } .controls { grid-row: auto; } }
</style>
{% endblock %}
{% block contents %}
<h1>When does it generalize, when does it memorize?</h1>
<main>
  <div class="controls">{{ embed(roots.controls) }}</div>
  <div><h2>Learning curves</h2>
    <div class="keys">
      <span><b style="color:{{ test }}"></b>test loss</span><span><b style="color:{{ train }}"></b>train loss</span>
      <span><i style="background:#dff2ec"></i>window</span>
      <span>| trained to τ</span>{% if runs %}<span>dots: measured</span>{% endif %}
    </div>{{ embed(roots.losses) }}</div>
  <div><h2>Regimes after training for τ</h2>
    <div class="keys">
      {% for name, colour in phases %}<span><i style="background:{{ colour }}"></i>{{ name }}</span>{% endfor %}
      <span>lines: τ<sub>mem</sub></span><span>☆ this network</span>
      {% if runs %}<span>measured:</span>
      {% for name, colour in measured %}
      <span><i class="dot" style="background:{{ colour }}"></i>{{ name }}</span>{% endfor %}
      {% endif %}
    </div>{{ embed(roots.regimes) }}</div>
  <div><h2>Distance to the true score</h2><div class="keys">mean squared error per dimension</div>
    {{ embed(roots.score) }}</div>
  <div><h2>Spectrum of U: the rates of learning</h2>
    <div class="keys"><span>▲ atom, with its share</span>
      <span><b class="dotted" style="color:{{ mem }}"></b>asymptotic edges: memorization</span>
      <span><b class="dotted" style="color:{{ gen }}"></b>generalization</span></div>
    {{ embed(roots.spectrum) }}</div>
</main>
{% endblock %}
""")


class Page:
    """One session's page, with a calculation in a thread of its own."""

    def __init__(self, document: Document, runs: Sequence[MeasuredRun] = ()):
        self._document = document
        self._runs = {run.key: run for run in runs}
        self._calculation = Calculation()
        self._curves: Curves | None = None
        wide = {"sizing_mode": "stretch_width"}
        self._refusal = Div(name="refusal", styles={"color": "#a02000", "font-weight": "bold"}, visible=False, **wide)
        self._sentence = Div(name="sentence", **wide)
        self._progress = Div(name="progress", styles={"color": "#666", "font-size": "12px"}, **wide)
        choices = [(run.key, run.label) for run in runs]
        self._controls = Controls(runs[0].settings if runs else Settings(), self._follow, choices)
        self._controls.run.on_change("value", lambda attr, old, new: self._choose())
        self._losses, self._score, self._spectrum = Losses(), Score(), SpectrumPlot()
        self._regimes = RegimesPlot()
        self._regimes.figure.on_event(Tap, lambda event: self._controls.move(event.x, event.y))
        texts = [self._sentence, self._refusal, self._progress]
        document.add_root(column(self._controls.column, *texts, name="controls", **wide))
        for plot in (self._losses, self._score, self._spectrum, self._regimes):
            document.add_root(plot.figure)
        document.title = "genmem explorer"
        document.template = TEMPLATE
        document.template_variables.update(
            phases=[(name.replace("_", " "), COLOURS[name]) for name in PHASES[1:]], runs=bool(runs), **LOSS_COLOURS,
            mem=VERMILION, gen=GREEN,
            measured=[
                *((name, STRONG[name]) for name in ("underfit", "generalization", "memorization")),
                ("ended before", ENDED),
            ],
        )  # fmt: skip
        self._worker = LatestRequest(self._answer, self._refine)
        self._worker.start()
        document.on_session_destroyed(lambda _: self._worker.stop())
        self._follow()

    # In the session's thread ------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Move what needs no calculation, and ask for what does."""
        settings = self._controls.settings
        self._regimes.show_network(settings.psi_n, settings.psi_p)
        if self._runs:
            chosen = self._runs[self._controls.run.value]
            self._regimes.show_runs([run for run in self._runs.values() if run.setting == chosen.setting], settings.tau)
            # Beside the curves of another network, a run's losses would say nothing.
            self._losses.show_run(chosen if chosen.settings.same_network(settings) else None)
        for plot in (self._losses, self._score):
            plot.marks.show_now(settings.tau)
        self._describe()
        self._worker.ask(settings)

    def _choose(self) -> None:
        """Go to the network that stands for the chosen run, and lay its losses over."""
        self._controls.set(self._runs[self._controls.run.value].settings)
        self._follow()

    def _show(self, result: Curves | RegimesAtTime | Eigenvalues | str) -> None:
        """Show what was calculated; a text tells why it could not be."""
        self._refusal.update(text=result if isinstance(result, str) else "", visible=isinstance(result, str))
        match result:
            case Curves():
                self._curves = result
                self._losses.show(result)
                self._score.show(result)
                self._describe()
            case RegimesAtTime():
                self._regimes.show(result)
                state = "" if result.finished else ", getting finer"
                self._progress.text = f"phase diagram of {result.points} × {result.points} networks{state}"
            case Eigenvalues():
                self._spectrum.show(result)

    def _describe(self) -> None:
        """One sentence on the network of the sliders."""
        if self._curves is None:
            return
        settings = self._controls.settings
        times, tau = self._curves.times, settings.tau
        zero = interpolates(settings.psi_n, settings.psi_p, settings.copies, 0.0)
        phase = PHASES[int(classify(tau, times.gen, times.mem, zero))].replace("_", " ")
        memorizes = f"memorizes from τ = {_number(times.mem)}" if times.mem < math.inf else "never memorizes"
        learns = f"Generalizes from τ = {_number(times.gen)}" if times.gen < math.inf else "Never generalizes"
        self._sentence.text = f"{learns}, {memorizes}. Trained for τ = {_number(tau)}: <b>{phase}</b>."

    # In the calculation's thread --------------------------------------------------------------------------------------

    def _answer(self, settings: Settings) -> None:
        try:
            for result in self._calculation.answer(settings):
                self._post(result)
        except (InputError, SolverError) as error:
            self._post(str(error))

    def _refine(self) -> bool:
        if not self._calculation.unfinished:
            return False
        finer = self._calculation.refine()
        if finer is not None:
            self._post(finer)
        return True

    def _post(self, result: Curves | RegimesAtTime | Eigenvalues | str) -> None:
        self._document.add_next_tick_callback(partial(self._show, result))


def _number(value: float) -> str:
    """To three digits, with commas between thousands."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
