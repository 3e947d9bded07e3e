"""What importing the package does: it tells Keras of the layers, and a star import takes no other name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from harness.keras_version import keras
from harness.processes import run_code

import keras_maxpool

LOADING = """
import os
import numpy as np
if os.environ.get("TF_USE_LEGACY_KERAS") == "1":
    import tf_keras as keras
else:
    import keras

folder = os.environ["FOLDER"]
for suffix in ("h5", "keras"):
    try:
        keras.models.load_model(f"{folder}/model.{suffix}")
        print("loads")
    except Exception as error:
        print(type(error).__name__, " ".join(str(error).split()))
import keras_maxpool

x = np.load(f"{folder}/x.npy")
for suffix in ("h5", "keras"):
    np.save(f"{folder}/{suffix}.npy", keras.models.load_model(f"{folder}/model.{suffix}")(x))
"""


def test_a_star_import_leaves_the_ops_of_keras_alone() -> None:
    names: dict[str, object] = {"ops": keras}
    exec("from keras_maxpool import *", names)
    assert names["ops"] is keras
    assert names["MaxPool2D"] is keras_maxpool.MaxPooling2D
    assert keras_maxpool.ops.max_pool(np.ones((1, 4, 4, 1)), 2).shape == (1, 2, 2, 1)


def test_a_process_imports_the_package_before_it_loads_a_model(tmp_path: Path) -> None:
    """As each worker of joblib and multiprocessing has to; without that, Keras says that it does not find the layer."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((9, 9, 2))
    y = keras_maxpool.MaxPool2D(3, 2, padding=1, ceil_mode=True)(keras.layers.Conv2D(2, 3)(inputs))
    model = keras.Model(
        inputs, keras_maxpool.GlobalMaxPool2D()(keras_maxpool.AdaptiveMaxPool2D(2)(y))
    )
    model.save(tmp_path / "model.keras")
    model.save(tmp_path / "model.h5")
    x = np.random.default_rng(0).normal(size=(2, 9, 9, 2)).astype("float32")
    np.save(tmp_path / "x.npy", x)
    child = run_code(LOADING, FOLDER=str(tmp_path))
    assert child.returncode == 0, child.stderr[-3000:]
    h5, zipped = child.stdout.splitlines()[-2:]
    assert h5.startswith("ValueError Unknown layer: 'keras_maxpool>MaxPooling2D'")
    # Keras 3.7 imports the module that a .keras file names.
    assert ("loads" if keras.__version__.startswith("3.7.") else "MaxPooling2D") in zipped
    for suffix in ("h5", "keras"):
        np.testing.assert_array_equal(np.load(tmp_path / f"{suffix}.npy"), model(x), strict=True)
