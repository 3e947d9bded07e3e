"""The layers: they hold the arguments, call the op and describe themselves. A saved file names this module."""

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
from keras_maxpool.layers.global_max_pooling import (
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    GlobalMaxPool3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
)
from keras_maxpool.layers.max_pooling import (
    MaxPool1D,
    MaxPool2D,
    MaxPool3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from keras_maxpool.layers.max_unpooling import (
    MaxUnpool1D,
    MaxUnpool2D,
    MaxUnpool3D,
    MaxUnpooling1D,
    MaxUnpooling2D,
    MaxUnpooling3D,
)

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
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPool3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "MaxUnpool1D",
    "MaxUnpool2D",
    "MaxUnpool3D",
    "MaxUnpooling1D",
    "MaxUnpooling2D",
    "MaxUnpooling3D",
]
