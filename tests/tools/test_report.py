"""keras-maxpool report: rows, findings, the command and its files, on models whose figures can be counted by hand."""

import io
import itertools
import json
import os
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from harness.commands import check_piped, complaint
from harness.install import needs
from harness.runner import as_arrays
from tools.models import chain, files, tokens

import keras_maxpool as km
from keras_maxpool.tools.cli import main
from keras_maxpool.tools.report import Unknown, report

layers = keras.layers


def rows(shape, *steps, dtype="float32"):
    return report(chain(shape, *steps, dtype=dtype)).rows


def by_hand(row, x, layer):
    """Shapes, share and bytes as a call shows them."""
    outputs = as_arrays(layer(x))
    assert row.input_shape == (None, *x.shape[1:])
    assert row.output_shape == (None, *outputs[0].shape[1:])
    assert row.bytes_saved == (x.nbytes - sum(output.nbytes for output in outputs)) / len(x)


def test_both_homes_in_every_rank():
    for home, rank in itertools.product((layers, km), (1, 2, 3)):
        sizes, twos = (9, 8, 7)[:rank], (2,) * rank
        x = np.zeros((2, *sizes, 3), "float32")
        for name, left in (("MaxPooling", (4, 4, 3)[:rank]), ("GlobalMaxPooling", (1,))):
            layer = getattr(home, f"{name}{rank}D")(name="pool")
            (row,) = rows(x.shape[1:], layer)
            by_hand(row, x, layer)
            assert (row.layer, row.kind) == ("pool", f"{name}{rank}D")
            assert row.package == ("keras" if home is layers else "keras_maxpool")
            assert row.kept == pytest.approx(np.prod(left) / np.prod(sizes))
            if name == "MaxPooling":
                assert (row.pool_size, row.strides, row.padding) == (twos, twos, "valid")
                assert (row.dropped, row.overlap) == ((1, 0, 1)[:rank], (0,) * rank)
            else:
                assert (row.pools, row.pool_size, row.dropped) == ("all", None, None)


def test_adaptive_fractional_indices_and_dtypes():
    half = {"dtype": "float16"}
    # Keras 3.7 has no adaptive pooling.
    builtin = getattr(layers, "AdaptiveAveragePooling2D", km.AdaptiveMaxPool2D)
    for layer, pools in (
        (builtin((4, 3), **half), "to 4 x 3"),
        (km.AdaptiveMaxPool2D((5, None), **half), "to 5 x as it is"),
        (km.FractionalMaxPool2D(1.44, **half), "about 1.44 x 1.44"),
        (km.MaxPool2D(2, return_indices=True, **half), "2 x 2"),
    ):
        (row,) = rows((10, 12, 3), layer, **half)
        by_hand(row, np.zeros((2, 10, 12, 3), "float16"), layer)
        assert row.pools == pools


def test_edges_and_overlap():
    """The dropped are the last elements that change nothing, however large they are."""
    for size, strides, more, dropped, overlap in (
        (3, 2, {}, 1, 1),
        (3, 2, {"padding": "same"}, 0, 1),
        (3, 2, {"padding": ((0, 1),)}, 0, 1),
        (3, 3, {"padding": ((1, 0),)}, 2, 0),
        (2, 4, {}, 0, -2),
        (3, 3, {"dilation_rate": 2}, 2, 2),
        (3, 2, {"ceil_mode": True}, 0, 1),
        (4, 4, {"padding": 1}, 0, 0),
    ):
        layer = km.MaxPool1D(size, strides, **more)
        (row,) = rows((10, 1), layer)
        matters = np.asarray(layer(np.eye(10, dtype="float32")[..., None])).any((1, 2))
        assert dropped == matters[::-1].argmax()
        assert (row.dropped, row.overlap) == ((dropped,), (overlap,)), (size, strides, more)
        assert row.ceil_mode is ("ceil_mode" in more)


