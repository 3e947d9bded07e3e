"""Renders a report as a page: figures, table, findings, receptive fields, and a panel set to the model's windows."""

from html import escape

from keras_maxpool.tools import page as pages
from keras_maxpool.tools.page.panel import LARGEST, Preset, panel
from keras_maxpool.tools.report.model import Report
from keras_maxpool.tools.report.picture import picture
from keras_maxpool.tools.report.rows import Row
from keras_maxpool.tools.report.text import COLUMNS, cells, total_saved, unknowns

EXAMPLE = Preset("an example", (8, 8), (3, 3), (2, 2), "same")


def page(report: Report) -> str:
    """Returns the page, as HTML. Names from a file stay text."""
    body = pages.fill(
        "report.html",
        model=escape(report.model),
        figures=_figures(report),
        headings="".join(
            f'<th scope="col" title="{escape(what)}">{name}</th>' for name, what in COLUMNS.items()
        ),
        rows="\n".join(map(_row, report.rows)),
        terms="".join(f"<dt>{name}</dt><dd>{what}</dd>" for name, what in COLUMNS.items()),
        findings=_findings(report),
        growth=picture(report),
        panel=_panel(report),
    )
    return pages.page(f"Pooling in {report.model}", body)


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


def _panel(report: Report) -> str:
    presets = _presets(report)
    options = "".join(
        f'<option value="{index}">{escape(preset.name)}</option>'
        for index, preset in enumerate(presets)
    )
    return panel(presets, f'<label>start from <select name="preset">{options}</select></label>')


def _presets(report: Report) -> list[Preset]:
    """Returns the panel's presets: the model's 2D windows, on inputs that are cropped as the model's are."""
    found = []
    for row in report.rows:
        pool, strides, dilation = row.pool_size, row.strides, row.dilation_rate
        if not pool or not strides or not dilation or len(pool) != 2 or row.padding == "causal":
            continue
        sizes = row.spatial_sizes or (None, None)
        size = tuple(map(_small, sizes, pool, strides, dilation))
        window = pool, strides, row.padding, dilation, row.ceil_mode
        found.append(Preset(row.layer, size, *window))
    return [*found, EXAMPLE]


def _small(size: int | None, pool: int, stride: int, dilation: int) -> int:
    """Returns a size that fits the panel, with the same remainder by the stride, so that as much is cropped."""
    size = 8 if size is None else size
    if size <= LARGEST:
        return size
    wanted = max(8, (pool - 1) * dilation + 1 + stride)
    return min(wanted + (size - wanted) % stride, LARGEST)
