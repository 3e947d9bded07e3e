"""Keras's own layer test on the layers of this package."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import reference
from harness.keras_version import LEGACY, keras
from harness.layers import layer_class

if LEGACY:
    pytest.skip("Keras 2 ships no tests: unset TF_USE_LEGACY_KERAS", allow_module_level=True)

from keras.src.testing import TestCase

# Keras warns of its own test's training.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`shuffle=True` was passed"),
    pytest.mark.filterwarnings("ignore:The model does not have any trainable weights"),
]


@pytest.fixture(autouse=True)
def traceback_filtering() -> Iterator[None]:
    """Keras's test cases switch it off for the whole process."""
    yield
    keras.config.enable_traceback_filtering()


def shape(rank: int, size: int | None, data_format: str) -> tuple[int | None, ...]:
    """Two samples of three channels; None leaves the spatial axes out."""
    sizes = () if size is None else (size,) * rank
    return (2, *sizes, 3) if data_format == "channels_last" else (2, 3, *sizes)


# Arguments, what they make of 6 elements per axis, and the ranks: the training in it is dear.
RATIO = {"pooling_ratio": 1.5}
CASES: list[tuple[str, dict[str, Any], int | None, tuple[int, ...]]] = [
    ("MaxPooling", {}, 3, (1, 2, 3)),
    ("MaxPooling", {"pool_size": 3, "padding": 1, "strides": 2, "ceil_mode": True}, 4, (2,)),
    ("MaxPooling", {"dilation_rate": 2, "strides": 1, "nonfinite": "ieee"}, 4, (3,)),
    ("GlobalMaxPooling", {}, None, (1, 2, 3)),
    ("GlobalMaxPooling", {"keepdims": True, "nonfinite": "ieee"}, 1, (2,)),
    ("AdaptiveMaxPooling", {"output_size": 4}, 4, (1, 2, 3)),
    ("FractionalMaxPooling", RATIO, 4, (1, 2, 3)),
    ("FractionalMaxPooling", RATIO | {"pseudo_random": True, "overlapping": True}, 4, (2,)),
    # Two outputs, and for unpooling two inputs; their training's loss would subtract one from labels.
    ("MaxPooling", {"return_indices": True, "indices_convention": "tensorflow"}, 3, (3,)),
    ("MaxUnpooling", {}, 6, (1, 2, 3)),
]


@pytest.mark.parametrize(
    ("family", "arguments", "size", "rank"),
    [(*case, rank) for *case, ranks in CASES for rank in ranks],
)
def test_layer(family: str, arguments: dict[str, Any], size: int | None, rank: int) -> None:
    """Runs `run_layer_test` with what Keras asks of a layer without weights."""
    data_format = ("channels_last", "channels_first")[rank % 2]
    x, y = (shape(rank, n, data_format) for n in (6, size))
    pairs = "return_indices" in arguments
    if family == "MaxUnpooling":
        image = np.random.default_rng(0).normal(size=x).astype("float32")
        pair = reference.pool(image, data_format=data_format)
        expected = np.where(np.isin(image, pair.values), image, np.float32(0))
        given = {
            "input_data": [keras.ops.convert_to_tensor(part) for part in pair],
            "expected_output": keras.ops.convert_to_tensor(expected),
        }
    else:
        given = {"input_shape": x, "expected_output_shape": (y, y) if pairs else y}
    # Fractional layers hold a seed generator, whose state is a variable.
    generators = int(family == "FractionalMaxPooling")
    TestCase().run_layer_test(
        layer_class(family, rank),
        arguments | {"data_format": data_format},
        expected_output_dtype=("float32", "int64") if pairs else "float32",
        expected_num_seed_generators=generators,
        expected_num_trainable_weights=0,
        expected_num_non_trainable_weights=0,
        expected_num_non_trainable_variables=generators,
        expected_num_losses=0,
        # Contrary to the built-in layers.
        supports_masking=family in ("MaxPooling", "GlobalMaxPooling"),
        assert_built_after_instantiation=True,
        run_training_check=not pairs and family != "MaxUnpooling",
        **given,
    )
