"""keras-maxpool explain: the answer to "MaxPool or MaxPooling?", and a page to try windows and pitfalls on.

It needs no model, and so neither Keras nor TensorFlow.
"""

from html import escape
from pathlib import Path

from rich.console import Console

from keras_maxpool.tools import console as consoles
from keras_maxpool.tools import page as pages
from keras_maxpool.tools.atomic_file import draft
from keras_maxpool.tools.page.panel import Preset, panel

QUESTION = "MaxPool or MaxPooling?"
ANSWER = (
    "There is no difference. MaxPool2D and MaxPooling2D are two names of one layer, in Keras and in keras_maxpool, and "
    "the same holds in 1D and 3D. Write the one that you like: a saved model always says MaxPooling2D."
)
PROOF = """\
>>> keras.layers.MaxPool2D is keras.layers.MaxPooling2D
True
>>> keras_maxpool.MaxPool2D is keras_maxpool.MaxPooling2D
True"""

STROKE = (
    (0, 0, 0, 0, 0, 0, 0, 9),
    (0, 0, 0, 0, 0, 0, 9, 0),
    (0, 0, 0, 0, 0, 9, 0, 0),
    (0, 0, 0, 0, 9, 0, 0, 0),
    (0, 0, 0, 9, 0, 0, 0, 0),
    (0, 0, 9, 0, 0, 0, 0, 0),
    (0, 9, 0, 0, 0, 0, 0, 0),
    (9, 0, 0, 0, 0, 0, 0, 0),
)
"""A thin line."""

AFTER_RELU = (
    (0, 0, 5, 0, 0, 0),
    (0, 0, 0, 5, 0, 3),
    (2, 0, 0, 0, 7, 7),
    (0, 2, 0, 0, 7, 7),
    (0, 0, 4, 0, 0, 0),
    (0, 1, 0, 4, 0, 0),
)
"""Many equal values."""

START = Preset(
    "a window of 2",
    (8, 8),
    (2, 2),
    says="Windows of 2 by 2 lie side by side. Of each four values the largest is left.",
)

PITFALLS = (
    Preset(
        "wrong rank",
        (8, 4),
        (2, 2),
        says="A sequence of 8 steps with 4 features, as (8, 4, 1) in a 2D layer: rows are steps, columns are features. "
        "Each window mixes two features that have nothing to do with each other.",
        then=Preset(
            "fix: use MaxPool1D(2)",
            (8, 4),
            (2, 1),
            says="MaxPool1D(2) on (8, 4) pools along the steps alone: each feature keeps its own column.",
        ),
    ),
    Preset(
        "pooling too early",
        (8, 8),
        (4, 4),
        values=STROKE,
        says="A thin line, pooled by 4 before a convolution has read it. No layer after this one can tell "
        "it from two bright dots.",
        then=Preset(
            "fix: pool by 2, and later",
            (8, 8),
            (2, 2),
            values=STROKE,
            says="Pooled by 2, the line is still a line. Put convolutions first, and pool by 2 again after some more.",
        ),
    ),
    Preset(
        "data formats",
        (3, 8),
        (2, 2),
        says='An image of shape (3, 8, 8), its colours first, in a layer with data_format="channels_last": the three '
        "rows are red, green and blue. Windows mix red and green, and none reads blue.",
        then=Preset(
            'fix: use data_format="channels_first"',
            (8, 8),
            (2, 2),
            says='With data_format="channels_first" each colour is an image of its own, 8 by 8. This is one of them.',
        ),
    ),
    Preset(
        "pooling or strides",
        (8, 8),
        (1, 1),
        (2, 2),
        says="What a convolution of 1 by 1 with strides=2 reads, where it stands in for pooling: one value of four. No "
        "output depends on the others.",
        then=Preset(
            "fix: pool, then convolve",
            (8, 8),
            (2, 2),
            says="MaxPool2D(2) before the convolution reads every value. A convolution of 3 by 3 with strides=2 does, "
            "too: it learns what to keep, and has weights to train.",
        ),
    ),
    Preset(
        "ties",
        (6, 6),
        (2, 2),
        values=AFTER_RELU,
        says="After a ReLU many values are equal. The one that counts is filled: the first maximum of its window, row "
        "by row.",
        then=Preset(
            "show the gradient",
            (6, 6),
            (2, 2),
            view="gradient",
            values=AFTER_RELU,
            says="Each output sends a gradient of 1 to its window. keras_maxpool gives all of it to the first maximum, "
            "and nothing to its equals.",
        ),
    ),
    Preset(
        "an odd size",
        (7, 7),
        (2, 2),
        says="Windows of 2 do not fit into 7 rows and columns. The last row and column are dropped.",
        then=Preset(
            "fix: use ceil_mode=True",
            (7, 7),
            (2, 2),
            ceil_mode=True,
            says='The last windows hang over the end, and every value is read. padding="same" does so here, too.',
        ),
    ),
)


def main(html_file: Path | None) -> int:
    """Prints the answer, or writes the page; returns 0, or 2 for a file that cannot be written."""
    if html_file is None:
        console = Console(**consoles.PLAIN)
        for text in _lines():
            console.print(text, width=80)
        return 0
    notes = consoles.notes()
    try:
        with draft(html_file) as made:
            made.write_text(page(), encoding="utf-8")
    except OSError as error:
        notes.print(f"keras-maxpool: {html_file} cannot be written: {error.strerror}")
        return 2
    notes.print(f"wrote {html_file}: open it in a browser")
    return 0


def page() -> str:
    """Returns the page, as HTML."""
    presets = [START, *PITFALLS]
    buttons = "".join(
        f'<button type="button" name="preset" value="{index}">{escape(preset.name)}</button>'
        for index, preset in enumerate(presets)
    )
    body = pages.fill(
        "explain.html", answer=escape(ANSWER), proof=escape(PROOF), panel=panel(presets, buttons)
    )
    return pages.page(QUESTION, body)


def _lines() -> list[str]:
    pitfalls = ", ".join(pitfall.name for pitfall in PITFALLS)
    return [
        QUESTION,
        "",
        ANSWER,
        "",
        PROOF,
        "",
        "To try windows, strides, padding, dilation and ceil mode, and the pitfalls "
        f"({pitfalls}), write a page and open it in a browser:",
        "",
        "  keras-maxpool explain --html explain.html",
    ]
