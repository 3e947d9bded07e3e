"""What Keras 2 has of its own: models saved as SavedModels, and a generator of seeds.

The other tests of layers are the same for both: TF_USE_LEGACY_KERAS=1 pytest tests/layers
"""

import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
from harness.install import LINE, tensorflow_alone
from harness.keras_version import LEGACY, keras
from harness.layers import FAMILIES, layer
from harness.processes import run_code
from robustness.every_family import every_family

import keras_maxpool
from keras_maxpool import compat

tf = tensorflow_alone()
keras_2_alone = pytest.mark.skipif(
    not LEGACY, reason=f"of Keras 2 alone: {LINE}, then TF_USE_LEGACY_KERAS=1"
)


@keras_2_alone
@pytest.mark.parametrize("form", ["folder", ".keras", ".h5"])
def test_saved_model_goes_on_training(form: str, tmp_path: Path) -> None:
    """It predicts the same bits, and so do both after the same step."""
    keras.utils.set_random_seed(7)
    model = every_family((12, 12, 2))
    model.compile("sgd", "mse")
    path = str(tmp_path / "model") + ("" if form == "folder" else form)
    model.save(path)
    loaded = keras.models.load_model(path)
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in model.layers]
    x = np.random.default_rng(0).normal(size=(4, 12, 12, 2)).astype("float32")
    before = model.predict(x, verbose=0)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), before)
    # Outside of training, so that a fractional pooling keeps its regions.
    for each in (model, loaded):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum((each(x) - 1) ** 2)
        weights = each.trainable_weights
        gradients = tape.gradient(loss, weights)
        keras.optimizers.SGD(0.001).apply_gradients(zip(gradients, weights, strict=True))
    after = model.predict(x, verbose=0)
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), after)


@keras_2_alone
def test_generator_counts_calls() -> None:
    """The draws themselves are in test_fractional_max_pooling."""
    layer = keras_maxpool.FractionalMaxPool2D(1.5, seed=3)
    assert layer.seed_generator.state.numpy().tolist() == [3, 0]
    for _ in range(4):
        layer(np.zeros((1, 9, 9, 1), "float32"), training=True)
    assert layer.seed_generator.state.numpy().tolist() == [3, 4]


@pytest.mark.parametrize(
    "value",
    ["1", *(pytest.param(v, marks=pytest.mark.slow) for v in ("0", "true", "True", "yes", ""))],
)
def test_reads_the_environment_as_tensorflow_does(value: str) -> None:
    """Both call it Keras 2, or both do not; without its package, one sentence says what to install."""
    code = "import tensorflow as tf, keras_maxpool; print(issubclass(keras_maxpool.MaxPool1D, tf.keras.layers.Layer))"
    process = run_code(code, TF_USE_LEGACY_KERAS=value)
    if process.returncode:
        assert value in ("1", "true", "True")
        assert process.stderr.splitlines()[-1].startswith(
            "ImportError: TF_USE_LEGACY_KERAS asks for Keras 2, whose package tf_keras is not installed. "
            "Install it with pip install tf_keras"
        )
    else:
        assert process.stdout.splitlines()[-1] == "True"


@keras_2_alone
def test_tools_say_that_they_need_keras_3() -> None:
    process = run_code("from keras_maxpool.__main__ import main; exit(main(['demo']))")
    assert process.returncode == 2
    assert process.stderr.splitlines()[-1] == (
        "keras-maxpool: keras_maxpool's tools work on Keras 3, and TF_USE_LEGACY_KERAS chooses Keras 2: unset it. "
        "The layers and operations work on both."
    )


def test_nothing_to_prune() -> None:
    """TensorFlow Model Optimization's pruning takes those layers alone that it knows, or that answer this."""
    assert [layer(family, 2).get_prunable_weights() for family in FAMILIES] == [[]] * 5


@keras_2_alone
def test_built_in_layers_for_quantization_as_documented() -> None:
    """But for the last line, which needs TensorFlow Model Optimization."""
    found = re.search(r"\n(    def builtin.*)    quantized = ", compat.__doc__, re.DOTALL)
    assert found
    keras.utils.set_random_seed(7)
    x = keras.Input((9, 9, 2))
    y = keras_maxpool.MaxPool2D(3, 2, padding="same", name="pool")(keras.layers.Conv2D(3, 3)(x))
    model = keras.Model(x, keras.layers.Dense(2)(keras.layers.Concatenate()([y, y])))
    names = {"model": model, "tf": tf, "keras_maxpool": keras_maxpool}
    exec(textwrap.dedent(found[1]), names)
    clone = names["clone"]
    assert type(clone.get_layer("pool")) is keras.layers.MaxPooling2D
    inputs = np.random.default_rng(0).normal(size=(2, 9, 9, 2)).astype("float32")
    np.testing.assert_array_equal(clone(inputs), model(inputs))