def test_nested_shared_and_wrapped():
    convolution, pool = layers.Conv2D(4, 3, name="c"), km.MaxPool2D(name="p")
    block = chain((None, None, 4), convolution, pool, name="block")
    frames = layers.TimeDistributed(layers.MaxPool2D(name="inner"), name="frames")
    one = layers.Lambda(lambda x: x[:, 0], output_shape=(15, 15, 4))
    found = {row.layer: row for row in rows((3, 30, 30, 4), frames, one, block, block)}
    assert list(found) == ["frames/inner", "block/p", "block/p (call 2)"]
    assert found["frames/inner"].input_shape == (None, 30, 30, 4)
    assert found["frames/inner"].bytes_saved == 3 * (900 - 225) * 4 * 4, "for three frames"
    # The block's own input knows no sizes; its calls do.
    assert found["block/p"].input_shape == (None, 13, 13, 4)
    assert found["block/p (call 2)"].output_shape == (None, 2, 2, 4)
    flat = rows((30, 30, 4), *[layers.Conv2D(4, 3), km.MaxPool2D(), layers.Conv2D(4, 3), pool])
    nested = rows((30, 30, 4), block, block)
    assert [row.receptive_field for row in nested] == [row.receptive_field for row in flat]


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.pool = km.MaxPool2D(3, strides=2, name="pool")

    def call(self, inputs):
        return self.pool(inputs)


@pytest.mark.filterwarnings("ignore:`build..` was called on layer")
def test_sizes_that_are_not_known():
    model = Subclassed()
    (row,) = report(model).rows
    assert (row.layer, row.pool_size, row.input_shape) == ("pool", (3, 3), None)
    assert (row.kept, row.dropped, row.bytes_saved) == (None, None, None)
    model(np.zeros((1, 8, 9, 2), "float32"))
    (row,) = report(model).rows
    sizes = row.input_shape, row.output_shape, row.dropped
    assert sizes == ((1, 8, 9, 2), (1, 3, 4, 2), (1, 0))
    assert row.receptive_field == Unknown("Subclassed is a class with code of its own")
    assert "call" not in vars(model.pool), "the model stays as it was"
    # Keras traces it without a batch, on each backend in another way.
    model = Subclassed()
    model.build((None, 8, 9, 2))
    (row,) = report(model).rows
    assert (row.input_shape, row.output_shape) == ((None, 8, 9, 2), (None, 3, 4, 2))
    assert row.bytes_saved == 4 * 2 * (8 * 9 - 3 * 4)
    (row,) = rows((None, 9, 3), km.MaxPool2D(2))
    assert (row.input_shape, row.output_shape) == ((None, None, 9, 3), (None, None, 4, 3))
    assert (row.kept, row.bytes_saved, row.dropped) == (None, None, (None, 1))


def shown(done):
    """The text, and the page's picture."""
    rich = needs("rich.console")
    from keras_maxpool.tools.report.picture import picture
    from keras_maxpool.tools.report.text import show

    console = rich.Console(file=io.StringIO(), width=200)
    show(done, console)
    return console.file.getvalue() + picture(done)


def test_what_is_not_known_is_said():
    layer = km.MaxPool2D(3, 2, padding=1, dilation_rate=2, ceil_mode=True, name="pool")
    done = report(keras.Sequential([layer], name="net"))
    (row,) = done.rows
    assert row.input_shape is None
    assert "keras.Input" in row.receptive_field.reason
    text = shown(done)
    for words in ("pads 1+1 x 1+1", "dilation 2 x 2", "ceil mode", " ? ", "no graph of layers"):
        assert words in text
    for shape, named in (
        ((None, None, 4), "height and width are"),
        ((9, None, 3), "width is None"),
    ):
        text = shown(report(chain(shape, km.MaxPool2D(2, name="pool"))))
        assert f"pool: what is kept, dropped and saved is not known: {named}" in text
    assert "net has no pooling layers" in shown(report(chain((4,), layers.Dense(2), name="net")))
    with pytest.raises(TypeError, match="received MaxPooling2D"):
        report(layer)


def test_json():
    pools = km.MaxPool2D(2, name="pool"), km.FractionalMaxPool2D(1.5), layers.GlobalMaxPooling2D()
    done = report(chain((9, 12, 3), *pools, name="net"))
    told = json.loads(json.dumps(done.as_dict(), allow_nan=False))
    assert (told["model"], told["input_shapes"]) == ("net", [[None, 9, 12, 3]])
    assert told["rows"][0]["dropped"] == [1, 0]
    assert [row["receptive_field"] for row in told["rows"]] == [
        *({"sizes": [2, 2], "steps": [2, 2]}, {"sizes": [4, 4], "steps": [4, 3]}),
        {"sizes": [None, None], "steps": [None, None]},
    ]
    assert [finding["kind"] for finding in told["findings"]] == ["cropped edge"]
    assert [growth["pools"] for growth in told["growth"]] == [True, True, True]


