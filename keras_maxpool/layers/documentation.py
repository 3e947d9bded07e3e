"""The docstrings of the public layers, each put together from one text for all ranks and one for each argument.

A public class has its own summary and example. The text between them comes from the template in the docstring of its
family's base class. The template names arguments in braces; their entries come from the docstring of the family's op.
"""

import inspect
import re
from typing import Any

from keras_maxpool.layers.base import SpatialLayer

AXES = {1: "steps", 2: "height, width", 3: "depth, height, width"}
"""The spatial axes as a shape names them, by their number."""

INPUT_SHAPE = """`(batch, {axes}, channels)`, or `(batch, channels, {axes})` with
    `data_format="channels_first"`. The dtype is float16, bfloat16, float32, float64 or one of
    (u)int8 to (u)int64."""


def complete(cls: Any) -> str:
    """Returns the whole docstring of a public layer."""
    summary, example = inspect.cleandoc(cls.__doc__).split("\n\nExample:\n")
    # The template's first paragraph is about the base class.
    _, template = inspect.cleandoc(cls.__base__.__doc__).split("\n\n", 1)
    texts = entries(SpatialLayer) | entries(cls._documented_op)
    texts["input_shape"] = INPUT_SHAPE.format(axes=AXES[cls.rank])
    body = template.format(layer=cls.__name__, rank=cls.rank, **texts)
    return f"{summary}\n\n{body}\n\nExample:\n{example}"


def entries(documented: Any) -> dict[str, str]:
    """Returns the entries of a docstring's `Args:` by name, without their first line's indentation."""
    _, arguments = inspect.cleandoc(documented.__doc__).split("Args:\n", 1)
    section, *_ = re.split(r"\n\n", arguments)
    found = re.finditer(r"^    (\**(\w+): .*(?:\n {8}.*)*)", section, re.M)
    return {name: text for text, name in (match.groups() for match in found)}
