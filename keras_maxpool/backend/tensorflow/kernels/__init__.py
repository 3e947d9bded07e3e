"""The kernels, by the names that `implementation=` takes: each pools a channels-last tensor over a `Window`."""

from keras_maxpool.backend.tensorflow.kernels.direct import direct
from keras_maxpool.backend.tensorflow.kernels.separable import separable
from keras_maxpool.backend.tensorflow.kernels.shifted import shifted

KERNELS = {"direct": direct, "separable": separable, "shifted": shifted}
