"""What a type checker accepts and refuses of a user's code: mypy reads this file, nothing runs it.

Each line that mypy must refuse says so in a comment; mypy complains about such a comment where it finds no error.
"""

from typing import Any

import keras_maxpool
from keras_maxpool import ops


def code(image: Any) -> None:
    """Uses the layers and the functions, rightly and wrongly."""
    # Max pooling
    keras_maxpool.MaxPool2D()
    keras_maxpool.MaxPooling2D(2, 1, "same", "channels_first", "pool")
    keras_maxpool.MaxPool2D((2, 3), strides=[1, 2], padding=((1, 0), (0, 1)), dilation_rate=(1, 2))
    keras_maxpool.MaxPool3D(
        2, padding=1, ceil_mode=True, nonfinite="ieee", implementation="shifted"
    )
    keras_maxpool.MaxPool1D(3, padding="causal", return_indices=True, indices_convention="onnx")
    keras_maxpool.MaxPool1D(trainable=False, dtype="float16", autocast=False, input_shape=(None, 3))
    keras_maxpool.MaxPool2D("two")  # type: ignore[arg-type]
    keras_maxpool.MaxPool2D(2.0)  # type: ignore[arg-type]
    keras_maxpool.MaxPool2D(None)  # type: ignore[arg-type]
    keras_maxpool.MaxPool2D(strides="two")  # type: ignore[arg-type]
    keras_maxpool.MaxPool2D(padding=None)  # type: ignore[arg-type]
    keras_maxpool.MaxPool2D(padding="full")  # type: ignore[arg-type]
    keras_maxpool.MaxPool2D(padding=((1, 0, 0), (0, 1, 1)))  # type: ignore[arg-type]
    keras_maxpool.MaxPool2D(data_format="NCHW")  # type: ignore[arg-type]
    keras_maxpool.MaxPool2D(name=3)  # type: ignore[arg-type]
    keras_maxpool.MaxPool2D(dilation=3)  # type: ignore[call-arg]
    keras_maxpool.MaxPool2D(stride=3)  # type: ignore[call-arg]
    keras_maxpool.MaxPool2D(dilation_rate=1.5)  # type: ignore[arg-type]
    keras_maxpool.MaxPool2D(ceil_mode="yes")  # type: ignore[arg-type]
    keras_maxpool.MaxPool2D(return_indices=None)  # type: ignore[arg-type]
    keras_maxpool.MaxPool2D(nonfinite="nan")  # type: ignore[arg-type]
    keras_maxpool.MaxPool2D(implementation="folded")  # type: ignore[arg-type]
    keras_maxpool.MaxPool2D(indices_convention="pytorch")  # type: ignore[arg-type]
    keras_maxpool.MaxPool2D(trainable="yes")  # type: ignore[arg-type]
    keras_maxpool.MaxPool2D(2, 2, "valid", None, None, 1)  # type: ignore[call-arg]

    # Global max pooling
    keras_maxpool.GlobalMaxPool2D("channels_last", True, return_indices=True, nonfinite="ieee")
    keras_maxpool.GlobalMaxPool1D(2)  # type: ignore[arg-type]
    keras_maxpool.GlobalMaxPool3D(keepdims=1)  # type: ignore[arg-type]
    keras_maxpool.GlobalMaxPool2D(pool_size=2)  # type: ignore[call-arg]

    # Adaptive max pooling
    keras_maxpool.AdaptiveMaxPool2D((7, None), return_indices=True)
    keras_maxpool.AdaptiveMaxPool2D()  # type: ignore[call-arg]
    keras_maxpool.AdaptiveMaxPool2D(None)  # type: ignore[arg-type]
    keras_maxpool.AdaptiveMaxPool2D(1.5)  # type: ignore[arg-type]

    # Fractional max pooling
    keras_maxpool.FractionalMaxPool2D((1.44, 1.73), True, True, seed=3)
    keras_maxpool.FractionalMaxPool2D("1.44")  # type: ignore[arg-type]
    keras_maxpool.FractionalMaxPool2D(1.44, seed="3")  # type: ignore[arg-type]

    # Max unpooling
    keras_maxpool.MaxUnpool2D(2, output_size=(5, 5), indices_convention="tensorflow")
    keras_maxpool.MaxUnpool2D(size=2)  # type: ignore[call-arg]
    keras_maxpool.MaxUnpool2D(output_size=(5, None))  # type: ignore[arg-type]
    keras_maxpool.MaxUnpool2D(ceil_mode=True)  # type: ignore[call-arg]

    # Calls, attributes and functions
    layer = keras_maxpool.MaxPool2D(return_indices=True)
    values, indices = layer(image, mask=None)
    keras_maxpool.MaxUnpool2D()(values, indices, like=image)
    _copy: keras_maxpool.MaxPool2D = keras_maxpool.MaxPool2D.from_config(layer.get_config())
    ops.max_pool(image, 2, padding="same_lower", indices_dtype="int32")
    ops.max_pool(image, "two")  # type: ignore[arg-type]
    ops.max_pool(image, padding="full")  # type: ignore[arg-type]
    ops.max_pool(image, dilation=2)  # type: ignore[call-arg]
    ops.adaptive_max_pool(image, None)  # type: ignore[arg-type]
    ops.global_max_pool(image, data_format="NHWC")  # type: ignore[arg-type]
