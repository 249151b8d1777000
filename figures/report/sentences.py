"""The results in plain words: every number is computed from the data, and so is every verdict."""

import json
import math
from typing import TYPE_CHECKING

import numpy as np

from genmem.empirics.analysis.verdicts import AGREES, DISAGREES, UNDECIDED, verdict_on
from genmem.shared.vocabulary import EVENT_NAMES, EVENT_SYMBOLS, FACTOR_SYMBOLS
from genmem.theory.never import CAUSES

if TYPE_CHECKING:
    import xarray


_VERDICTS = {
    AGREES: "inside the interval: they agree",
    UNDECIDED: "inside an interval that holds much else: undecided",
    DISAGREES: "outside the interval: they disagree",
}

DEFINITIONS = (
    "Training lowers the loss on images that the model has never seen, the test loss, from its value at the start to a "
    "lowest value; call this difference the fall. Trained on, the model fits its training images ever better, and the "
    "test loss rises again.",
    "τ_gen, the generalization time: the test loss has come within 5 % of the fall of its lowest value. "
    "τ_mem, the memorization time: after its lowest value, the test loss has risen by 10 % of the fall. "
    "τ_gap: test and train loss have parted by 10 % of the fall. "
    "τ_copy: copies of training images make up more than 1 % of the generated samples, even at the lower end of the "
    "95 % interval.",
)


def number(value: float) -> str:
    """A time to three digits, grouped in thousands; "never" for infinity."""
    if math.isinf(value):
        return "never"
    if value >= 1e6 or value < 0.01:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa}×10^{int(exponent)}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def steps(value: float) -> str:
    """Optimizer steps, rounded."""
    return f"{value:,.0f}"


def percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def predicted(curves: "xarray.Dataset") -> str:
    """What the closed form says about one network."""
    times = curves.attrs
    gen, mem = times["tau_gen"], times["tau_mem"]
    start = (
        f"A network with ψ_n = {times['psi_n']:g} training points and ψ_p = {times['psi_p']:g} hidden units per "
        f"dimension, learning the score at t = {times['t']:g}, generalizes at τ_gen = {number(gen)}"
    )
    if math.isinf(mem):
        return f"{start} and never memorizes: {CAUSES[times.get('tau_mem_infinite_because', 'size')]}."
    return (
        f"{start} and memorizes at τ_mem = {number(mem)}: training may stop anywhere in a window whose end lies "
        f"{number(mem / gen)} times later than its beginning."
    )


def simulated(data: "xarray.Dataset") -> str:
    """How far one finite network is from the closed form."""
    worst = max(float(np.abs(data[f"simulated_{name}"] / data[name] - 1).max()) for name in ("train", "test"))
    return (
        f"The exact dynamics of one finite network in d = {data.attrs['d']} dimensions follow the predicted train and "
        f"test losses within {percent(worst)} at every training time shown; what is left shrinks as 1/d, and is larger "
        "for activations that grow without bound."
    )


def phases(diagram: "xarray.Dataset") -> list[str]:
    """For each training time, the phases of the largest network as psi_n grows, and of a growing one at most psi_n.

    In the end, why tau_mem is infinite where that is not for a network too small.
    """
    times = [diagram.sel(tau=tau) for tau in diagram.tau.values] if diagram.tau.ndim else [diagram]
    return [_at_one_time(at) for at in times] + _why_never(diagram)


def _why_never(diagram: "xarray.Dataset") -> list[str]:
    meanings = diagram.phase.attrs["flag_meanings"].split()
    present = {meanings[code] for code in np.unique(diagram.phase) if code >= 0}
    sentences = []
    if "benign_overfitting" in present:
        sentences.append(
            "In benign overfitting the network fits all its noised points, the train loss falls to zero, and still the "
            "test loss does not rise by the fraction of its fall that counts as memorization."
        )
    if "architectural_regularization" in present and diagram.attrs.get("ridge", 0.0) > 0:
        sentences.append(
            "In architectural regularization the network is too small to memorize, or the ridge "
            f"λ = {diagram.attrs['ridge']:g} holds it back."
        )
    return sentences


