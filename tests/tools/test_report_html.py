"""The report's page: what it says, what it lets run, and, in Chromium, that its panel pools as the layer does."""

import re
import shutil
from html.parser import HTMLParser

import keras
import numpy as np
import pytest
from harness.install import needs
from tools.models import chain

import keras_maxpool as km
from keras_maxpool.tools.report import report
from keras_maxpool.tools.report.html import page

layers = keras.layers
HOSTILE = "<script>alert(1)<img src=x onerror=alert(2)>\"'&"


@pytest.fixture(scope="module")
def html():
    steps = [
        layers.Conv2D(4, 3, name="conv"),
        layers.MaxPooling2D(2, name=HOSTILE),
        km.MaxPool2D(3, strides=2, padding=((1, 0), (0, 1)), name="a_pool_with_a_long_name" * 4),
        layers.Lambda(lambda x: x, name=f"lambda{HOSTILE}"),
        km.MaxPool2D(2, ceil_mode=True, name="lost"),
    ]
    return page(report(chain((30, 31, 3), *steps, name=HOSTILE)))


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def test_names_are_text_and_nothing_is_fetched(html):
    tags = Tags(html).tags
    names = [tag for tag, _ in tags]
    assert (names.count("script"), names.count("img")) == (1, 0)
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert [a[name] for _, a in tags for name in ("src", "href") if name in a] == ["data:,"]
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest", html)
    assert "default-src 'none'" in html
    widths = [attributes["width"] for tag, attributes in tags if tag == "rect"]
    # A convolution and three poolings: 3, 4 and 8 of the input's 31, and one that is not known.
    assert widths == ["9.68%", "12.90%", "25.81%", "100.00%"]
    assert sum(attributes.get("data-label") == "layer" for _, attributes in tags) == 3


@pytest.fixture(scope="module")
def browser(html, tmp_path_factory):
    selenium = needs("selenium.webdriver")
    programs = [shutil.which("chromium"), shutil.which("chromedriver")]
    if None in programs:
        pytest.skip("needs Chromium: apt-get install chromium chromium-driver")
    from selenium.webdriver.chrome.service import Service

    options = selenium.ChromeOptions()
    options.binary_location = programs[0]
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = selenium.Chrome(options=options, service=Service(programs[1]))
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(html, encoding="utf-8")
    driver.get(file.as_uri())
    yield driver
    driver.quit()


def test_loads_without_errors_and_fits_its_window(browser):
    assert browser.get_log("browser") == []
    assert browser.title == f"Pooling in {HOSTILE}"
    assert browser.execute_script("return document.images.length") == 0
    for width in (400, 1280):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        root = "document.documentElement"
        script = f"return [innerWidth, {root}.clientWidth, {root}.scrollWidth]"
        whole, room, used = browser.execute_script(script)
        assert whole == width
        assert used == room, "nothing to scroll to"


def drawn(rng):
    def pair(low, high):
        return [int(n) for n in rng.integers(low, high, 2)]

    padding = str(rng.choice(["valid", "same", "same_lower", "explicit"]))
    explicit = padding == "explicit"
    return {
        # Few values, so that windows have several largest ones.
        "values": rng.integers(0, 9, pair(3, 13)).tolist(),
        "pool_size": pair(1, 5),
        "strides": pair(1, 5),
        "dilation_rate": pair(1, 4),
        "padding": [pair(0, 3), pair(0, 3)] if explicit else padding,
        "ceil_mode": padding in ("valid", "explicit") and bool(rng.integers(2)),
    }


POOL = "try { return keras_maxpool.pool(arguments[0]) } catch (e) { return e.message }"


def test_panel_pools_as_the_layer_does(browser):
    rng = np.random.default_rng(11)
    refused = 0
    for _ in range(80):
        settings = drawn(rng)
        x = np.array(settings["values"], "float32")[None, ..., None]
        options = {key: value for key, value in settings.items() if key != "values"}
        told = browser.execute_script(POOL, settings)
        try:
            values, indices = km.MaxPool2D(**options, return_indices=True)(x)
        except ValueError:
            refused += 1
            assert isinstance(told, str), settings
            continue
        assert told["shape"] == list(values.shape[1:3]), settings
        indices = np.asarray(indices)[0, ..., 0]
        np.testing.assert_array_equal(told["indices"], indices, str(settings))
        shown = [[np.nan if value is None else value for value in row] for row in told["values"]]
        expected = np.where(indices < 0, np.nan, np.asarray(values)[0, ..., 0])
        np.testing.assert_array_equal(shown, expected, str(settings))
    assert 80 - refused >= 50
    assert refused >= 3


def test_panel_follows_its_fields(browser):
    script = """
        const panel = document.getElementById("panel");
        for (const [name, value] of Object.entries(arguments[0])) {
          const field = panel.querySelector(`[name="${name}"]`);
          field.value = value;
          field.dispatchEvent(new Event("input", {bubbles: true}));
        }
        const [input, output] = panel.querySelectorAll("svg");
        const count = (svg, kind) => svg.querySelectorAll(kind).length;
        return [panel.querySelector("output").textContent, count(input, ".pad"), count(input, ".window"),
          count(input, ".unread"), count(output, ".cell"), panel.classList.contains("wrong")];
    """
    pairs = {"size": (7, 8), "pool_size": (2, 3), "strides": (3, 2), "dilation_rate": (1, 1)}
    fields = {f"{name}_rows": rows for name, (rows, _) in pairs.items()} | {"padding": "valid"}
    fields |= {f"{name}_columns": columns for name, (_, columns) in pairs.items()}
    text, pads, window, unread, cells, wrong = browser.execute_script(script, fields)
    assert text.startswith("7 x 8 becomes 2 x 3. Padding: 0 above, 0 below, 0 left, 0 right.")
    # Rows 2, 5 and 6 are read by no window, nor is column 7.
    assert (pads, window, unread, cells, wrong) == (0, 6, 3 * 8 + 4, 6, False)
    text, pads, *_, cells, wrong = browser.execute_script(script, {"padding": "same"})
    assert text.startswith("7 x 8 becomes 3 x 4. Padding: 0 above, 1 below, 0 left, 1 right.")
    assert (pads, cells, wrong) == (8 * 9 - 7 * 8, 12, False)
    text, *_, wrong = browser.execute_script(script, {"padding": "valid", "pool_size_rows": 9})
    assert text == "Not possible: the window spans 9 and is larger than its input."
    assert wrong
    assert browser.get_log("browser") == []
