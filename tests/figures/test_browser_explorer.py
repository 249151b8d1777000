"""The explorer in a real browser: the page that the command serves, moved with keys, mouse and finger."""

import re
import signal
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from genmem.figures.drawing.phase_diagram import COLOURS
from genmem.figures.explorer.calculation import TRAINING_TIMES
from genmem.theory import RandomFeatures
from tests.figures.browser import DESKTOP, PHONE, browser  # noqa: F401

COMMAND = [str(Path(sys.executable).with_name("genmem")), "explore", "--no-open"]
PLOTS = ("losses", "regimes", "score", "spectrum")
MODEL = "const model = Bokeh.documents[0].get_model_by_name(arguments[0]);"
# What a person would wait for, seen from inside the page: from a slider's event to new data that were drawn.
STOPWATCH = """
window.waits = [];
const [slider, source] = [...arguments].map(name => Bokeh.documents[0].get_model_by_name(name));
let begun = null;
slider.properties.value.change.connect(() => { begun = performance.now(); });
source.properties.data.change.connect(() => {
  const since = begun; begun = null;
  if (since !== null) requestAnimationFrame(() => setTimeout(() => window.waits.push(performance.now() - since)));
});
"""


def start(*arguments) -> tuple[subprocess.Popen, str]:
    """The command's process and the address it tells."""
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = []
    for line in process.stdout:
        said.append(line)
        if found := re.search(r"http://localhost:\d+/", line):
            return process, found[0]
    raise AssertionError(f"the command ended: {''.join(said)}")


@pytest.fixture(scope="module")
def address(runs):
    process, address = start("--port", "0", "--runs", str(runs))
    yield address
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert process.stdout.read().strip() == "closed"  # nothing went wrong on the server's side


@pytest.fixture(scope="module")
def page(browser, address):  # noqa: F811
    browser.open(address)
    browser.wait("return window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].get_model_by_name('phases')")
    browser.wait("return Bokeh.documents[0].is_idle")
    browser.wait(f"{MODEL} return model.get_array('phase').length && model.text !== ''", "phases")
    browser.wait(f"{MODEL} return model.get_array('x').length", "spectrum data")
    return browser


def inside(page, name: str, selector: str):
    """An element of the widget or plot with that name."""
    return page.run(
        f"{MODEL} return Bokeh.index.find_one(model).el.shadowRoot.querySelector(arguments[1])", name, selector
    )


def host(page, name: str):
    return page.run(f"{MODEL} return Bokeh.index.find_one(model).el", name)


def value(page, name: str):
    return page.run(f"{MODEL} return model.value", name)


def values(page, name: str, column: str) -> np.ndarray:
    return np.array(page.run(f"{MODEL} return Array.from(model.get_array(arguments[1]))", name, column), dtype=float)


def phases(page) -> np.ndarray:
    return np.array(page.run(f"{MODEL} return Array.from(model.get_array('phase')[0])", "phases"))


def type_into(page, name: str, selector: str, *keys: str, follows: tuple[str, str] = ("curves", "train")) -> np.ndarray:
    """Type into a widget and wait until a column of data is another; returns it."""
    before = values(page, *follows)
    inside(page, name, selector).send_keys(*keys)
    page.wait(
        f"{MODEL} const now = model.get_array(arguments[1]); return now.length && now[9] !== arguments[2]", *follows,
        float(before[9]) if before.size else None,  # a run's losses are there only while its settings are
    )  # fmt: skip
    return values(page, *follows)


def choose(page, kind: str) -> None:
    """Choose a covariance, if it is another."""
    if value(page, "kind") != kind:
        type_into(page, "kind", "select", kind)


def shows(picture: np.ndarray, colour: str) -> bool:
    """Whether a colour #rrggbb, or nearly that, covers a thousandth of a picture."""
    wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
    return np.mean(np.abs(picture.astype(int) - wanted).max(axis=-1) < 12) > 1e-3


def test_every_plot_is_drawn(page):
    pictures = {name: page.picture(host(page, name)) for name in PLOTS}
    for name, picture in pictures.items():
        assert picture.shape[0] > 250 and picture.shape[1] > 300, name
    assert shows(pictures["losses"], "#0072B2") and shows(pictures["losses"], "#000000")
    assert shows(pictures["score"], "#CC79A7")
    assert not shows(pictures["score"], "#0072B2")
    drawn = {name for name, colour in COLOURS.items() if shows(pictures["regimes"], colour)}
    assert {"generalization", "underfit", "memorization"} <= drawn
    assert page.sideways() == 0


def test_arrow_keys_move_a_slider_and_the_curves_are_the_theorys(page):
    # Isotropic data, so that the numbers can be compared with a model made here.
    choose(page, "isotropic")
    before = values(page, "curves", "train")
    start = value(page, "psi_n")
    type_into(page, "psi_n", ".noUi-handle", *[Keys.ARROW_RIGHT] * 4)
    psi_n, psi_p, t = (2 ** value(page, "psi_n"), 2 ** value(page, "psi_p"), 10 ** value(page, "t"))
    assert value(page, "psi_n") == start + 0.5
    expected = RandomFeatures(psi_n, psi_p, t).learning_curves(TRAINING_TIMES).train
    page.wait(f"{MODEL} return Math.abs(model.get_array('train')[70] - arguments[1]) < 1e-9", "curves", expected[70])
    assert np.allclose(values(page, "curves", "train"), expected, rtol=1e-9) and not np.allclose(before, expected)
    assert np.isclose(page.run(f"{MODEL} return model.get_array('x')[0]", "network"), psi_n)


