"""The report's page: what it says, what it lets run, and, in Chromium, what its panel starts from."""

import re
from html.parser import HTMLParser

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
