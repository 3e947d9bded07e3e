"""The kernels, by the names that `implementation=` takes: each pools a channels-last tensor over a `Window`."""

from collections.abc import Callable

import tensorflow as tf

from keras_maxpool.backend.tensorflow.kernels.direct import direct
from keras_maxpool.backend.tensorflow.kernels.separable import separable
from keras_maxpool.backend.tensorflow.kernels.shifted import shifted
from keras_maxpool.geometry.window import Window

Kernel = Callable[[tf.Tensor, Window, bool], tf.Tensor]
"""From a channels-last tensor, a window, and whether to pad with elements of the same windows."""

KERNELS: dict[str, Kernel] = {
    "direct": direct,
    "separable": separable,
    "shifted": shifted,
}
