"""The sentences follow the numbers, whatever these are."""

import numpy as np
import pytest

from genmem.empirics.analysis.verdicts import verdict_on
from genmem.figures.report import sentences, tables


@pytest.mark.parametrize(
    ("value", "text"),
    [(np.inf, "never"), (0.296, "0.296"), (9.7321, "9.73"), (725.2, "725"), (12345.6, "12,346"), (3.21e7, "3.2×10^7")],
)
def test_number(value, text):
    assert sentences.number(value) == text


def test_percent_keeps_two_digits():
    assert (
        sentences.percent(0.0077) == "0.77 %" and sentences.percent(0.461) == "46 %" and sentences.percent(0) == "0 %"
    )


def test_a_network_that_never_memorizes_is_said_to(curves):
    assert "window whose end lies 40 times later" in sentences.predicted(curves)
    curves.attrs["tau_mem"] = np.inf
    assert "never memorizes" in sentences.predicted(curves) and "window" not in sentences.predicted(curves)
    meanings = {"size": "too small", "interpolation": "fits all its noised points", "ridge": "holds it back"}
    for cause, words in meanings.items():
        curves.attrs["tau_mem_infinite_because"] = cause
        assert words in sentences.predicted(curves)


def test_phases_say_why_a_network_that_could_does_not_memorize(diagram):
    assert not any("benign" in sentence or "ridge" in sentence for sentence in sentences.phases(diagram))
    diagram.attrs["ridge"] = 0.01
    assert "the ridge λ = 0.01 holds it back" in sentences.phases(diagram)[-1]
    diagram["phase"] = diagram.phase.where(diagram.phase != 4, 5).assign_attrs(diagram.phase.attrs)
    *_, last = sentences.phases(diagram)
    assert "benign overfitting" in last and "train loss falls to zero" in last


def test_distance_of_the_simulation_is_the_largest(curves):
    assert "within 1 %" in sentences.simulated(curves)
    curves["simulated_test"][40] *= 1.2
    assert "within 21 %" in sentences.simulated(curves)


def test_phases_are_named_in_order_with_their_ends(diagram):
    diagram["phase"][:] = 2
    diagram["phase"][:10] = 4
    diagram["phase"][:, :5] = 3
    (text,) = sentences.phases(diagram)
    n = sentences.number(diagram.psi_n.values[4])
    p = sentences.number(diagram.psi_p.values[9])
    assert f"passes through: memorization up to ψ_n = {n}, then generalization." in text
    assert text.endswith(f"architectural regularization up to ψ_p = {p}, then generalization.")
    diagram["phase"][:] = 2
    assert sentences.phases(diagram)[0].count("generalization throughout") == 2


@pytest.mark.parametrize(
    ("low", "high", "predicted", "verdict"),
    [
        (0.9, 1.4, 1.0, "they agree."),
        (0.9, 1.4, 1.5, "they disagree"),
        (0.9, 1.4, 0.8, "they disagree"),
        (0.2, 2.4, 1.0, "holds much else: undecided"),
        (-np.inf, np.inf, 1.0, "holds much else: undecided"),
        (0.9, 1.4, np.nan, "no prediction"),
    ],
)
def test_the_verdict_on_an_exponent(overlay, low, high, predicted, verdict):
    place = {"law": 2}
    overlay["exponent_low"][place], overlay["exponent_high"][place] = low, high
    overlay["exponent_predicted"][place] = predicted
    sentence = sentences.exponent("mem", overlay)
    assert verdict in sentence and "τ_mem" in sentence and "1.10" in sentence


def test_the_asymptotic_law_is_held_against_the_interval(overlay):
    assert "b = 1, lies inside the interval: they agree" in sentences.exponent("mem", overlay)
    overlay["exponent_low"][2] = 1.05
    assert "b = 1, lies outside the interval: they disagree" in sentences.exponent("mem", overlay)
    overlay["exponent_law"][1] = np.nan
    assert "law" not in sentences.exponent("gap", overlay)


@pytest.mark.parametrize(("low", "high"), [(0.9, 1.4), (1.1, 1.4), (0.2, 2.4), (0.5, np.inf)])
def test_sentence_table_and_comparison_give_one_verdict(overlay, low, high):
    overlay["exponent_low"][2], overlay["exponent_high"][2] = low, high
    overlay = overlay.assign(
        {name: ("law", np.zeros(4)) for name in ("exponent_predicted_low", "exponent_predicted_high", "exponent_runs",
                                                 "exponent_censored")}
    )  # fmt: skip
    row = tables.exponent_rows(overlay)[2]
    words = {"agrees": "they agree", "disagrees": "they disagree", "undecided": "undecided"}
    assert row["verdict"] == row["verdict on the law"] == verdict_on(low, high, 1.0)
    assert sentences.exponent("mem", overlay).count(words[row["verdict"]]) == 2