def found(*steps):
    done = report(chain(*steps))
    return {(finding.layer, finding.kind): finding for finding in done.findings}


def conv(filters=8, size=3, **arguments):
    return layers.Conv2D(filters, size, padding="same", **({"name": "conv"} | arguments))


def pool(*sizes, home=km, **arguments):
    return home.MaxPool2D(*sizes, name="pool", **arguments)


FIRST = {"data_format": "channels_first"}
SAME = {"strides": 2, "padding": "same"}
KEEP = km.AdaptiveMaxPool2D((8, None), name="keep")

# What is found, in which layer, and a word of what to do.
FOUND = [
    ("data format", "conv", "channels_first", ((3, 32, 32), conv(), pool((1, 2)))),
    ("data format", "pool", "channels_last", ((32, 32, 3), pool(**FIRST))),
    ("data format", "pool", "channels_first", ((1, None, 64), layers.ReLU(), pool((1, 2)))),
    ("mixed data formats", "pool", "channels_last", ((16, 16, 8), conv(), pool(**FIRST))),
    ("rank", "pool", "3D layer", ((32, 32, 32), pool())),
    ("rank", "pool", "1D layer", ((1, 200, 6), pool((1, 2)))),
    ("rank", "pool", "2D layer", ((28, 28), km.MaxPool1D(2, name="pool"))),
    ("does nothing", "pool", "Leave it out", ((8, 8, 3), pool(1))),
    ("does nothing", "keep", "Leave it out", ((8, 9, 3), KEEP)),
    ("cropped edge", "pool", "ceil_mode", ((15, 16, 3), pool(2))),
    ("gaps", "pool", "pool_size", ((16, 16, 3), pool(2, strides=3))),
    ("early pooling", "pool", "Pool later", ((64, 64, 3), conv(strides=2), pool(3))),
    ("same padding", "pool", "padding=1", ((16, 16, 3), pool(3, **SAME))),
    ("same padding", "pool", "padding=2", ((15, 16, 3), pool(5, home=layers, **SAME))),
]

LEFT = [
    ("data format", ((32, 32, 3), conv(), pool())),
    ("data format", ((2, 2, 512), pool())),
    ("data format", ((32, 32, 64), conv(4), pool())),
    ("mixed data formats", ((16, 16, 8), conv(), layers.Permute((3, 1, 2)), pool(**FIRST))),
    ("rank", ((32, 32, 8), conv(32), pool())),
    ("does nothing", ((8, 8, 3), pool(1, strides=2))),
    ("does nothing", ((8, 8, 3), pool(2, strides=1, padding="same"))),
    ("cropped edge", ((16, 16, 3), pool(2))),
    ("cropped edge", ((15, 15, 3), pool(2, padding="same"))),
    ("cropped edge", ((None, None, 3), pool(2))),
    ("gaps", ((2, 2, 3), pool(2, strides=5))),
    # At once: counting its elements takes minutes.
    ("gaps", ((8, 8, 3), pool(2**31 - 2, strides=2**31 - 2, padding="same"))),
    ("early pooling", ((64, 64, 3), conv(strides=2), pool(2))),
    ("same padding", ((15, 15, 3), pool(3, **SAME))),
    ("same padding", ((16, 16, 3), pool(2, **SAME))),
    ("same padding", ((16, 16, 3), pool(3, strides=1, padding="same"))),
    ("same padding", ((16, 16, 3), pool(3, strides=2, padding=1))),
]


def test_found_and_left_alone():
    for kind, layer, do, steps in FOUND:
        finding = found(*steps)[layer, kind]
        assert do in finding.do
        assert finding.what
    for kind, steps in LEFT:
        assert kind not in [kind for _, kind in found(*steps)], steps
    # A step of 2 and one of 4: 64 of the input's positions become one. From the third convolution on, they may.
    stem = [conv(name=name) for name in "abc"]
    for before, early in (([], 1), (stem[:2], 1), (stem, 0)):
        kinds = [
            kind for _, kind in found((64, 64, 3), *before, layers.AveragePooling2D(2), pool(4))
        ]
        assert kinds.count("early pooling") == early
    # What else there would be to say follows from the mistaken axes.
    assert [*found((3, 33, 33), conv(), pool((1, 2)))] == [("conv", "data format")]
    finding = found((15, 17, 3), pool((2, 3)))["pool", "cropped edge"]
    assert finding.what == "no window reaches the last 1 of 15 rows and the last 2 of 17 columns"


