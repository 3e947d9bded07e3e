"""The panel of a page, where windows are tried, and the presets that it starts from."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape

from keras_maxpool.tools.page import fill

LARGEST = 16
"""Rows and columns of the panel's input at most."""

Pair = tuple[int, ...]
"""Rows and columns."""


@dataclass(frozen=True)
class Preset:
    """What the panel is set to.

    Attributes:
        name: what the preset is called.
        size: rows and columns of the input.
        pool_size: as the layer's argument.
        strides: as the layer's argument, the pool_size by default.
        padding: as the layer's argument: a name, or one pair per axis; so are the next two.
        dilation_rate: 1 by default.
        ceil_mode: False by default.
        view: "values", "indices" or "gradient".
        values: the rows of the input; random ones by default.
        says: what one sees, in words.
        then: the preset that a button beside the words leads to, and back.
    """

    name: str
    size: Pair
    pool_size: Pair
    strides: Pair | None = None
    padding: str | tuple[Pair, ...] = "valid"
    dilation_rate: Pair = (1, 1)
    ceil_mode: bool = False
    view: str = "values"
    values: tuple[tuple[int, ...], ...] | None = None
    says: str = ""
    then: "Preset | None" = None


def panel(presets: Sequence[Preset], start: str) -> str:
    """Returns the panel, as HTML, set to the first preset.

    `start` is HTML that chooses another one: a select, or buttons, named "preset", whose values count the presets.
    """
    data = escape(json.dumps([asdict(preset) for preset in presets]))
    return fill("panel.html", presets=data, start=start, largest=LARGEST)
