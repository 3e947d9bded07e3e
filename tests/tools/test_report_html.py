"""The report's page: what it says, what it lets run, and, in Chromium, what its panel starts from."""

import re

import keras
import pytest
from harness import browser as pages
from tools.models import chain

import keras_maxpool as km
from keras_maxpool.tools.report import report
from keras_maxpool.tools.report.html import page

layers = keras.layers
LONG = "a_pool_with_a_long_name" * 4
HOSTILE = "<script>alert(1)<img src=x onerror=alert(2)>\"'&"


@pytest.fixture(scope="module")
def html():
    steps = [
        layers.Conv2D(4, 3, name="conv"),
        layers.MaxPooling2D(2, name=HOSTILE),
        km.MaxPool2D(3, strides=2, padding=((1, 0), (0, 1)), name=LONG),
        layers.Lambda(lambda x: x, name=f"lambda{HOSTILE}"),
        km.MaxPool2D(2, ceil_mode=True, name="lost"),
    ]
    return page(report(chain((30, 31, 3), *steps, name=HOSTILE)))


# As text, quotes included, with the backslashes of JSON and of Python.
ESCAPED = r"&lt;script&gt;alert\(1\)&lt;img src=x onerror=alert\(2\)&gt;\\*&quot;\\*&#x27;&amp;"


def test_names_are_text_and_nothing_is_fetched(html):
    own = re.sub(ESCAPED, "", html)
    assert (own.count("<script"), own.count("href="), own.count('href="data:,"')) == (1, 1, 1)
    assert not re.search(r"alert|<img| src=| on\w+=|@import|url\(|fetch\(|XMLHttpRequest", own)
    assert "default-src 'none'" in html
    widths = re.findall(r'<rect[^>]* width="(.*?)"', html)
    # A convolution and three poolings: 3, 4 and 8 of the input's 31, and one that is not known.
    assert widths == ["9.68%", "12.90%", "25.81%", "100.00%"]
    assert html.count('data-label="layer"') == 3


def test_in_chromium(html, tmp_path):
    """It fits its window and can be read, and its panel starts from the model's windows. test_explain has the rest."""
    file = tmp_path / "report.html"
    file.write_text(html, encoding="utf-8")
    with pages.chromium() as browser:
        for width, scheme in ((400, "dark"), (1280, "light"), (400, "light"), (1280, "dark")):
            pages.show(browser, file, width, prefers_color_scheme=scheme)
            pages.check_fits(browser)
            pages.check_contrast(browser)
        assert browser.title == f"Pooling in {HOSTILE}"
        assert browser.execute_script("return document.images.length") == 0
        options = browser.find_elements("css selector", "select[name=preset] option")
        assert [option.text for option in options] == [HOSTILE, LONG, "lost", "an example"]
        said = browser.find_element("css selector", "#panel output")
        # Of 28 x 29 as many rows and columns are cropped as of 8 x 9, and of 14 x 14 all are shown.
        assert said.text.startswith("MaxPool2D(2): 8 x 9 becomes 4 x 4. Window 1 of 16:")
        options[1].click()
        layer = "MaxPool2D(3, strides=2, padding=((1, 0), (0, 1)))"
        assert said.text.startswith(f"{layer}: 14 x 14 becomes 7 x 7. Padding: 1 above, 0 below")
        options[2].click()
        assert said.text.startswith("MaxPool2D(2, ceil_mode=True): 7 x 7 becomes 4 x 4.")
        pages.check_quiet(browser, file)