# Keras itself warns of a mask that is lost; the finding adds where, and what to do.
@pytest.mark.filterwarnings("ignore:.*mask.*")
def test_masks_that_stop():
    def told(home, kind, mask_zero=True):
        layer = getattr(home, kind)(**({} if "Global" in kind else {"pool_size": 2}))
        words = layers.Embedding(5, 3, mask_zero=mask_zero)
        return {kind: finding.do for (_, kind), finding in found((8,), words, layer).items()}

    for kind in ("MaxPooling1D", "GlobalMaxPooling1D", "AveragePooling1D"):
        do = told(layers, kind)["mask stops"]
        assert ("keras_maxpool" in do, kind in do) == (True, "Max" in kind)
        assert "mask stops" not in told(layers, kind, mask_zero=False)
        assert "Max" not in kind or "mask stops" not in told(km, kind)
    assert report(tokens(layers.GlobalAveragePooling1D())).findings == ()


def test_gaps_are_counted():
    for size, stride, rate in ((4, 6, 1), (2, 6, 3), (9, 6, 4), (1, 5, 1), (5, 5, 2), (3, 2, 3)):
        read = len({step * rate % stride for step in range(size)})
        told = found((90, 90, 3), pool(size, strides=stride, dilation_rate=rate))
        gap = told.get(("pool", "gaps"))
        assert (gap is None) == (read == stride)
        assert gap is None or f"no window reads {stride - read} of {stride} rows" in gap.what


@pytest.fixture
def given(tmp_path):
    pool = layers.MaxPooling2D(2, name="[b]odd")
    ours = km.MaxPool2D(3, strides=2, padding=1, name="ours")
    path = tmp_path / "in.keras"
    chain((15, 16, 3), layers.Conv2D(4, 3, name="c"), pool, ours, name="net").save(path)
    return str(path)


def test_table_and_files(given, tmp_path, capsys):
    told, page, h5, device = (tmp_path / name for name in ("a.json", "a.html", "in.h5", "null"))
    device.symlink_to(os.devnull)  # not the device itself, which root could lose
    keras.saving.load_model(given).save(h5)
    assert main(["report", given, "--json", str(told), "--html", str(page)]) == 0
    assert main(["report", str(h5), "--json", str(device)]) == 0
    assert device.is_symlink(), "nothing takes the place of a device"
    out, err = capsys.readouterr()
    check_piped(out + err)
    lines = re.findall(r"\[b\]odd +│ 2 x 2 +│ 13 x 14 x 4 +│ field 4 x 4 ", out)
    assert len(lines) == 2
    assert re.search(r"pads 1\+1 x +│|pads 1\+1 x 1\+1", out)
    assert "- [b]odd: cropped edge: no window reaches the last 1 of 13 rows." in out
    assert out.count("findings: 1\n") == 2
    assert f"reading {given}\n" in err
    assert f"wrote {page}\n" in err
    assert [row["layer"] for row in json.loads(told.read_text())["rows"]] == ["[b]odd", "ours"]
    assert page.read_text("utf-8").startswith("<!doctype html>")


def test_a_file_is_whole_or_as_it_was(given, tmp_path, capsys, monkeypatch):
    def half(path, text, **_):
        path.write_bytes(text[: len(text) // 2].encode())
        raise OSError(28, "No space left on device")

    told = tmp_path / "a.json"
    told.write_bytes(b"stays")
    monkeypatch.setattr(Path, "write_text", half)
    line = complaint(["report", given, "--json", str(told)], capsys)
    assert line.endswith("a.json cannot be written: No space left on device")
    assert told.read_bytes() == b"stays"
    assert files(tmp_path) == ["a.json", "in.keras"]


def test_arguments_that_keras_lets_pass(tmp_path, capsys):
    path = str(tmp_path / "in.keras")
    pool = layers.MaxPooling2D(2, padding="same")
    pool.strides = (0.5, 2)  # as an edited config has it
    keras.Sequential([keras.Input((8, 8, 2)), pool]).save(path)
    line = complaint(["report", path], capsys)
    assert "in.keras cannot be reported on: `strides` takes integers, not float" in line
