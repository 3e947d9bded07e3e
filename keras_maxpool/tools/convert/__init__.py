"""Models and layers from elsewhere and back: Keras's built-in layers, PyTorch's modules, ONNX's nodes.

ResNet18's stem ends in `torch.nn.MaxPool2d(3, stride=2, padding=1)`, and YOLO's SPP block joins its input with three
poolings of it, `torch.nn.MaxPool2d(k, stride=1, padding=k // 2)` for k of 5, 9 and 13:

>>> import keras, keras_maxpool
>>> from keras_maxpool.tools import convert
>>> class MaxPool2d:  # replaces torch.nn.MaxPool2d here
...     def __init__(self, kernel_size, stride, padding):
...         self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
...         self.dilation, self.return_indices, self.ceil_mode = 1, False, False
>>> x = inputs = keras.Input((224, 224, 64))
>>> x = convert.from_torch(MaxPool2d(3, stride=2, padding=1), name="stem")(x)
>>> modules = [MaxPool2d(k, stride=1, padding=k // 2) for k in (5, 9, 13)]
>>> x = keras.layers.Concatenate()([x, *(convert.from_torch(module)(x) for module in modules)])
>>> x.shape
(None, 112, 112, 256)
"""

from keras_maxpool.tools import on_keras_3  # noqa: F401 isort: skip
from keras_maxpool.old_layers import OLD_LAYERS
from keras_maxpool.tools.convert.models import (
    CannotConvertError,
    Conversion,
    convert,
    to_builtin,
    to_keras_maxpool,
)
from keras_maxpool.tools.convert.onnx_nodes import from_onnx
from keras_maxpool.tools.convert.torch_modules import from_torch, to_torch_kwargs

__all__ = [
    "OLD_LAYERS",
    "CannotConvertError",
    "Conversion",
    "convert",
    "from_onnx",
    "from_torch",
    "to_builtin",
    "to_keras_maxpool",
    "to_torch_kwargs",
]
