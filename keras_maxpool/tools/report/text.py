"""Renders a report as text: the cells of its table, which terminal and page share, and the terminal's output."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from rich import filesize
from rich.console import Console
from rich.table import Table

from keras_maxpool.tools.console import shortened
from keras_maxpool.tools.report.model import Report
from keras_maxpool.tools.report.receptive_field import Field, Unknown
from keras_maxpool.tools.report.rows import Row

COLUMNS = {
    "layer": "the names that lead to the layer, its package and class",
    "window": "elements of the window, its step, padding and dilation",
    "input": "shape without the batch axis",
    "output": "shape without the batch axis",
    "kept": "output positions over input positions",
    "dropped": "elements at the end of each axis that no window reaches",
    "overlap": "elements that a window shares with the next; below 0 there are gaps",
    "field": "receptive field: elements of the model's input that one output is computed from",
    "step": "elements of the model's input from one output to the next",
    "saved": "bytes of one sample's input, less those of the output",
}
"""The table's columns, with their meaning."""

OTHERS = 58
"""Columns of a terminal that the window, shapes and effect of a 2D layer take."""

UNKNOWN = "?"
AXES = ("depth", "height", "width")
NOTHING = "-"


def cells(row: Row) -> list[str]:
    """Returns one row of the table, in the order of COLUMNS; a cell may have several lines."""
    field = row.receptive_field
    return [
        f"{row.layer}\n{row.package} {row.kind}",
        "\n".join(_window(row)),
        _shape(row.input_shape),
        _shape(row.output_shape),
        UNKNOWN if row.kept is None else f"{row.kept:.1%}",
        _axes(row.dropped),
        _axes(row.overlap),
        field_text(field),
        _axes([_number(step) for step in field.steps]) if isinstance(field, Field) else UNKNOWN,
        UNKNOWN if row.bytes_saved is None else bytes_text(row.bytes_saved),
    ]


def field_text(field: Field | Unknown) -> str:
    """Returns a receptive field's sizes."""
    if isinstance(field, Unknown):
        return UNKNOWN
    return _by("all" if size is None else size for size in field.sizes)


def unknowns(report: Report) -> list[str]:
    """Returns why figures are not known, a line per layer and figure."""
    lines = []
    for row in report.rows:
        sizes = row.spatial_sizes or ()
        axes = AXES[-len(sizes) :] if len(sizes) > 1 else ("length",)
        unknown = [name for name, size in zip(axes, sizes, strict=False) if size is None]
        if unknown:
            names = f"{' and '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} None"
            lines.append(f"{row.layer}: what is kept, dropped and saved is not known: {names}")
        if isinstance(row.receptive_field, Unknown):
            reason = row.receptive_field.reason
            lines.append(f"{row.layer}: the receptive field is not known: {reason}")
    return lines


def bytes_text(count: int) -> str:
    """Returns a number of bytes, in the unit that suits it."""
    return ("-" if count < 0 else "") + filesize.decimal(abs(count), precision=2)


def total_saved(report: Report) -> str:
    """Returns the bytes that all rows together save."""
    known = [row.bytes_saved for row in report.rows if row.bytes_saved is not None]
    if not known:
        return UNKNOWN
    more = " and what is not known" if len(known) < len(report.rows) else ""
    return bytes_text(sum(known)) + more


def show(report: Report, console: Console) -> None:
    """Shows the table, the findings, and what is not known."""
    if not report.rows:
        console.print(f"{report.model} has no pooling layers")
    else:
        # What the other columns leave, and no less than a class's name takes.
        room = max(console.width - OTHERS, 22)
        names = [shortened(row.layer, room) for row in report.rows]
        table = Table(title=f"pooling layers of {report.model}", show_lines=True)
        table.add_column("layer", no_wrap=True)
        for heading in ("window", "shapes", "effect"):
            table.add_column(heading)
        for name, row in zip(names, report.rows, strict=True):
            table.add_row(f"{name}\n{row.package}\n{row.kind}", *_columns(row))
        console.print(table)
        console.print("field, step: in elements of the model's input", soft_wrap=True)
        console.print("saved: bytes of a sample's input, less those of the output", soft_wrap=True)
        console.print(f"saved for each sample: {total_saved(report)}")
    for line in unknowns(report):
        console.print(line, soft_wrap=True)
    console.print(f"findings: {len(report.findings)}")
    for finding in report.findings:
        console.print(
            f"- {finding.layer}: {finding.kind}: {finding.what}. {finding.do}", soft_wrap=True
        )


def _columns(row: Row) -> list[str]:
    """Returns a row's figures in few columns of several lines, so that they fit a narrow terminal."""
    cell = dict(zip(COLUMNS, cells(row), strict=True))

    def named(*names: str) -> list[str]:
        return [f"{name} {cell[name]}" for name in names if cell[name] != NOTHING]

    window = [cell["window"], *named("overlap")]
    shapes = [cell["input"], f"to {cell['output']}", *named("kept", "dropped")]
    return ["\n".join(lines) for lines in (window, shapes, named("field", "step", "saved"))]


def _window(row: Row) -> list[str]:
    lines = [row.pools]
    if row.strides:
        lines.append(f"strides {_by(row.strides)}")
        lines.append(row.padding if isinstance(row.padding, str) else f"pads {_pads(row.padding)}")
    if row.dilation_rate and max(row.dilation_rate) > 1:
        lines.append(f"dilation {_by(row.dilation_rate)}")
    if row.ceil_mode:
        lines.append("ceil mode")
    return lines


def _pads(pads: Sequence[tuple[int, int]]) -> str:
    return " x ".join(f"{before}+{after}" for before, after in pads)


def _shape(shape: Sequence[int | None] | None) -> str:
    if shape is None:
        return UNKNOWN
    return _by(UNKNOWN if size is None else size for size in shape[1:])


def _axes(values: Sequence[Any] | None) -> str:
    if values is None:
        return NOTHING
    return ", ".join(UNKNOWN if value is None else str(value) for value in values)


def _number(step: int | Fraction | None) -> str:
    return NOTHING if step is None else f"{float(step):.4g}"


def _by(parts: Any) -> str:
    return " x ".join(map(str, parts))
