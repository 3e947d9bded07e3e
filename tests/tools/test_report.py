"""The rows of a report: what is counted, on models whose figures can be counted by hand."""

import io
import json

import keras
import numpy as np
import pytest
from harness.install import needs
from tools.models import chain

import keras_maxpool as km
from keras_maxpool.tools.report import Field, Unknown, report

layers = keras.layers


def rows(shape, *steps, dtype="float32"):
    return report(chain(shape, *steps, dtype=dtype)).rows


def by_hand(row, x, layer):
    """Shapes, share and bytes as a call shows them."""
    outputs = [np.asarray(result) for result in keras.tree.flatten(layer(x))]
    assert row.input_shape == (None, *x.shape[1:])
    assert row.output_shape == (None, *outputs[0].shape[1:])
    assert row.bytes_saved == (x.nbytes - sum(output.nbytes for output in outputs)) / len(x)


@pytest.mark.parametrize("home", [layers, km])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("name", ["MaxPooling", "GlobalMaxPooling"])
def test_both_homes_in_every_rank(name, rank, home):
    layer = getattr(home, f"{name}{rank}D")(name="pool")
    x = np.zeros((2, *(9, 8, 7)[:rank], 3), "float32")
    (row,) = rows(x.shape[1:], layer)
    by_hand(row, x, layer)
    assert (row.layer, row.kind) == ("pool", f"{name}{rank}D")
    assert row.package == ("keras" if home is layers else "keras_maxpool")
    positions = (9 // 2, 8 // 2, 7 // 2)[:rank] if name == "MaxPooling" else (1,)
    assert row.kept == pytest.approx(np.prod(positions) / np.prod((9, 8, 7)[:rank]))
    if name == "MaxPooling":
        assert (row.pool_size, row.strides, row.padding) == ((2,) * rank, (2,) * rank, "valid")
        assert row.dropped == (1, 0, 1)[:rank]
        assert row.overlap == (0,) * rank
    else:
        assert (row.pools, row.pool_size, row.dropped) == ("all", None, None)


@pytest.mark.parametrize(
    ("layer", "pools"),
    [
        (km.AdaptiveMaxPool2D((5, None), dtype="float16"), "to 5 x as it is"),
        (km.FractionalMaxPool2D(1.44, dtype="float16"), "about 1.44 x 1.44"),
        (km.MaxPool2D(2, return_indices=True, dtype="float16"), "2 x 2"),
    ],
)
def test_adaptive_fractional_indices_and_dtypes(layer, pools):
    (row,) = rows((10, 12, 3), layer, dtype="float16")
    by_hand(row, np.zeros((2, 10, 12, 3), "float16"), layer)
    assert row.pools == pools


def test_builtin_adaptive():
    kind = getattr(layers, "AdaptiveAveragePooling2D", None)
    if kind is None:
        pytest.skip("this Keras has no adaptive pooling; a newer one has: pip install -U keras")
    (row,) = rows((8, 9, 3), kind((4, 3)))
    assert (row.pools, row.output_shape) == ("to 4 x 3", (None, 4, 3, 3))
    assert row.receptive_field == Field((2, 3), (2, 3))


@pytest.mark.parametrize(
    ("arguments", "dropped", "overlap"),
    [
        ({"pool_size": 3, "strides": 2}, 1, 1),
        ({"pool_size": 3, "strides": 2, "padding": "same"}, 0, 1),
        ({"pool_size": 3, "strides": 2, "padding": ((0, 1),)}, 0, 1),
        ({"pool_size": 3, "strides": 3, "padding": ((1, 0),)}, 2, 0),
        ({"pool_size": 2, "strides": 4}, 0, -2),
        ({"pool_size": 3, "dilation_rate": 2, "strides": 3}, 2, 2),
        ({"pool_size": 3, "strides": 2, "ceil_mode": True}, 0, 1),
        ({"pool_size": 4, "strides": 4, "padding": 1}, 0, 0),
    ],
)
def test_edges_and_overlap(arguments, dropped, overlap):
    """The dropped are the last elements that change nothing, however large they are."""
    layer = km.MaxPool1D(**arguments)
    (row,) = rows((10, 1), layer)
    matters = np.asarray(layer(np.eye(10, dtype="float32")[..., None])).any((1, 2))
    assert dropped == matters[::-1].argmax()
    assert (row.dropped, row.overlap) == ((dropped,), (overlap,))
    assert row.ceil_mode is arguments.get("ceil_mode", False)


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


def test_a_nested_model_grows_as_a_flat_one():
    def steps():
        return [layers.Conv2D(2, 3), km.MaxPool2D(), layers.Conv2D(2, 3), km.MaxPool2D()]

    flat = rows((20, 20, 2), *steps())
    nested = rows((20, 20, 2), chain((20, 20, 2), *steps()[:2]), *steps()[2:])
    assert [row.receptive_field for row in nested] == [row.receptive_field for row in flat]


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.pool = km.MaxPool2D(3, strides=2, name="pool")

    def call(self, inputs):
        return self.pool(inputs)


def test_a_class_of_the_users_own():
    model = Subclassed()
    (row,) = report(model).rows
    assert (row.layer, row.pool_size, row.input_shape) == ("pool", (3, 3), None)
    assert (row.kept, row.dropped, row.bytes_saved) == (None, None, None)
    model(np.zeros((1, 8, 9, 2), "float32"))
    (row,) = report(model).rows
    assert (row.input_shape, row.output_shape) == ((1, 8, 9, 2), (1, 3, 4, 2))
    assert row.dropped == (1, 0)
    assert row.receptive_field == Unknown("Subclassed is a class with code of its own")
    assert "call" not in vars(model.pool), "the model stays as it was"


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
    assert isinstance(row.receptive_field, Unknown)
    assert "keras.Input" in row.receptive_field.reason
    text = shown(done)
    for words in ("pads 1+1 x 1+1", "dilation 2 x 2", "ceil mode", " ? ", "no graph of layers"):
        assert words in text


def test_a_model_without_pooling():
    assert "net has no pooling layers" in shown(report(chain((4,), layers.Dense(2), name="net")))


def test_unknown_sizes():
    (row,) = rows((None, 9, 3), km.MaxPool2D(2))
    assert (row.input_shape, row.output_shape) == ((None, None, 9, 3), (None, None, 4, 3))
    assert (row.kept, row.bytes_saved, row.dropped) == (None, None, (None, 1))


def test_json():
    pools = km.MaxPool2D(2, name="pool"), km.FractionalMaxPool2D(1.5), layers.GlobalMaxPooling2D()
    done = report(chain((9, 12, 3), *pools, name="net"))
    told = json.loads(json.dumps(done.as_dict(), allow_nan=False))
    pool, fractional, whole = told["rows"]
    assert told["model"] == "net"
    assert told["input_shapes"] == [[None, 9, 12, 3]]
    assert pool["receptive_field"] == {"sizes": [2, 2], "steps": [2, 2]}
    assert pool["dropped"] == [1, 0]
    assert fractional["receptive_field"]["steps"] == [4, 3]
    assert whole["receptive_field"]["sizes"] == [None, None]
    assert [finding["kind"] for finding in told["findings"]] == ["cropped edge"]
    assert [growth["pools"] for growth in told["growth"]] == [True, True, True]


def test_no_model():
    with pytest.raises(TypeError, match="received MaxPooling2D"):
        report(km.MaxPool2D())
