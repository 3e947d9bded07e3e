"""Max pooling for Keras on TensorFlow: the built-in layers' drop-in, with the options they lack."""

from keras_maxpool import ops
from keras_maxpool.layers.adaptive_max_pooling import (
    AdaptiveMaxPool1D,
    AdaptiveMaxPool2D,
    AdaptiveMaxPool3D,
    AdaptiveMaxPooling1D,
    AdaptiveMaxPooling2D,
    AdaptiveMaxPooling3D,
)
from keras_maxpool.layers.fractional_max_pooling import (
    FractionalMaxPool1D,
    FractionalMaxPool2D,
    FractionalMaxPool3D,
    FractionalMaxPooling1D,
    FractionalMaxPooling2D,
    FractionalMaxPooling3D,
)
from keras_maxpool.layers.max_pooling import (
    MaxPool1D,
    MaxPool2D,
    MaxPool3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)

__version__ = "0.1.0"

__all__ = [
    "AdaptiveMaxPool1D",
    "AdaptiveMaxPool2D",
    "AdaptiveMaxPool3D",
    "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D",
    "AdaptiveMaxPooling3D",
    "FractionalMaxPool1D",
    "FractionalMaxPool2D",
    "FractionalMaxPool3D",
    "FractionalMaxPooling1D",
    "FractionalMaxPooling2D",
    "FractionalMaxPooling3D",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "ops",
]
