"""Pooling layers of TensorFlow Addons, and the SegNet classes that many repositories have copied, for loading files.

    from keras_maxpool.old_layers import OLD_LAYERS

    model = keras.saving.load_model("segnet.h5", custom_objects=OLD_LAYERS)

The layers are `MaxUnpooling2D`, `MaxUnpooling2DV2` and `AdaptiveMaxPooling1D/2D/3D` of TensorFlow Addons, and the
copied `MaxPoolingWithArgmax2D` and `MaxUnpooling2D`. Each becomes one of this package, predicts what it did, and
loads without the mapping once the model is saved again. Where the copied classes saved no arguments, their original
defaults are used: windows of 2, strides of 2, `"same"`. TensorFlow Addons rounds the region bounds of adaptive
pooling in float32: from 22 outputs on, some regions differ from ours by one element.
"""

from typing import Any

import keras_maxpool

# The defaults of arguments that a file lacks: early copies of the classes have no `get_config`.
WINDOW = {"pool_size": (2, 2), "strides": (2, 2), "padding": "same"}
INDICES = {"data_format": "channels_last", "indices_convention": "tensorflow"}


class AddonsMaxUnpooling2D:
    """`tfa.layers.MaxUnpooling2D`, called as `layer(updates, mask)`."""

    @staticmethod
    def from_config(config: dict[str, Any]) -> Any:
        """Returns a `keras_maxpool.MaxUnpooling2D`."""
        return keras_maxpool.MaxUnpooling2D.from_config(WINDOW | config | INDICES)


class AddonsMaxUnpooling2DV2:
    """`tfa.layers.MaxUnpooling2DV2`, whose `output_size` has a batch and channels, which are those of the values."""

    @staticmethod
    def from_config(config: dict[str, Any]) -> Any:
        """Returns a `keras_maxpool.MaxUnpooling2D`."""
        size = {"output_size": config["output_size"][1:3]}
        return keras_maxpool.MaxUnpooling2D.from_config(config | size | INDICES)


class MaxPoolingWithArgmax2D:
    """The copied SegNet class: values, and the indices of `tf.nn.max_pool_with_argmax` cast to floats."""

    @staticmethod
    def from_config(config: dict[str, Any]) -> Any:
        """Returns a `keras_maxpool.MaxPooling2D`, whose indices stay integers."""
        config = WINDOW | config | INDICES | {"return_indices": True}
        return keras_maxpool.MaxPooling2D.from_config(config)


class SegNetMaxUnpooling2D:
    """The copied SegNet class, called as `layer([updates, mask])`; its output is `size` times as large."""

    @staticmethod
    def from_config(config: dict[str, Any]) -> Any:
        """Returns a `keras_maxpool.MaxUnpooling2D`."""
        # Some copies call it `pool_size`.
        size = config.get("size", config.get("pool_size", (2, 2)))
        rest = {name: value for name, value in config.items() if name != "size"}
        return keras_maxpool.MaxUnpooling2D.from_config(rest | {"pool_size": size} | INDICES)


OLD_LAYERS: dict[str, Any] = {
    "Addons>MaxUnpooling2D": AddonsMaxUnpooling2D,
    "Addons>MaxUnpooling2DV2": AddonsMaxUnpooling2DV2,
    "Addons>AdaptiveMaxPooling1D": keras_maxpool.AdaptiveMaxPooling1D,
    "Addons>AdaptiveMaxPooling2D": keras_maxpool.AdaptiveMaxPooling2D,
    "Addons>AdaptiveMaxPooling3D": keras_maxpool.AdaptiveMaxPooling3D,
    "MaxPoolingWithArgmax2D": MaxPoolingWithArgmax2D,
    "MaxUnpooling2D": SegNetMaxUnpooling2D,
}
"""For `custom_objects`: the class that replaces each name in a file."""
