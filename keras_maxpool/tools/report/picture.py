"""Draws how the receptive field grows, a bar per layer, as inline SVG that fits any width."""

from html import escape

from keras_maxpool.tools.report.model import Growth, Report
from keras_maxpool.tools.report.receptive_field import Unknown
from keras_maxpool.tools.report.text import field_text

HEIGHT = 24
"""Pixels from bar to bar."""


def picture(report: Report) -> str:
    """Returns the figure, as HTML; a sentence where there is no layer to show.

    Widths are shares of the picture's own, so that text keeps its size on a narrow screen.
    """
    if not report.growth:
        return '<p class="faint">There is no graph of layers to follow.</p>'
    pixels = _input_size(report)
    longest = max([pixels or 1, *(_extent(growth) or 1 for growth in report.growth)])
    bars = [_bar(index, growth, longest) for index, growth in enumerate(report.growth)]
    height = HEIGHT * len(bars)
    caption = "Elements of the input that one output is computed from, along its longest axis. "
    caption += "Pooling layers are orange, others blue; a dashed bar is not known."
    line = ""
    if pixels:
        share = f"{100 * pixels / longest:.2f}%"
        line = f'<line x1="{share}" x2="{share}" y1="0" y2="{height}"/>'
        caption += f" The dashed line is the input's own size, {pixels}; beyond it lies padding."
    return (
        f'<figure class="card growth"><figcaption>{caption}</figcaption>'
        f'<svg height="{height}" role="img" aria-label="receptive field by layer">{line}{"".join(bars)}</svg></figure>'
    )


def _bar(index: int, growth: Growth, longest: int) -> str:
    top = index * HEIGHT
    extent = _extent(growth)
    kinds = [
        name for name, holds in (("pools", growth.pools), ("unknown", extent is None)) if holds
    ]
    width = 100 if extent is None or extent == 0 else 100 * extent / longest
    text, size = escape(growth.layer), escape(field_text(growth.field))
    return (
        f'<g class="{" ".join(kinds)}"><title>{text}: {size}</title>'
        f'<rect x="0" y="{top + 2}" width="{width:.2f}%" height="{HEIGHT - 4}" rx="4"/>'
        f'<text x="8" y="{top + 17}">{text}</text>'
        f'<text class="size" x="99%" y="{top + 17}">{size}</text></g>'
    )


def _extent(growth: Growth) -> int | None:
    """Returns the size along the longest axis; 0 for the whole axis, None where it is not known."""
    if isinstance(growth.field, Unknown):
        return None
    sizes = growth.field.sizes
    return 0 if None in sizes else max(size or 0 for size in sizes)


def _input_size(report: Report) -> int | None:
    """Returns the size of the first input along its longest axis, if it is an image or a sequence of known size."""
    for shape in report.input_shapes[:1]:
        if len(shape) > 2 and None not in shape[1:]:
            return max(size or 0 for size in shape[1:])
    return None