def test_a_mouse_drags_the_training_time_and_the_regimes_follow(page):
    before = phases(page)
    handle = inside(page, "tau", ".noUi-handle")
    ActionChains(page.driver).drag_and_drop_by_offset(handle, -60, 0).perform()
    tau = 10 ** value(page, "tau")
    page.wait(
        f"{MODEL} const now = model.get_array('phase')[0]; let moved = 0;"
        "for (let k = 0; k < now.length; k++) moved += now[k] !== arguments[1][k]; return moved > 500",
        "phases",
        before.tolist(),
    )
    assert tau < 1e3
    assert np.mean(phases(page) == 1) > np.mean(before == 1)  # earlier, more networks are underfit
    assert re.search(r"Trained for τ = [\d.,]+", page.run(f"{MODEL} return model.text", "sentence"))


def test_every_slider_and_selector_changes_the_data(page):
    for name, keys in (
        ("psi_p", Keys.ARROW_LEFT), ("t", Keys.ARROW_RIGHT), ("copies", Keys.ARROW_LEFT), ("activation", "sin"),
        ("kind", "power"), ("alpha", Keys.ARROW_RIGHT), ("kind", "two"), ("ratio", Keys.ARROW_RIGHT),
    ):  # fmt: skip
        type_into(page, name, "select" if name in ("activation", "kind") else ".noUi-handle", keys)


def test_what_is_refused_is_said_and_the_page_lives_on(page):
    choose(page, "of a data set")
    field = inside(page, "data", "input")
    # Emptied first, which is refused too, with another sentence.
    field.clear()
    field.send_keys("digts", Keys.ENTER)
    page.wait(f"""{MODEL} return model.visible && model.text.includes("did you mean 'digits'")""", "refusal")
    assert (
        "did you mean" in host(page, "refusal").text or "did you mean" in inside(page, "refusal", ".bk-clearfix").text
    )
    choose(page, "isotropic")
    page.wait(f"{MODEL} return !model.visible", "refusal")


def test_recorded_runs_lie_over_the_curves_and_the_regimes(page, runs):
    assert len(values(page, "measured regimes", "x")) == 6
    sizes = set(np.round(values(page, "measured regimes", "x") * 64))
    assert sizes == {32, 64, 128}
    after = type_into(page, "run", "select", "n=128", follows=("measured curves", "test"))
    page.wait(f"{MODEL} return model.value === 1", "psi_n")  # log2 of 128 / 64
    assert np.all((after > 0.1) & (after < 1.2))


def test_the_wait_is_short_enough(page):
    """A loose bound, for a machine that does other work too; benchmarks/bench_explore.py measures."""
    page.run(STOPWATCH, "t", "phases")
    handle = inside(page, "t", ".noUi-handle")
    for count in range(1, 6):
        handle.send_keys(Keys.ARROW_RIGHT)
        page.wait("return window.waits.length >= arguments[0]", count)
    waits = page.run("return window.waits")
    print("ms from slider to diagram in the browser:", [round(wait) for wait in waits])
    assert statistics.median(waits) < 3000


def test_on_a_phone_nothing_is_cut_off_and_a_tap_moves_the_network(page):
    page.resize(PHONE)
    page.wait("return document.querySelector('main').getBoundingClientRect().width < 390")
    assert page.sideways() == 0
    for name in PLOTS:
        box = page.wait(
            f"{MODEL} const box = Bokeh.index.find_one(model).el.getBoundingClientRect();"
            "return box.width <= 390 && box.left >= 0 && box.right <= 390 && [box.width, box.height]", name,
        )  # fmt: skip
        assert box[0] > 300 and box[1] > 250
    before = value(page, "psi_n")
    plot = host(page, "regimes")
    page.run("arguments[0].scrollIntoView({block: 'center'})", plot)
    box = page.run(
        "const box = arguments[0].getBoundingClientRect(); return [box.left, box.top, box.width, box.height]", plot
    )
    touch = {"x": box[0] + 0.8 * box[2], "y": box[1] + 0.3 * box[3]}
    page.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [touch]})
    page.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait(f"{MODEL} return Math.abs(model.value - arguments[1]) > 2", "psi_n", before)
    page.resize(DESKTOP)


def test_nothing_was_asked_of_the_internet_and_no_error_was_logged(page, address):
    asked = page.requests()
    assert any(a.startswith("ws://") for a in asked) and any("bokeh" in a for a in asked)
    here = address.removeprefix("http://")
    assert [a for a in asked if not a.startswith((f"http://{here}", f"ws://{here}"))] == []
    assert page.errors() == []


def test_a_port_in_use_is_refused_in_one_sentence(address):
    port = re.search(r"\d+", address.removeprefix("http://localhost"))[0]
    result = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, timeout=60)
    assert result.returncode == 2 and result.stdout == ""
    assert (
        result.stderr.strip() == f"genmem: port must be one that is free, but {port} was given: Address already in use"
    )
