"""Masks that Keras propagates by itself and that do not fit are ignored, as the built-in layers ignore all of them."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness.assertions import assert_same
from harness.install import tensorflow_alone
from harness.keras_version import LEGACY, keras, keras_3_alone
from harness.runner import BACKEND, MODES, as_array, as_arrays, in_mode, on_arrays

import keras_maxpool

# Keras's own, of its layers.
pytestmark = pytest.mark.filterwarnings("ignore:.*passed an input with a mask attached")

layers = keras.layers
SPATIAL = (8, 6, 4)

# There the wrapper compares the sizes of a mask in Python, whatever the layers.
IS_KERAS_3_7 = keras.__version__.startswith("3.7.")


@keras.saving.register_keras_serializable("stale_masks")
class Change(layers.Layer):
    """A layer of a user's that changes its inputs and propagates their mask as it came."""

    def __init__(self, how: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.how = how
        self.supports_masking = True

    def call(self, x: Any) -> Any:
        if self.how == "lengthen":
            return layers.Concatenate(1)([x, x])
        return {"shorten": x[:, ::2], "add an axis": x[..., None], "cast the mask": x + 0}[self.how]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if self.how == "cast the mask":
            return getattr(keras, "ops", keras.backend).cast(mask, "float32")
        return mask

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"how": self.how}


@contextmanager
def told(times: int) -> Iterator[list[str]]:
    """So many warnings of ours; Keras's own say nothing here."""
    found: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield found
    found += [str(w.message) for w in caught if " ignores the mask " in str(w.message)]
    assert len(found) == times, found


def shape_for(how: str, rank: int) -> tuple[int, ...]:
    return (*SPATIAL[: rank - (how == "add an axis")], 3)


def values_for(how: str, rank: int) -> np.ndarray:
    """Normal numbers; a sample and two steps are zero, which `Masking` hides."""
    x = np.random.default_rng(0).normal(size=(2, *shape_for(how, rank))).astype("float32")
    x[1] = x[0, 1:3] = 0
    return x


def model_of(home: Any, family: str, how: str, rank: int, kind: str) -> keras.Model:
    stack = [layers.Masking(), Change(how), getattr(home, f"{family}{rank}D")(name="pool")]
    if kind == "deferred":
        return keras.Sequential(stack)
    inputs = keras.Input(shape_for(how, rank))
    if kind == "sequential":
        return keras.Sequential([inputs, *stack])
    return keras.Model(inputs, reduce(lambda x, layer: layer(x), stack, inputs))


def assert_loaded(model: keras.Model, x: np.ndarray, should: np.ndarray, folder: Path) -> None:
    """It gives the same from a file, and warns once more."""
    model.save(folder / "model.keras")
    with told(1):
        loaded = keras.models.load_model(folder / "model.keras")
        assert_same(loaded(x), should)


