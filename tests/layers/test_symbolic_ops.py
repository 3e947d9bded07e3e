"""Public ops on KerasTensors: they become operations of a functional model, with the results of eager calls."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness.assertions import assert_all_same, assert_same
from harness.keras_version import LEGACY, keras, keras_3_alone, tree
from harness.runner import BACKEND, as_array, as_arrays, as_tensor

from keras_maxpool import ops

RNG = np.random.default_rng(16)
IMAGES = RNG.standard_normal((2, 9, 8, 3)).astype("float32")
STEPS = RNG.integers(-9, 10, (2, 7, 3)).astype("int32")
MASK = RNG.random((2, 9, 8)) > 0.4
VALUES, INDICES = as_arrays(ops.max_pool(IMAGES, 2, return_indices=True))


def results_of_all(images: Any, steps: Any, mask: Any, values: Any, indices: Any) -> list[Any]:
    seen = {"mask": mask, "return_indices": True}
    first = {"ceil_mode": True, "data_format": "channels_first"}
    results = [
        ops.max_pool(images, (3, np.int64(2)), padding=((1, 0), (0, 1))),
        ops.max_pool(steps, np.array([2]), padding="SAME", return_indices=True),
        ops.max_pool(images, 2, **seen, indices_dtype="int32", nonfinite="ieee"),
        ops.max_pool(images, 2, **first),
        ops.global_max_pool(images, keepdims=True),
        ops.global_max_pool(images, **seen),
        ops.adaptive_max_pool(images, (4, None), return_indices=True),
        ops.fractional_max_pool(images, 1.4, True, seed=7, return_indices=True),
        ops.max_unpool(values, indices, 2),
        ops.max_unpool(values, indices, output_size=[9, 8]),
        ops.max_unpool(values, indices, like=images),
        ops.convert_indices(indices, (None, 9, 8, 3), to="tensorflow_batch"),
    ]
    return tree.flatten(results)


ARRAYS = [IMAGES, STEPS, MASK, VALUES, INDICES]
EXPECTED = as_arrays(results_of_all(*ARRAYS))


def model_of(shapes: list[tuple]) -> Any:
    """All operations in one model."""
    pairs = zip(shapes, ARRAYS, strict=True)
    inputs = [keras.Input(shape, dtype=a.dtype.name) for shape, a in pairs]
    return keras.Model(inputs, results_of_all(*inputs))


@pytest.fixture(scope="module")
def model() -> Any:
    return model_of([a.shape[1:] for a in ARRAYS])


def saved(model: Any, path: Path) -> Any:
    model.save(path)
    return keras.models.load_model(path)


def test_predictions_of_copies(model: Any, tmp_path: Path) -> None:
    for output, wanted in zip(model.outputs, EXPECTED, strict=True):
        assert tuple(output.shape) == (None, *wanted.shape[1:])
        assert output.dtype == wanted.dtype
    assert_all_same(model.predict(ARRAYS, verbose=0), *EXPECTED)
    assert_all_same(keras.models.clone_model(model)(ARRAYS), *EXPECTED)
    for name in ["model.keras", "model.h5"] + ["folder"] * LEGACY:
        assert_all_same(saved(model, tmp_path / name)(ARRAYS), *EXPECTED)
    images, steps, mask = (None, None, 3), (None, 3), (None, None)
    assert_all_same(model_of([images, steps, mask, images, images])(ARRAYS), *EXPECTED)


@keras_3_alone
def test_an_export(model: Any, tmp_path: Path, tf: Any) -> None:
    model.export(tmp_path / "model", verbose=False)
    assert_all_same(tf.saved_model.load(tmp_path / "model").serve(ARRAYS), *EXPECTED)


def test_a_file_names_the_public_module(model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
    for op in ops.__all__:
        name = "".join(word.title() for word in op.split("_"))
        operation = next(layer for layer in layers if layer["class_name"] == name)
        assert operation["registered_name"] == f"keras_maxpool>{name}"
        assert operation["module"] in ("keras_maxpool.ops", None)  # Keras 2 writes no module
        cls = getattr(ops, name)
        assert cls.__module__ == "keras_maxpool.ops"
        assert keras.saving.get_registered_object(f"keras_maxpool>{name}") is cls


def test_a_mask_alone_may_be_symbolic_or_constant(tmp_path: Path) -> None:
    wanted = [ops.max_pool(IMAGES, 2, mask=MASK)]
    mask = keras.Input(MASK.shape[1:], batch_size=2, dtype="bool")
    for images in (IMAGES, IMAGES.tolist()):
        pooled = keras.Model(mask, ops.max_pool(images, 2, mask=mask))(MASK)
        # Of lists JAX makes float64, where it has 64 bits.
        np.testing.assert_array_equal(as_array(pooled), as_array(wanted[0]))
    x = keras.Input(batch_shape=IMAGES.shape)
    for constant in () if LEGACY else (MASK, MASK.tolist(), as_tensor(MASK)):
        model = keras.Model(x, ops.max_pool(x, 2, mask=constant))
        assert_all_same([saved(model, tmp_path / "model.keras")(IMAGES)], *wanted)


@keras_3_alone
def test_a_seed_generator(tmp_path: Path) -> None:
    """Each call draws other regions; a clone and a loaded model draw as from the start, on their own."""
    large = RNG.standard_normal((1, 50, 50, 1)).astype("float32")
    seeds = [keras.random.SeedGenerator(3) for _ in range(2)]
    expected = [as_array(ops.fractional_max_pool(large, 1.4, seed=seeds[0])) for _ in range(3)]
    assert not np.array_equal(expected[0], expected[1])
    x = keras.Input(large.shape[1:])
    model = keras.Model(x, ops.fractional_max_pool(x, 1.4, seed=seeds[1]))
    for other in (saved(model, tmp_path / "model.keras"), keras.models.clone_model(model), model):
        assert_all_same([other(large) for _ in expected], *expected)


def test_the_data_format_is_that_of_the_time_when_the_model_is_made(tmp_path: Path) -> None:
    config = getattr(keras, "config", keras.backend)  # the latter in Keras 2
    x = keras.Input(IMAGES.shape[1:])
    model = keras.Model(x, ops.max_pool(x, 2))
    expected = [ops.max_pool(IMAGES, 2)]
    config.set_image_data_format("channels_first")
    try:
        for other in (model, saved(model, tmp_path / "model.keras")):
            assert_all_same([other(IMAGES)], *expected)
    finally:
        config.set_image_data_format("channels_last")


def test_the_shape_of_convert_indices_may_be_symbolic(tmp_path: Path) -> None:
    sizes = np.array(IMAGES.shape, "int32")
    expected = [ops.convert_indices(INDICES, IMAGES.shape, to="onnx")]
    shape = keras.Input(batch_shape=(4,), dtype="int32")
    indices = keras.Input((None, None, 3), dtype="int64")
    model = keras.Model([indices, shape], ops.convert_indices(indices, shape, to="onnx"))
    for other in (model, saved(model, tmp_path / "model.keras")):
        assert_all_same([other([INDICES, sizes])], *expected)
    alone = keras.Model(shape, ops.convert_indices(as_tensor(INDICES), shape, to="onnx"))
    assert_all_same([alone(sizes)], *expected)


def test_the_old_name_of_a_kernel() -> None:
    x = keras.Input(IMAGES.shape[1:])
    with pytest.warns(FutureWarning, match='"separable"') as caught:
        model = keras.Model(x, ops.max_pool(x, 2, implementation="folded"))
    assert len(caught) == 1
    assert model.get_config()["layers"][-1]["config"]["implementation"] == "separable"
    assert_same(model(IMAGES), ops.max_pool(IMAGES, 2))
    for _ in range(2):
        with pytest.warns(FutureWarning):
            ops.max_pool(IMAGES, 2, implementation="folded")


CALLS: list[Callable[[Any], Any]] = [
    lambda x: ops.max_pool(x, dilation=2),
    lambda x: ops.max_pool(x, 2, 2, "valid", None, 1),
    lambda x: ops.adaptive_max_pool(x),
    lambda x: ops.global_max_pool(x, inputs=x),
    # From here on of Keras 3 alone. What is checked before the symbolic branch needs no check here.
    lambda x: ops.max_pool(x, 10),
    lambda x: ops.max_pool(x, mask=np.ones((2, 8, 8), bool)),
    lambda x: ops.max_pool(x, mask=np.ones((2, 9, 8))),
    lambda x: ops.global_max_pool(x, mask="all"),
    lambda x: ops.global_max_pool(x, mask=np.ones((2, 8, 8), bool)),
    lambda x: ops.adaptive_max_pool(x, 0),
    lambda x: ops.fractional_max_pool(x, 30.0),
    lambda x: ops.fractional_max_pool(x, 1.5, seed=-1),
    lambda x: ops.max_unpool(x, INDICES),
    lambda x: ops.max_unpool(x, np.zeros(x.shape, int), like=x, output_size=9),
    lambda x: ops.convert_indices(x, x.shape, to="onnx"),
]
if BACKEND == "tensorflow":  # which alone has several implementations
    CALLS.append(lambda x: ops.max_pool(x, dilation_rate=2, implementation="direct"))


@pytest.mark.parametrize("call", CALLS[:4] if LEGACY else CALLS)
def test_errors_have_the_same_text(call: Callable[[Any], Any]) -> None:
    texts = []
    for x in (IMAGES, keras.Input(batch_shape=IMAGES.shape)):
        with pytest.raises((TypeError, ValueError)) as caught:
            call(x)
        texts.append((caught.type, str(caught.value)))
    assert texts[0] == texts[1]


def test_the_shape_of_convert_indices() -> None:
    for shape in [(None, None, 8, 3), (2, 9, 8, 3, 1), np.zeros(3, "int32")]:
        with pytest.raises(ValueError, match="`shape` must have one size for each of the 4 axes"):
            ops.convert_indices(INDICES, shape, to="onnx")
    # The batch is that of the indices.
    assert_same(*(ops.convert_indices(INDICES, (n, 9, 8, 3), to="onnx") for n in (None, 2)))
    # Two samples of 2**30 elements are more than int32 counts.
    with pytest.raises(ValueError, match=r"received 2147483648, in sizes of \(2, "):
        ops.convert_indices(np.zeros((2, 1, 1, 1), "int32"), (None, 2**15, 2**15, 1), to="onnx")
