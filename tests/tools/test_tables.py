"""Every command's tables at 80 columns: nothing is cut, and no word is broken."""

import io
import re
from dataclasses import replace

import keras
import pytest
from harness.install import needs
from tools.models import chain

import keras_maxpool as km

rich = needs("rich.console")

from keras_maxpool.tools.bench import cases as bench_cases  # noqa: E402
from keras_maxpool.tools.bench import measure, tables  # noqa: E402
from keras_maxpool.tools.console import shortened  # noqa: E402
from keras_maxpool.tools.convert import command as convert  # noqa: E402
from keras_maxpool.tools.convert.models import CannotConvertError  # noqa: E402
from keras_maxpool.tools.parity import report as parity  # noqa: E402
from keras_maxpool.tools.parity.faults import FAULTS, Finding  # noqa: E402
from keras_maxpool.tools.parity.outcome import Outcome, Result  # noqa: E402
from keras_maxpool.tools.report import report, text  # noqa: E402

LONG = "a_block_whose_name_is_rather_long/and_then_the_pooling_layer_in_its_end"
ERROR = "raised InvalidArgumentError: Value for attr 'T' of uint32 is not in the list of values"


def bench(console):
    every = [*bench_cases.CASES, *bench_cases.GROWTH]
    modes, directions = bench_cases.MODES["tensorflow"], bench_cases.DIRECTIONS
    settings = bench_cases.plan(every, modes, directions, bench_cases.OTHERS)
    rows = [measure.make_row(setting, [0.0123, 0.0134], [1.234, 2.345]) for setting in settings]
    tables.render(measure.Outcome(rows), console, every_row=True)
    words = {word for case in bench_cases.CASES for word in case.name.split()}
    return {*words, *modes, *directions, "geometric", "worst", "ratio"}


def parity_faults(console):
    # The table shows the first 120 characters of an error.
    parity.render(Outcome([Result("3D", "x")], [Finding(f, ERROR, "") for f in FAULTS]), console)
    return {word for f in FAULTS for word in f"{f.name} {f.builtin}: {f.ours}".split()}


def report_rows(console):
    layers = [
        km.MaxPooling3D((3, 3, 3), (2, 2, 2), 1, dilation_rate=2, name="volume"),
        km.AdaptiveMaxPooling3D((3, None, 5), name="adaptive"),
        keras.layers.GlobalAveragePooling3D(name="global"),
    ]
    done = report(chain((128, 160, 192, 64), *layers, name="net"))
    long = replace(done.rows[0], layer=LONG)
    text.show(replace(done, rows=(*done.rows, long)), console)
    cells = " ".join(cell for row in done.rows for cell in text.cells(row)).split()
    return {*cells, "layer", "window", "shapes"} - {"-"}


def convert_layers(console):
    swapped = {"[pool]": "GlobalMaxPooling2D", LONG: "MaxPooling3D"}
    kept = {"own": "Own is your own"}
    done = convert.Conversion(keras.Sequential(), swapped, kept, ("[pool]",), (LONG,))
    convert.render(done, "keras_maxpool", console)
    convert.refuse(CannotConvertError({LONG: "Own is your own", "pool": ERROR}), console)
    return {
        *["[pool]", "GlobalMaxPooling2D", "keras_maxpool", "note", "change", "ignored,", "stays"],
        *ERROR.split(),
    }


@pytest.mark.parametrize("show", [bench, parity_faults, report_rows, convert_layers])
def test_tables_are_readable(show):
    console = rich.Console(file=io.StringIO(), width=80, markup=show in (bench, parity_faults))
    words = show(console)
    shown = console.file.getvalue()
    assert max(len(line) for line in shown.splitlines() if line[:1] in "┏┃┡│├└") <= 80
    assert words - set(re.split(r"[\s│┃]+", shown)) == set()
    if show in (report_rows, convert_layers):
        assert re.search("a_block_.*….*_its_end", shown), "without its middle"


def test_a_name_keeps_both_ends():
    names = [shortened("abcdefghij", width) for width in (10, 9, 4)]
    assert names == ["abcdefghij", "abcd…ghij", "ab…j"]
