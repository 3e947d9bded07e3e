"""A file names `keras_maxpool.layers` as the module of each class; those that 0.1.0 named still have the classes.

test_golden_files loads such files.
"""

import copy
import pickle
import re
import zipfile
from pathlib import Path

from harness.keras_version import keras, keras_3_alone

import keras_maxpool
from keras_maxpool import layers

OLD_MODULES = {
    "MaxPooling": "max_pooling",
    "GlobalMaxPooling": "global_max_pooling",
    "AdaptiveMaxPooling": "adaptive_max_pooling",
    "FractionalMaxPooling": "fractional_max_pooling",
    "MaxUnpooling": "max_unpooling",
}
CLASSES = {
    (f"keras_maxpool.layers.{module}", f"{family}{rank}D"): getattr(layers, f"{family}{rank}D")
    for family, module in OLD_MODULES.items()
    for rank in (1, 2, 3)
}
CLASSES["keras_maxpool.layers.mask_pooling", "MaskPooling"] = layers.MaskPooling


def test_every_old_path() -> None:
    """The class is its own at both, for pickles too, and says the new one."""
    for (module, name), cls in CLASSES.items():
        assert pickle.loads(f"c{module}\n{name}\n.".encode()) is cls
        assert cls.__module__ == "keras_maxpool.layers"
        assert vars(layers)[name] is cls
        assert pickle.loads(pickle.dumps(cls)) is copy.deepcopy(cls) is cls


@keras_3_alone  # Keras 2's files hold no masks
def test_a_new_file_names_the_public_module(tmp_path: Path) -> None:
    """Also for the mask of unknown steps, which is a part of the model."""
    inputs = keras.Input((None, 2))
    pooled = keras_maxpool.MaxPool1D(2)(keras.layers.Masking()(inputs))
    keras.Model(inputs, keras.layers.LSTM(2)(pooled)).save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as file:
        config = file.read("config.json").decode()
    found = set(re.findall(r'"module": "(keras_maxpool[\w.]*)", "class_name": "(\w+)"', config))
    public = "keras_maxpool.layers"
    assert found == {(public, "MaxPooling1D"), (public, "MaskPooling")}