@pytest.mark.parametrize(
    ("family", "how", "rank", "kind"),
    [
        ("MaxPooling", "shorten", 1, "functional"),
        ("MaxPooling", "shorten", 2, "sequential"),
        ("MaxPooling", "add an axis", 3, "deferred"),
        ("MaxPooling", "cast the mask", 2, "sequential"),
        ("GlobalMaxPooling", "shorten", 2, "deferred"),
        ("GlobalMaxPooling", "lengthen", 3, "sequential"),
        ("GlobalMaxPooling", "cast the mask", 1, "functional"),
    ],
)
def test_a_users_layer_that_changes_the_axes(
    family: str, how: str, rank: int, kind: str, tmp_path: Path
) -> None:
    if LEGACY and how == "cast the mask":
        pytest.skip("Keras 2 casts no symbolic masks: unset TF_USE_LEGACY_KERAS")
    x = values_for(how, rank)
    should = model_of(layers, family, how, rank, kind)(x)
    with told(1) as found:
        model = model_of(keras_maxpool, family, how, rank, kind)
        assert_same(model(x), should)
        assert_same(model.predict(x, verbose=0), should)
    assert f"{family}{rank}D 'pool'" in found[0]
    assert f"keras.layers.ZeroPadding{rank}D(0)" in found[0]
    if (how, kind) == ("shorten", "functional"):
        assert (
            "inputs of shape (None, 4, 3) take booleans of shape (None, 4) or (None,)" in found[0]
        )
        assert "received a mask of shape (None, 8) and dtype bool" in found[0]
    assert getattr(model.outputs[0], "_keras_mask", None) is None
    assert_loaded(model, x, should, tmp_path)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_sizes_that_a_graph_learns_late(jit_compile: bool, tf: Any) -> None:
    """Nothing tells that a mask is stale before the graph runs, nor that another one fits."""
    specs = tf.TensorSpec([None, 3, None, None]), tf.TensorSpec([None] * 3, tf.bool)
    pool = keras_maxpool.GlobalMaxPool2D(data_format="channels_first")

    @tf.function(jit_compile=jit_compile, input_signature=specs)
    def pooled(x: Any, mask: Any) -> Any:
        x = tf.identity(x)
        x._keras_mask = mask
        return pool(x)

    mask = np.random.default_rng(1).random((2, 8, 6)) < 0.1
    for sizes in [(8, 6), (4, 6), (8, 12)]:
        x = np.random.default_rng(0).normal(size=(2, 3, *sizes)).astype("float32")
        assert_same(pooled(x, mask), pool(x, mask=mask if sizes == (8, 6) else None))


@keras_3_alone  # in Keras 2 the built-in layer refuses masks here
@pytest.mark.parametrize("shape", [(5, 12, 16, 1), (5, None, None, 1)], ids=str)
def test_frames_that_are_pooled_twice(shape: tuple[int | None, ...], tmp_path: Path) -> None:
    """The first pooling gets a mask that fits, of pixels that are zero, and no maximum is below."""

    def frames(home: Any) -> keras.Model:
        pools = [layers.TimeDistributed(home.MaxPool2D(2)) for _ in range(2)]
        return keras.Sequential([keras.Input(shape), layers.Masking(), *pools])

    x = np.abs(np.random.default_rng(0).normal(size=(2, 5, 12, 16, 1))).astype("float32")
    x[0, 2], x[1, :, :7] = 0, 0
    should = frames(layers)(x)
    with told(1):
        model = frames(keras_maxpool)
        assert_same(model(x), should)
    if BACKEND == "tensorflow" and not IS_KERAS_3_7:
        tf = tensorflow_alone()
        unknown = tf.function(model, input_signature=[tf.TensorSpec((None, 5, None, None, 1))])
        assert_same(unknown(x), should)
    assert_loaded(model, x, should, tmp_path)


@pytest.mark.skipif(
    IS_KERAS_3_7, reason="Keras 3.7's wrapper takes no mask in a graph: pip install -U keras"
)
def test_a_mask_that_time_distributed_passes(tf: Any) -> None:
    """Keras 3's to `call`, Keras 2's to the layer, after a reshape: neither is the caller's."""
    wrapper = layers.TimeDistributed(keras_maxpool.MaxPool1D())
    # With a known batch size Keras 2 passes none.
    shapes = [tf.TensorSpec((None, 3, 8, 1)), tf.TensorSpec((None, 3, 5), tf.bool)]
    pooled = tf.function(lambda x, mask: wrapper(x, mask=mask), input_signature=shapes)
    with told(1):
        y = pooled(tf.ones((2, 3, 8, 1)), tf.fill((2, 3, 5), False))
    assert_same(y, np.ones((2, 3, 4, 1), "float32"))


