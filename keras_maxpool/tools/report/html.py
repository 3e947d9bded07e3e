"""Renders a report as one page that needs nothing else: no network, no fonts, no libraries."""

import base64
import hashlib
import json
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from keras_maxpool.tools.report.model import Report
from keras_maxpool.tools.report.picture import picture
from keras_maxpool.tools.report.rows import Row
from keras_maxpool.tools.report.text import COLUMNS, cells, total_saved, unknowns

LARGEST = 16
"""Rows and columns of the panel's input at most."""

EXAMPLE = {
    "name": "an example",
    "size": (8, 8),
    "pool_size": (3, 3),
    "strides": (2, 2),
    "padding": "same",
    "dilation_rate": (1, 1),
    "ceil_mode": False,
}


def page(report: Report) -> str:
    """Returns the page, as HTML. It runs its own script and style alone: names from a file stay text."""
    data = files("keras_maxpool.tools.report").joinpath("page")
    css, template = (data.joinpath(name).read_text("utf-8") for name in ("page.css", "page.html"))
    js = "".join(data.joinpath(name).read_text("utf-8") for name in ("pooling.js", "panel.js"))
    return Template(template).substitute(
        model=escape(report.model),
        css=css,
        css_hash=_hash(css),
        js=js,
        js_hash=_hash(js),
        figures=_figures(report),
        headings="".join(
            f'<th scope="col" title="{escape(what)}">{name}</th>' for name, what in COLUMNS.items()
        ),
        rows="\n".join(map(_row, report.rows)),
        terms="".join(f"<dt>{name}</dt><dd>{what}</dd>" for name, what in COLUMNS.items()),
        findings=_findings(report),
        growth=picture(report),
        presets=escape(json.dumps(_presets(report))),
        largest=LARGEST,
    )


def _hash(text: str) -> str:
    """Returns the hash by which a Content-Security-Policy allows a script or style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _figures(report: Report) -> str:
    figures = {
        "pooling layers": len(report.rows),
        "findings": len(report.findings),
        "saved for each sample": total_saved(report),
    }
    return "\n".join(
        f'<div class="card"><dt>{name}</dt><dd>{value}</dd></div>'
        for name, value in figures.items()
    )


def _row(row: Row) -> str:
    return (
        "<tr>"
        + "".join(
            f'<td data-label="{name}">{escape(text)}</td>'
            for name, text in zip(COLUMNS, cells(row), strict=True)
        )
        + "</tr>"
    )


def _findings(report: Report) -> str:
    items = "\n".join(
        f"<li><b>{escape(finding.layer)}: {escape(finding.kind)}</b>"
        f"<p>{escape(finding.what)}.</p><p>{escape(finding.do)}</p></li>"
        for finding in report.findings
    )
    found = f'<ul class="findings">{items}</ul>' if items else "<p>Nothing looks wrong.</p>"
    notes = "".join(f"<li>{escape(line)}</li>" for line in unknowns(report))
    return found + (f'<ul class="notes">{notes}</ul>' if notes else "")


def _presets(report: Report) -> list[dict[str, Any]]:
    """Returns the panel's examples: the model's 2D windows, on inputs that are cropped as the model's are."""
    found = []
    for row in report.rows:
        if row.pool_size is None or len(row.pool_size) != 2 or row.padding == "causal":
            continue
        sizes = row.spatial_sizes or (None, None)
        found.append(
            {
                "name": row.layer,
                "size": [
                    _small(*of_axis)
                    for of_axis in zip(
                        sizes,
                        row.pool_size,
                        row.strides or (),
                        row.dilation_rate or (),
                        strict=True,
                    )
                ],
                "pool_size": row.pool_size,
                "strides": row.strides,
                "padding": row.padding,
                "dilation_rate": row.dilation_rate,
                "ceil_mode": row.ceil_mode,
            }
        )
    return [*found, EXAMPLE]


def _small(size: int | None, pool: int, stride: int, dilation: int) -> int:
    """Returns a size that fits the panel, with the same remainder by the stride, so that as much is cropped."""
    size = 8 if size is None else size
    if size <= LARGEST:
        return size
    wanted = max(8, (pool - 1) * dilation + 1 + stride)
    return min(wanted + (size - wanted) % stride, LARGEST)