def _at_one_time(diagram: "xarray.Dataset") -> str:
    psi_n, psi_p = diagram.psi_n.values, diagram.psi_p.values
    return (
        f"At training time τ = {number(float(diagram.tau))}, with ψ_n growing, the largest network "
        f"(ψ_p = {number(psi_p[-1])}) passes through: {_passage(psi_n, diagram.phase[-1], 'ψ_n')}. With ψ_p growing, "
        "at "
        f"the most training points (ψ_n = {number(psi_n[-1])}): {_passage(psi_p, diagram.phase[:, -1], 'ψ_p')}."
    )


def _passage(values: np.ndarray, phase: "xarray.DataArray", symbol: str) -> str:
    """The phases along one axis, in order, each but the last with the value up to which it lasts."""
    names = [phase.attrs["flag_meanings"].split()[code].replace("_", " ") for code in phase.values]
    ends = [k for k in range(len(names) - 1) if names[k + 1] != names[k]]
    if not ends:
        return f"{names[0]} throughout"
    return ", ".join(f"{names[k]} up to {symbol} = {number(values[k])}" for k in ends) + f", then {names[-1]}"


def exponent(event: str, overlay: "xarray.Dataset") -> str:
    """How a time grows with n, measured and predicted, and the verdict on the two."""
    name = f"{EVENT_NAMES[event]} {EVENT_SYMBOLS[event]}"
    here = overlay.sel(law=f"{event} n") if f"{event} n" in overlay.law.values else None
    if here is None or not math.isfinite(here.exponent):
        return f"The {name} was observed at too few n for an exponent."
    measured, low, high = (float(here[name]) for name in ("exponent", "exponent_low", "exponent_high"))
    theory, law = float(here.exponent_predicted), float(here.exponent_law)
    sentence = f"The {name} was measured to go as n^b with b = {interval(measured, low, high)}"
    if not math.isfinite(theory):
        return sentence + "; the theory has no prediction for it."
    sentence += f"; predicted: b = {theory:.2f}, {_VERDICTS[verdict_on(low, high, theory)]}."
    if math.isfinite(law):
        place = _VERDICTS[verdict_on(low, high, law)]
        sentence += f" The law for many images and a much larger network, b = {law:g}, lies {place}."
    return sentence


def interval(value: float, low: float, high: float) -> str:
    """A number with its 95 % interval, of which an end may be open."""
    ends = " to ".join(f"{end:.2f}" if math.isfinite(end) else "open" for end in (low, high))
    return f"{value:.2f} (95 % interval {ends})"


def distance(overlay: "xarray.Dataset") -> str:
    """What was fitted, and how far measured and predicted times are apart after it."""
    attrs, powers = overlay.attrs, json.loads(overlay.attrs["powers"])
    edge = " The best ψ_p is the last one tried, so the data do not fix it." if attrs["psi_p_at_edge"] else ""
    low, high = (f"{end:.3g}" if 0 < end < math.inf else "open" for end in attrs["psi_p_interval"])
    chosen = f"95 % interval {low} to {high}" if attrs["psi_p_fitted"] else "chosen"
    grows = "".join(
        f"; this unit goes as {FACTOR_SYMBOLS[name]}^a with a = {interval(*power)}" for name, power in powers.items()
    )
    return (
        f"To lay the U-Net's steps over the theory's τ, {_fitted(overlay)} fitted to {attrs['points']} times (τ_gen "
        "and "
        f"τ_mem of all runs): one unit of τ is {number(attrs['steps_per_tau'])} optimizer steps{grows}; and "
        f"ψ_p = {number(attrs['psi_p'])} ({chosen}) stands for the U-Net's size. Not fitted: ψ_n = n/{attrs['d']} and "
        "the "
        f"covariance of the images. After this, measured and predicted times differ by a factor of "
        f"{attrs['residual_factor']:.2f} (one standard deviation of the logarithm)." + edge
    )


def _fitted(overlay: "xarray.Dataset") -> str:
    count = 1 + int(overlay.attrs["psi_p_fitted"]) + len(json.loads(overlay.attrs["powers"]))
    return "one number was" if count == 1 else f"{('two', 'three', 'four', 'five')[count - 2]} numbers were"


def order(overlay: "xarray.Dataset") -> str:
    """Whether every run generalized before it memorized."""
    gen, mem = overlay.measured.sel(event="gen"), overlay.measured.sel(event="mem")
    seen = (overlay.censored.sel(event="mem") == 0) & (overlay.censored.sel(event="gen") == 0)
    runs, observed = overlay.sizes["run"], int(seen.sum())
    first = int((seen & (gen < mem)).sum())
    text = f"{runs} U-Nets were trained; "
    if observed == 0:
        return text + "none ran until it memorized."
    text += f"{'all' if observed == runs else observed} of them ran until they memorized, and "
    text += f"{'all' if first == observed else first} of these generalized first."
    if observed < runs:
        text += f" The other {runs - observed} ended before: their times are lower bounds, and are used as such."
    return text