@keras_3_alone
@pytest.mark.parametrize("how", ["shorten", "cast the mask"])
def test_a_recurrent_layer_behind_sizes_known_late(how: str, tmp_path: Path) -> None:
    """Its pooled mask is part of the functional model. A stale one hides nothing."""
    inputs = keras.Input((None, 3))
    masked = layers.Masking()(inputs)
    x = Change("shorten")(masked) if how == "shorten" else masked
    states = [layers.LSTM(2, seed=0)(home.MaxPooling1D(2)(x)) for home in (layers, keras_maxpool)]
    model = keras.Model(inputs, states)
    model.layers[-1].set_weights(model.layers[-2].get_weights())
    model.save(tmp_path / "model.keras")
    x = values_for("shorten", 1)
    x[1, :4] = 1
    loaded = keras.models.load_model(tmp_path / "model.keras")
    # PyTorch compiles a recurrent layer for minutes.
    runs = (model, in_mode(model, MODES[0 if BACKEND == "torch" else 1]), loaded)
    if how == "shorten":
        with pytest.warns(UserWarning, match="ignores the mask"):
            found = [as_arrays(run(x)) for run in runs]
    else:  # the mask fits, and the hidden half of a sample changes nothing
        found = [as_arrays((run(x[1:, :4])[1], run(x)[1][1:])) for run in runs]
    for theirs, ours in found:
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("family", ["MaxPooling", "GlobalMaxPooling"])
def test_the_callers_own_mask_must_fit(family: str, rank: int) -> None:
    x = np.zeros((2, *SPATIAL[:rank], 3), "float32")
    pool = getattr(keras_maxpool, f"{family}{rank}D")()

    def symbolic(*arrays: np.ndarray) -> Any:
        inputs = [keras.Input(batch_shape=a.shape, dtype=a.dtype.name) for a in arrays]
        return pool(inputs[0], mask=inputs[1])

    by_name = lambda x, mask: pool(x, mask=mask)  # noqa: E731
    wanted = rf"`mask` must have the shape \(batch, \*spatial\), which is \(2, {SPATIAL[0]}"
    for mask in (np.ones((2, 5), bool), np.ones((3, *SPATIAL[:rank]), bool), x > 0):
        for call in (pool, by_name, on_arrays(by_name, MODES[1]), symbolic):
            with pytest.raises(ValueError, match=wanted):
                call(x, mask)
    with pytest.raises(TypeError, match=r"`mask` takes booleans; received .* dtype float32"):
        pool(x, mask=np.ones((2, *SPATIAL[:rank]), "float32"))
    with pytest.raises(ValueError, match="takes inputs of rank"):
        pool(x[0], mask=np.ones((2, 5), bool))


def test_functional_models_keep_the_callers_mask() -> None:
    """Beside the mask that Keras would have propagated."""
    inputs, own = keras.Input((4, 1)), keras.Input((4,), dtype="bool")
    pooled = keras_maxpool.GlobalMaxPool1D()(layers.Masking()(inputs), mask=own)
    model = keras.Model([inputs, own], pooled)
    x = np.array([[[0.0], [4.0], [2.0], [3.0]]], "float32")
    assert as_array(model([x, np.array([[True, False, True, False]])])).tolist() == [[2.0]]


# What the docstring and the warning say drops a mask


def test_zero_padding_by_nothing_drops_the_mask() -> None:
    tokens = np.array([[3, 5, 0, 0]])
    for between, expected in [([], -3), ([layers.ZeroPadding1D(0)], 0)]:
        embedding = layers.Embedding(9, 1, mask_zero=True)  # token n as -n
        stack = [embedding, *between, keras_maxpool.MaxPooling1D(4)]
        model = keras.Sequential([keras.Input((4,), dtype="int32"), *stack])
        model.set_weights([-np.arange(9.0)[:, None]])
        assert as_array(model(tokens)).item() == expected


@keras_3_alone
def test_zero_padding_inside_time_distributed() -> None:
    """As the warning says: the wrapper propagates its own mask past any layer before it."""
    x = np.array([[[[0.0], [-3.0]]]], "float32")
    both = keras.Sequential([layers.ZeroPadding1D(0), keras_maxpool.MaxPool1D(2)])
    for pool, expected in [(keras_maxpool.MaxPool1D(2), -3), (both, 0)]:
        model = keras.Sequential([layers.Masking(), layers.TimeDistributed(pool)])
        assert as_array(model(x)).item() == expected
