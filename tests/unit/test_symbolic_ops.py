"""Public ops on KerasTensors: they become operations of a functional model, with the results of eager calls."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from harness.keras_version import LEGACY, keras, keras_3_alone

from keras_maxpool import ops

RNG = np.random.default_rng(16)
IMAGES = RNG.standard_normal((2, 9, 8, 3)).astype("float32")
STEPS = RNG.integers(-9, 10, (2, 7, 3)).astype("int32")
MASK = RNG.random((2, 9, 8)) > 0.4
VALUES, INDICES = (t.numpy() for t in ops.max_pool(IMAGES, 2, return_indices=True))

CASES: dict[str, tuple[Callable[..., Any], list[np.ndarray]]] = {
    "max_pool": (lambda x: ops.max_pool(x, (3, np.int64(2)), padding=((1, 0), (0, 1))), [IMAGES]),
    "max_pool of integers": (
        lambda x: ops.max_pool(x, np.array([2]), padding="SAME", return_indices=True),
        [STEPS],
    ),
    "max_pool with a mask": (
        lambda x, mask: ops.max_pool(
            x, 2, mask=mask, return_indices=True, indices_dtype="int32", nonfinite="ieee"
        ),
        [IMAGES, MASK],
    ),
    "max_pool with channels first": (
        lambda x: ops.max_pool(x, 2, ceil_mode=True, data_format="channels_first"),
        [IMAGES],
    ),
    "global_max_pool": (lambda x: ops.global_max_pool(x, keepdims=True), [IMAGES]),
    "global_max_pool with a mask": (
        lambda x, mask: ops.global_max_pool(x, mask=mask, return_indices=True),
        [IMAGES, MASK],
    ),
    "adaptive_max_pool": (
        lambda x: ops.adaptive_max_pool(x, (4, None), return_indices=True),
        [IMAGES],
    ),
    "fractional_max_pool": (
        lambda x: ops.fractional_max_pool(x, 1.4, True, seed=7, return_indices=True),
        [IMAGES],
    ),
    "max_unpool": (lambda v, i: ops.max_unpool(v, i, 2), [VALUES, INDICES]),
    "max_unpool by output_size": (
        lambda v, i: ops.max_unpool(v, i, output_size=[9, 8]),
        [VALUES, INDICES],
    ),
    "max_unpool like": (
        lambda v, i, like: ops.max_unpool(v, i, like=like),
        [VALUES, INDICES, IMAGES],
    ),
    "convert_indices": (
        lambda i: ops.convert_indices(i, (None, 9, 8, 3), to="tensorflow_batch"),
        [INDICES],
    ),
}


def bare(items: list[Any]) -> Any:
    """One item as it is, which is how a model of one input takes it."""
    return items if len(items) > 1 else items[0]


def listed(results: Any) -> list[Any]:
    return list(results) if isinstance(results, (list, tuple)) else [results]


def model_of(op: Callable[..., Any], arrays: list[np.ndarray]) -> Any:
    inputs = [keras.Input(a.shape[1:], dtype=a.dtype.name) for a in arrays]
    return keras.Model(bare(inputs), op(*inputs))


def load(path: Path) -> Any:
    return keras.models.load_model(path)


def assert_predicts(model: Any, arrays: list[np.ndarray], expected: list[Any]) -> None:
    results = listed(model.predict(bare(arrays), verbose=0))
    assert len(results) == len(expected)
    for result, wanted in zip(results, expected, strict=True):
        assert result.dtype == np.asarray(wanted).dtype
        np.testing.assert_array_equal(result, wanted)


@pytest.mark.parametrize("name", CASES)
def test_a_functional_model(name: str, tmp_path: Path) -> None:
    op, arrays = CASES[name]
    expected = listed(op(*arrays))
    model = model_of(op, arrays)
    for output, wanted in zip(model.outputs, expected, strict=True):
        assert tuple(output.shape) == (None, *wanted.shape[1:])
        assert tf.as_dtype(output.dtype) == wanted.dtype
    assert_predicts(model, arrays, expected)
    model.save(tmp_path / "model.keras")
    assert_predicts(load(tmp_path / "model.keras"), arrays, expected)
    assert_predicts(keras.models.clone_model(model), arrays, expected)
    model.save(tmp_path / "model.h5")
    assert_predicts(load(tmp_path / "model.h5"), arrays, expected)


@pytest.mark.skipif(not LEGACY, reason="Keras 3 exports to a folder")
@pytest.mark.parametrize("name", CASES)
def test_a_folder_of_keras_2(name: str, tmp_path: Path) -> None:
    op, arrays = CASES[name]
    model_of(op, arrays).save(tmp_path / "model")
    assert_predicts(load(tmp_path / "model"), arrays, listed(op(*arrays)))


@keras_3_alone
@pytest.mark.parametrize("name", CASES)
def test_an_export(name: str, tmp_path: Path) -> None:
    op, arrays = CASES[name]
    model_of(op, arrays).export(tmp_path / "model", verbose=False)
    results = listed(tf.saved_model.load(tmp_path / "model").serve(bare(arrays)))
    for result, wanted in zip(results, listed(op(*arrays)), strict=True):
        np.testing.assert_array_equal(result, wanted)


@pytest.mark.parametrize("name", ops.__all__)
def test_a_file_names_the_public_module(name: str, tmp_path: Path) -> None:
    model = model_of(*CASES[name])
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
    operation = layers[-1]
    class_name = "".join(word.title() for word in name.split("_"))
    assert operation["class_name"] == class_name
    assert operation["registered_name"] == f"keras_maxpool>{class_name}"
    assert operation["module"] in ("keras_maxpool.ops", None)  # Keras 2 writes no module
    cls = getattr(ops, class_name)
    assert cls.__module__ == "keras_maxpool.ops"
    assert keras.saving.get_registered_object(f"keras_maxpool>{class_name}") is cls


@pytest.mark.parametrize("name", ops.__all__)
def test_unknown_sizes(name: str) -> None:
    """A model built with unknown sizes pools any."""
    op, arrays = CASES[name]
    inputs = [keras.Input((*(None,) * (a.ndim - 2), a.shape[-1]), dtype=a.dtype) for a in arrays]
    model = keras.Model(bare(inputs), op(*inputs))
    assert_predicts(model, arrays, listed(op(*arrays)))


def test_a_mask_alone_may_be_symbolic() -> None:
    mask = keras.Input(MASK.shape[1:], batch_size=2, dtype="bool")
    model = keras.Model(mask, ops.max_pool(IMAGES, 2, mask=mask))
    assert_predicts(model, [MASK], [ops.max_pool(IMAGES, 2, mask=MASK)])


@keras_3_alone
@pytest.mark.parametrize("kind", ["array", "list", "tensor"])
def test_a_mask_may_be_constant(kind: str, tmp_path: Path) -> None:
    mask = {"array": MASK, "list": MASK.tolist(), "tensor": tf.constant(MASK)}[kind]
    x = keras.Input(batch_shape=IMAGES.shape)
    model = keras.Model(x, ops.max_pool(x, 2, mask=mask))
    model.save(tmp_path / "model.keras")
    assert_predicts(load(tmp_path / "model.keras"), [IMAGES], [ops.max_pool(IMAGES, 2, mask=MASK)])


@keras_3_alone
def test_a_seed_generator(tmp_path: Path) -> None:
    """Each call draws other regions; a clone and a loaded model draw as from the start, on their own."""

    def pooled(seed: Any) -> Any:
        return ops.fractional_max_pool(large, 1.4, seed=seed)

    large = RNG.standard_normal((1, 50, 50, 1)).astype("float32")
    generator = keras.random.SeedGenerator(3)
    expected = [pooled(generator).numpy() for _ in range(3)]
    assert not np.array_equal(expected[0], expected[1])
    x = keras.Input(large.shape[1:])
    seed = keras.random.SeedGenerator(3)
    model = keras.Model(x, ops.fractional_max_pool(x, 1.4, seed=seed))
    model.save(tmp_path / "model.keras")
    for other in (model, keras.models.clone_model(model), load(tmp_path / "model.keras")):
        for wanted in expected:
            np.testing.assert_array_equal(other(large), wanted)


def test_the_data_format_is_that_of_the_time_when_the_model_is_made(tmp_path: Path) -> None:
    config = getattr(keras, "config", keras.backend)  # the latter in Keras 2
    x = keras.Input(IMAGES.shape[1:])
    model = keras.Model(x, ops.max_pool(x, 2))
    model.save(tmp_path / "model.keras")
    expected = [ops.max_pool(IMAGES, 2)]
    config.set_image_data_format("channels_first")
    try:
        for other in (model, load(tmp_path / "model.keras")):
            assert_predicts(other, [IMAGES], expected)
    finally:
        config.set_image_data_format("channels_last")


def test_the_shape_of_convert_indices_may_be_symbolic(tmp_path: Path) -> None:
    expected = [ops.convert_indices(INDICES, IMAGES.shape, to="onnx")]
    shape = keras.Input(batch_shape=(4,), dtype="int32")
    indices = keras.Input((None, None, 3), dtype="int64")
    model = keras.Model([indices, shape], ops.convert_indices(indices, shape, to="onnx"))
    model.save(tmp_path / "model.keras")
    for other in (model, load(tmp_path / "model.keras")):
        results = other([INDICES, np.array(IMAGES.shape, "int32")])
        np.testing.assert_array_equal(results, expected[0])
    alone = keras.Model(shape, ops.convert_indices(tf.constant(INDICES), shape, to="onnx"))
    np.testing.assert_array_equal(alone(np.array(IMAGES.shape, "int32")), expected[0])


def test_the_old_name_of_a_kernel() -> None:
    x = keras.Input(IMAGES.shape[1:])
    with pytest.warns(FutureWarning, match='"separable"') as caught:
        model = keras.Model(x, ops.max_pool(x, 2, implementation="folded"))
    assert len(caught) == 1
    assert model.get_config()["layers"][-1]["config"]["implementation"] == "separable"
    assert_predicts(model, [IMAGES], [ops.max_pool(IMAGES, 2)])


CALLS: dict[str, Callable[[Any], Any]] = {
    "unknown keyword": lambda x: ops.max_pool(x, dilation=2),
    "too many": lambda x: ops.max_pool(x, 2, 2, "valid", None, 1),
    "missing": lambda x: ops.adaptive_max_pool(x),
    "twice": lambda x: ops.global_max_pool(x, inputs=x),
}

ERRORS: dict[str, Callable[[Any], Any]] = {
    "pool_size": lambda x: ops.max_pool(x, 0),
    "padding": lambda x: ops.max_pool(x, padding=None),
    "implementation": lambda x: ops.max_pool(x, dilation_rate=2, implementation="direct"),
    "window": lambda x: ops.max_pool(x, 10),
    "int32": lambda x: ops.max_pool(x, indices_dtype="int16"),
    "mask": lambda x: ops.max_pool(x, mask=np.ones((2, 8, 8), bool)),
    "mask's dtype": lambda x: ops.max_pool(x, mask=np.ones((2, 9, 8))),
    "mask of words": lambda x: ops.global_max_pool(x, mask="all"),
    "keepdims": lambda x: ops.global_max_pool(x, keepdims=1),
    "global mask": lambda x: ops.global_max_pool(x, mask=np.ones((2, 8, 8), bool)),
    "output_size": lambda x: ops.adaptive_max_pool(x, 0),
    "ratio": lambda x: ops.fractional_max_pool(x, 30.0),
    "seed": lambda x: ops.fractional_max_pool(x, 1.5, seed=-1),
    "indices": lambda x: ops.max_unpool(x, x),
    "indices' shape": lambda x: ops.max_unpool(x, INDICES),
    "like": lambda x: ops.max_unpool(x, np.zeros(x.shape, int), like=x, output_size=9),
    "conventions": lambda x: ops.convert_indices(x, x.shape, to="numpy"),
    "dtype": lambda x: ops.convert_indices(x, x.shape, to="onnx"),
    "batch axis": lambda x: ops.max_pool(x, (2, 2, 2)),
    "too many": lambda x: ops.max_pool(x, (2, 2, 2, 2)),
}


@pytest.mark.parametrize("name", CALLS)
def test_wrong_calls_have_the_same_text(name: str) -> None:
    texts = []
    for x in (IMAGES, keras.Input(batch_shape=IMAGES.shape)):
        with pytest.raises(TypeError) as caught:
            CALLS[name](x)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


@keras_3_alone
@pytest.mark.parametrize("name", ERRORS)
def test_errors_have_the_same_text(name: str) -> None:
    texts = []
    for x in (IMAGES, keras.Input(batch_shape=IMAGES.shape)):
        with pytest.raises((TypeError, ValueError)) as caught:
            ERRORS[name](x)
        texts.append((caught.type, str(caught.value)))
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("name", "op"),
    [
        ("inputs", lambda x: ops.max_pool(x, (2, 2))),
        ("inputs", lambda x: ops.max_pool(x, np.array([2, 2]))),
        ("values", lambda x: ops.max_unpool(x, np.zeros(x.shape, int), (2, 2))),
    ],
)
def test_an_image_without_a_batch(name: str, op: Callable[[Any], Any]) -> None:
    with pytest.raises(ValueError, match=r"^`pool_size` takes 1 integer; received ") as caught:
        op(IMAGES[0])
    assert str(caught.value).endswith(
        f"which has 2. If the batch axis of `{name}`, which have the shape (9, 8, 3), is missing, "
        f"add it: keras.ops.expand_dims({name}, 0)."
    )
    op(IMAGES)  # with a batch axis it fits


@pytest.mark.parametrize("shape", [(None, None, 8, 3), (2, 9, 8), (2, 9, 8, 3, 1), tf.zeros(3)])
def test_shapes_that_convert_indices_refuses(shape: Any) -> None:
    with pytest.raises(ValueError, match="`shape` must have one size for each of the 4 axes"):
        ops.convert_indices(INDICES, shape, to="onnx")


def test_convert_indices_takes_the_batch_from_the_indices() -> None:
    wanted = ops.convert_indices(INDICES, IMAGES.shape, to="onnx")
    np.testing.assert_array_equal(
        ops.convert_indices(INDICES, (None, *IMAGES.shape[1:]), to="onnx"), wanted
    )
    # Two samples of 2**30 elements are more than int32 counts.
    with pytest.raises(ValueError, match=r"received 2147483648, in sizes of \(2, "):
        ops.convert_indices(np.zeros((2, 1, 1, 1), "int32"), (None, 2**15, 2**15, 1), to="onnx")