def test_no_exponent_is_claimed_from_too_few_times(overlay):
    assert "too few" in sentences.exponent("copy", overlay)


def test_order_counts_only_what_was_seen(overlay):
    assert "6 U-Nets were trained; all of them ran until they memorized, and all of these generalized first." in (
        sentences.order(overlay)
    )
    overlay["censored"][4:, 2] = True
    text = sentences.order(overlay)
    assert "4 of them" in text and "The other 2 ended before:" in text
    overlay["measured"][0, 0] = 1e4
    assert "3 of these generalized first" in sentences.order(overlay)
    overlay["censored"][:, 2] = True
    assert "none ran until it memorized" in sentences.order(overlay)


def test_distance_says_what_was_fitted(overlay):
    assert "two numbers were fitted" in sentences.distance(overlay) and "1.60" in sentences.distance(overlay)
    assert "last one tried" not in sentences.distance(overlay)
    overlay.attrs["psi_p_at_edge"] = 1
    assert "last one tried" in sentences.distance(overlay)
    assert "95 % interval 6.1 to open" in sentences.distance(overlay)
    overlay.attrs["psi_p_fitted"] = 0
    assert "one number was fitted" in sentences.distance(overlay) and "(chosen)" in sentences.distance(overlay)
    overlay.attrs["powers"] = '{"W": [-0.9, -1.0, -0.8]}'
    assert "two numbers were fitted" in sentences.distance(overlay)
    assert "goes as W^a with a = -0.90 (95 % interval -1.00 to -0.80)" in sentences.distance(overlay)


def test_tables_show_bounds_as_bounds(overlay):
    rows = sentences.measured_table(overlay)
    assert rows[0]["τ_mem"] == "96" and rows[0]["τ_copy"] == "384"
    assert rows[5]["τ_copy"] == "> 1,200" and rows[5]["copies"] == "0 %"
    overlay["censored"][5, 2] = True
    ratio = {(row["time"], row["n"]): row for row in sentences.ratio_table(overlay)}
    assert ratio["τ_mem", "64"] == {
        "time": "τ_mem",
        "n": "64",
        "measured": "192",
        "predicted": "205",
        "ratio": "0.94",
    }
    assert ratio["τ_mem", "128"]["measured"].startswith("> ") and ratio["τ_mem", "128"]["ratio"].startswith("> ")


def test_a_time_predicted_never_to_come_has_no_ratio(overlay):
    overlay["predicted"][-2:, 2] = np.inf
    row = [row for row in sentences.ratio_table(overlay) if row["time"] == "τ_mem"][-1]
    assert row["predicted"] == "never" and row["ratio"] == "–"


def test_summary_speaks_of_the_fewest_and_of_the_most_images(overlay):
    text = " ".join(sentences.summary(overlay))
    assert "On 32 images of digits a U-Net (W = 8) generalized after 60 optimizer steps and memorized after 96." in text
    assert "Two numbers were fitted" in text and "a factor of 1.60" in text
    overlay["censored"][4:, 2] = True
    assert (
        "On 128 images of digits a U-Net (W = 8) generalized after 60 optimizer steps "
        "and memorized after more than 384." in (" ".join(sentences.summary(overlay)))
    )


def test_text_table_is_aligned():
    lines = sentences.text_table([{"n": "32", "time": "1"}, {"n": "256", "time": "1,000"}]).split("\n")
    assert lines == ["  n   time", " 32      1", "256  1,000"]


def test_tables_and_summary_keep_networks_of_other_widths_apart(overlay):
    overlay["W"][1::2] = 16.0
    overlay["measured"][1::2, 2] *= 10
    overlay["predicted"][1::2, 2] *= 2
    rows = [row for row in sentences.ratio_table(overlay) if row["time"] == "τ_mem" and row["n"] == "64"]
    assert [(row["W"], row["measured"], row["predicted"]) for row in rows] == [
        ("8", "192", "205"),
        ("16", "1,920", "410"),
    ]
    assert sentences.measured_table(overlay)[1]["W"] == "16"
    assert "On 32 images of digits a U-Net (W = 8) generalized after 60 optimizer steps and memorized after 96." in (
        sentences.summary(overlay)
    )
