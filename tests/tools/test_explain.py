"""explain: the answer, and the page and its panel in Chromium, against the NumPy reference."""

import ast
import doctest
import itertools

import keras
import numpy as np
import pytest
from harness import browser as pages
from harness.install import needs
from harness.processes import run_code
from reference import unpooling, windows

import keras_maxpool
from keras_maxpool.tools import explain

CHILD = """
import sys, types
from pathlib import Path
# The package without what its __init__ imports.
for name, path in (("keras_maxpool", {root!r}), ("keras_maxpool.tools", {root!r} + "/tools")):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [path]
from keras_maxpool.tools import explain
assert explain.main(None) == explain.main(Path({file!r})) == 0
names = {{name.partition(".")[0] for name in sys.modules}}
assert not names & {{"jax", "keras", "numpy", "tensorflow", "torch"}}, names
"""


def test_answer_and_page_without_a_framework(tmp_path, capsys):
    file = tmp_path / "page.html"
    done = run_code(CHILD.format(root=keras_maxpool.__path__[0], file=str(file)))
    assert (done.returncode, done.stderr) == (0, f"wrote {file}: open it in a browser\n")
    assert file.read_text("utf-8") == explain.page()
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert " ".join(explain.ANSWER.split()) in " ".join(done.stdout.split())
    assert lines[-1] == "  keras-maxpool explain --html explain.html"
    named = {"keras": keras, "keras_maxpool": keras_maxpool}
    proof = doctest.DocTestParser().get_doctest(done.stdout, named, "proof", None, 0)
    assert doctest.DocTestRunner().run(proof) == (0, 2)
    assert explain.main(tmp_path / "none" / "page.html") == 2
    assert "page.html cannot be written: No such file" in capsys.readouterr().err


@pytest.fixture(scope="module")
def browser():
    with pages.chromium() as driver:
        yield driver


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "explain.html"
    path.write_text(explain.page(), encoding="utf-8")
    return path


def of_panel(driver, what):
    return driver.execute_script(f"const panel = document.getElementById('panel'); return {what}")


