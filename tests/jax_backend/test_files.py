"""A model saved on one backend loads on each other: same predictions, and the same losses when it trains on."""

from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from harness.keras_version import keras
from harness.processes import run_code

import keras_maxpool

BACKENDS = ["tensorflow", "jax", *(["torch"] if find_spec("torch") else [])]


def make() -> keras.Model:
    """Every family, each with something that is trained before it."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((12, 10, 2))
    x = keras.layers.Conv2D(4, 3, padding="same")(inputs)
    values, indices = keras_maxpool.MaxPooling2D(2, padding=1, return_indices=True)(x)
    unpooled = keras_maxpool.MaxUnpooling2D(2)(values, indices, like=x)
    parts = [
        keras_maxpool.MaxPool2D((3, 2), 2, "same_lower", dilation_rate=(2, 1))(x),
        keras_maxpool.AdaptiveMaxPooling2D((3, 4))(x),
        keras_maxpool.FractionalMaxPooling2D(1.5, seed=7)(x),
        keras_maxpool.ops.max_pool(unpooled, 3),
        keras_maxpool.GlobalMaxPooling2D(keepdims=True)(unpooled),
    ]
    flat = [keras.layers.Flatten()(part) for part in parts]
    tokens = keras.Input((9,), dtype="int32")
    steps = keras.layers.Embedding(5, 4, mask_zero=True)(tokens)
    text = keras.layers.GlobalAveragePooling1D()(keras_maxpool.MaxPooling1D(2)(steps))
    outputs = keras.layers.Dense(3)(keras.layers.Concatenate()([*flat, text]))
    model = keras.Model([inputs, tokens], outputs)
    return compiled(model)


def compiled(model: keras.Model) -> keras.Model:
    model.compile("sgd", "mse", jit_compile=keras.config.backend() == "jax")
    return model


def arrays() -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 12, 10, 2)).astype("float32")
    return [x, rng.integers(0, 5, (4, 9))], rng.normal(size=(4, 3)).astype("float32")


def trained(model: keras.Model) -> list[np.ndarray]:
    """What it predicts, the loss of a step, and what it predicts then."""
    x, y = arrays()
    predict = partial(model.predict, x, verbose=0)
    return [predict(), model.train_on_batch(x, y), predict()]


def save(folder: str) -> None:
    model = make()
    model.save(f"{folder}/model.keras")
    model.save_weights(f"{folder}/model.weights.h5")
    np.savez(f"{folder}/results.npz", *trained(model))


def check(folder: str) -> None:
    """Loads it, by its file and by its weights, and does the same."""
    by_weights = make()
    by_weights.set_weights([0 * weight for weight in by_weights.get_weights()])
    by_weights.load_weights(f"{folder}/model.weights.h5")
    # Of PyTorch's optimizers, Keras writes classes that run on PyTorch alone.
    loaded = keras.models.load_model(f"{folder}/model.keras", compile=False)
    wanted = np.load(f"{folder}/results.npz")
    for model in (compiled(loaded), by_weights):
        first, *others = zip(trained(model), wanted.values(), strict=True)
        np.testing.assert_allclose(*first, rtol=1e-6, atol=1e-6)
        for pair in others:
            np.testing.assert_allclose(*pair, rtol=1e-5, atol=1e-5)


def in_backend(backend: str, calls: str) -> None:
    code = f"import sys; sys.path.append({str(Path(__file__).parent)!r}); import test_files as t"
    child = run_code(f"{code}; {calls}", KERAS_BACKEND=backend, JAX_ENABLE_X64="0")
    assert child.returncode == 0, child.stderr[-3000:]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each backend saved."""
    made = {backend: str(tmp_path_factory.mktemp(backend)) for backend in BACKENDS}
    for backend, folder in made.items():
        in_backend(backend, f"t.save({folder!r})")
    return made


@pytest.mark.parametrize("backend", BACKENDS)
def test_files_of_the_others(folders: dict[str, str], backend: str) -> None:
    others = [folder for source, folder in folders.items() if source != backend]
    in_backend(backend, "; ".join(f"t.check({folder!r})" for folder in others))