def summary(overlay: "xarray.Dataset") -> list[str]:
    """The verdict in a few sentences, for someone who reads no further."""
    attrs = overlay.attrs
    # Of one network only: those of the map's reference, which most runs share.
    same = [np.isclose(overlay[name].values, attrs[f"reference_{name}"]) for name in ("W", "B", "eta")]
    network = overlay.isel(run=np.flatnonzero(np.all(same, axis=0)))
    sizes = np.unique(network.n)
    sentences = []
    for n in np.unique([sizes[0], sizes[-1]]):
        gen, mem = (_steps(*_mean_time(network.isel(run=network.n.values == n), event)) for event in ("gen", "mem"))
        sentences.append(
            f"On {n} images of {attrs['data']} a U-Net (W = {attrs['reference_W']:g}) generalized after {gen} "
            "optimizer "
            f"steps and memorized after {mem}."
        )
    sentences.append(
        f"{_fitted(overlay).capitalize()} fitted; predicted and measured times then differ by a factor of "
        f"{attrs['residual_factor']:.2f} (one standard deviation)."
    )
    return [*sentences, exponent("mem", overlay), exponent("gen", overlay)]


def _mean_time(runs: "xarray.Dataset", event: str) -> tuple[float, str]:
    """Geometric mean of a measured time over runs; and "> " if one of them ended before the event, else ""."""
    here = runs.sel(event=event)
    return float(np.exp(np.log(here.measured).mean())), "> " if bool(here.censored.any()) else ""


def _steps(mean: float, bound: str) -> str:
    return ("more than " if bound else "") + steps(mean)


def _varied(overlay: "xarray.Dataset") -> list[str]:
    """n, and those of W, B, eta that the runs differ in."""
    return ["n", *(name for name in ("W", "B", "eta") if np.unique(overlay[name]).size > 1)]


def measured_table(overlay: "xarray.Dataset") -> list[dict[str, str]]:
    """One row for each run: its times in optimizer steps, "> s" where the run ended at step s before the event."""
    rows = []
    for k in range(overlay.sizes["run"]):
        run = overlay.isel(run=k)
        row = {FACTOR_SYMBOLS[name]: f"{float(run[name]):g}" for name in _varied(overlay)} | {
            "seed": str(int(run.seed))
        }
        for event in overlay.event.values:
            here = run.sel(event=event)
            row[EVENT_SYMBOLS[event]] = ("> " if here.censored else "") + steps(float(here.measured))
        row["copies"] = "–" if math.isnan(run.f_mem) else percent(float(run.f_mem))
        rows.append(row)
    return rows


def ratio_table(overlay: "xarray.Dataset") -> list[dict[str, str]]:
    """One row for each time and setting: measured (geometric mean over its runs) and predicted, in optimizer steps."""
    names, rows = _varied(overlay), []
    values = np.stack([overlay[name].values for name in names], axis=1)
    for event in ("gen", "gap", "mem"):
        for setting in np.unique(values, axis=0):
            runs = overlay.isel(run=np.flatnonzero((values == setting).all(axis=1)))
            mean, bound = _mean_time(runs, event)
            theory = float(runs.predicted.sel(event=event)[0])
            rows.append(
                {"time": EVENT_SYMBOLS[event]}
                | {FACTOR_SYMBOLS[name]: f"{value:g}" for name, value in zip(names, setting, strict=True)}
                | {
                    "measured": bound + steps(mean),
                    "predicted": steps(theory) if math.isfinite(theory) else "never",
                    "ratio": bound + f"{mean / theory:.2f}" if math.isfinite(theory) else "–",
                }
            )
    return rows


def overlaid(overlay: "xarray.Dataset") -> list[str]:
    """All that the overlay says."""
    return [order(overlay), *(exponent(event, overlay) for event in overlay.event.values), distance(overlay)]


def text_table(rows: list[dict[str, str]]) -> str:
    """Rows of one set of columns as aligned text."""
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    lines = [{name: name for name in widths}, *rows]
    return "\n".join("  ".join(line[name].rjust(width) for name, width in widths.items()) for line in lines)