def told(driver):
    """What the panel says: about the preset, and about the window."""
    return [
        of_panel(driver, f"panel.querySelector('{of}').textContent") for of in (".said", "output")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_each_pitfall_fits_and_can_be_read(browser, file, width, scheme):
    pages.show(browser, file, width, prefers_color_scheme=scheme)
    buttons = browser.find_elements("css selector", "button[name=preset]")
    for button, preset in zip(buttons, [explain.START, *explain.PITFALLS], strict=True):
        button.click()
        for shown in filter(None, (preset, preset.then)):
            if shown is preset.then:
                browser.find_element("name", "then").click()
            said, window = told(browser)
            assert said == shown.says
            assert f": {' x '.join(map(str, shown.size))} becomes " in window
            pages.check_fits(browser)
            pages.check_contrast(browser)
    pages.check_quiet(browser, file)


READ = """
const panel = document.getElementById("panel");
for (const [name, value] of Object.entries(arguments[0])) {
  const field = panel.querySelector(`[name="${name}"]`);
  if (field.type === "checkbox") field.checked = value; else field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
if (panel.classList.contains("wrong")) return panel.querySelector("output").textContent;
const [input, output] = panel.querySelectorAll("svg");
const texts = (svg, kind = ".cell:not(.pad)") =>
  [...svg.querySelectorAll(`${kind} text`)].map((text) => text.textContent);
const first = input.querySelector(".cell:not(.pad) rect");
const corner = ["y", "x"].map((axis) => Math.floor(first.getAttribute(axis)));
const found = { said: panel.querySelector("output").textContent, corner };
for (const view of ["gradient", "values", "indices"]) {
  panel.querySelector(`[value="${view}"]`).click();
  found[view] = [texts(input), texts(output)];
}
for (const kind of ["window", "unread", "here"]) found[kind] = texts(input, `.${kind}:not(.pad)`);
return found;
"""


def numbers(texts):
    return np.array([float(text or "nan") for text in texts])


def drawn(rng, size):
    """The settings of a panel, by the names of its fields; the arguments of the reference."""
    pool, strides = rng.integers(1, 5, (2, 2)).tolist()
    dilation = rng.integers(1, 4, 2).tolist()
    pads = rng.integers(0, 3, (2, 2)).tolist()
    name = str(rng.choice(["valid", "same", "same_lower", "explicit"]))
    ceil = name in ("valid", "explicit") and bool(rng.integers(2))
    fields = {"padding": name, "ceil_mode": ceil, "window": 0}
    fields |= dict(zip(("top", "bottom", "left", "right"), itertools.chain(*pads), strict=True))
    pairs = {"size": size, "pool_size": pool, "strides": strides, "dilation_rate": dilation}
    for key, (rows, columns) in pairs.items():
        fields |= {f"{key}_rows": rows, f"{key}_columns": columns}
    return fields, (pool, strides, pads if name == "explicit" else [name] * 2, dilation, ceil)


def geometries(size, pool, strides, padding, dilation, ceil):
    """The reference's axes, or None for what no layer takes."""
    for pads, elements, step in zip(padding, pool, dilation, strict=True):
        if not isinstance(pads, str) and max(pads) > (elements - 1) * step:
            return None
    try:
        return list(map(windows.geometry, size, pool, strides, padding, dilation, [ceil, ceil]))
    except ValueError:
        return None


def read_along(axis, size, pool, stride, dilation):
    """For each window along an axis, the elements that it reads."""
    starts = [at * stride - axis.before for at in range(axis.output_size)]
    return [sorted({s + i * dilation for i in range(pool)} & set(range(size))) for s in starts]


@pytest.mark.slow
def test_panel_pools_as_the_reference_does(browser, file):
    pages.show(browser, file, 1280)
    rng = np.random.default_rng(11)
    start, *_, ties, _ = browser.find_elements("css selector", "button[name=preset]")
    refused = nowhere = 0
    for attempt in range(60):
        [start, ties][attempt % 2].click()
        size = [6, 6] if attempt % 2 else rng.integers(1, 13, 2).tolist()
        fields, arguments = drawn(rng, size)
        pool, strides, _, dilation, _ = arguments
        axes = geometries(size, *arguments)
        if axes is None:
            refused += 1
            assert browser.execute_script(READ, fields).startswith("Not possible: "), fields
            continue
        outputs = [axis.output_size for axis in axes]
        empty = windows.pool(np.zeros((1, *size, 1)), *arguments).indices.ravel() < 0
        window = int(empty.argmax() if empty.any() else rng.integers(empty.size))
        nowhere += empty.any()
        shown = browser.execute_script(READ, fields | {"window": window})

        x = numbers(shown["values"][0]).reshape(1, *size, 1)
        expected = windows.pool(x, *arguments)
        values, indices = (part.ravel() for part in expected)
        gradient = unpooling.gradient(x.shape, expected.indices, np.ones_like(expected.values))
        for view, pair in {
            "values": (x, np.where(indices < 0, np.nan, values)),
            "indices": (np.arange(x.size), indices),
            "gradient": (gradient, np.ones(indices.size)),
        }.items():
            for texts, wanted in zip(shown[view], pair, strict=True):
                np.testing.assert_array_equal(numbers(texts), wanted.ravel(), str(fields))

        # The layer that it names has these windows, too.
        layer = shown["said"].partition("): ")[0] + ")"
        call = ast.parse(layer, mode="eval").body
        named = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
        again = windows.pool(x, ast.literal_eval(call.args[0]), **named)
        np.testing.assert_array_equal(again.indices, expected.indices, layer)
        (top, bottom), (left, right) = [(axis.before, axis.after) for axis in axes]
        assert shown["corner"] == [top, left], fields
        assert ("only padding" in shown["said"]) == empty[window], fields
        said = f"Padding: {top} above, {bottom} below, {left} left, {right} right."
        assert (said in shown["said"]) == any((top, bottom, left, right)), fields

        # What the window reads, what none reads, and the winner.
        read = list(map(read_along, axes, size, pool, strides, dilation))
        cells = np.arange(x.size).reshape(size)
        of_window = [
            along[at] for along, at in zip(read, np.unravel_index(window, outputs), strict=True)
        ]
        of_all = [sorted(set().union(*along)) for along in read]
        assert set(numbers(shown["window"])) == set(cells[np.ix_(*of_window)].ravel()), fields
        assert set(numbers(shown["unread"])) == {*cells.ravel()} - {*cells[np.ix_(*of_all)].ravel()}
        assert list(numbers(shown["here"])) == [i for i in indices[[window]] if i >= 0], fields
    assert 3 <= refused <= 20
    assert nowhere > 0
    pages.check_quiet(browser, file)


@pytest.mark.slow
def test_keyboard(browser, file):
    keys = needs("selenium.webdriver.common.keys").Keys
    chains = needs("selenium.webdriver.common.action_chains").ActionChains

    def press(*pressed):
        chains(browser).send_keys(*pressed).perform()

    def go(name, value=None):
        """Tabs to a field; what has the focus has an outline."""
        for _ in range(40):
            press(keys.TAB)
            field = browser.switch_to.active_element
            shown = field.get_attribute("value")
            if field.get_attribute("name") == name and value in (None, shown):
                assert field.value_of_css_property("outline-style") == "solid"
                return field
        raise AssertionError(f"no Tab leads to {name}")

    pages.show(browser, file, 1280, prefers_reduced_motion="no-preference")
    ties = explain.PITFALLS[4]
    assert go("preset", "5").get_attribute("aria-pressed") == "false"
    press(keys.ENTER)
    then = go("then")
    press(keys.SPACE)
    assert told(browser)[0] == ties.then.says
    assert then.get_attribute("aria-pressed") == "true"
    assert go("view").get_attribute("value") == "gradient"
    go("window")
    press(keys.ARROW_RIGHT, keys.ARROW_RIGHT)
    assert "Window 3 of 9" in told(browser)[1]
    play = go("play")
    press(keys.ENTER)
    assert play.text == "pause"
    wait = needs("selenium.webdriver.support.wait").WebDriverWait
    wait(browser, 10).until(lambda _: "Window 1 of 9" in told(browser)[1])
    go("pool_size_rows")
    press(keys.ARROW_UP)
    assert told(browser)[1].startswith("MaxPool2D((3, 2), strides=2): 6 x 6 becomes 2 x 3.")
    unnamed = "filter((field) => !field.ariaLabel && !field.labels.length)"
    assert of_panel(browser, f"[...panel.querySelectorAll('input, select')].{unnamed}") == []
    pages.show(browser, file, 1280, prefers_reduced_motion="reduce")
    assert not browser.find_element("name", "play").is_displayed()


def test_touch(browser, file):
    def tap(css, index=0):
        field = browser.find_elements("css selector", css)[index]
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", field)
        box = browser.execute_script("return arguments[0].getBoundingClientRect()", field)
        assert min(box["width"], box["height"]) >= (44 if field.tag_name == "button" else 24)
        point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        for kind, points in (("touchStart", [point]), ("touchEnd", [])):
            options = {"type": kind, "touchPoints": points}
            browser.execute_cdp_cmd("Input.dispatchTouchEvent", options)

    pages.show(browser, file, 400, touch=True)
    tap("button[name=preset]", 6)
    assert told(browser)[0] == explain.PITFALLS[5].says
    tap("button[name=then]")
    ceiled = "MaxPool2D(2, ceil_mode=True): 7 x 7 becomes 4 x 4."
    hanging = "The last windows hang over by 1 below, 1 right."
    assert told(browser)[1].startswith(f"{ceiled} {hanging}")
    assert of_panel(browser, "panel.querySelectorAll('.pad').length") == 8 + 7
    tap("svg[aria-label='the output'] .cell", 6)
    assert "Window 7 of 16" in told(browser)[1]
    tap(".choice label", 2)
    tap(".check")
    assert told(browser)[1].startswith("MaxPool2D(2): 7 x 7 becomes 3 x 3.")
    assert of_panel(browser, "panel.querySelectorAll('svg')[1].textContent") == "1" * 9
    pages.check_fits(browser)
    pages.check_quiet(browser, file)
