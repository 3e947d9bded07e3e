"""The public layers, one class for each family and rank. A saved file names this module.

Import `keras_maxpool` before a file is loaded, in each process that loads one, such as joblib's workers and those
that `multiprocessing` spawns: write the import in the module of the function that they run, or in the function. (Some
versions, such as Keras 3.7, import by themselves the module that a `.keras` file names.) The module paths of 0.1.0
stay importable, and a file of 0.1.0 with `implementation="folded"` loads with a warning: that kernel is now
`"separable"`.

Subclasses may add arguments, layers, and weights in `build`, as subclasses of Keras's own layers may.

Some layers shorten the steps and propagate their mask as it was, `TimeDistributed` among them. Such a mask, which
cannot fit, is ignored with one warning, as the built-in layers ignore it. A mask that you pass as `mask=` must fit.
Keras cannot load a functional model from `.h5` that propagates a mask, with its own layers as with these: save
`.keras`.
"""

from keras_maxpool.layers.adaptive_max_pooling import BaseAdaptiveMaxPooling
from keras_maxpool.layers.fractional_max_pooling import BaseFractionalMaxPooling
from keras_maxpool.layers.global_max_pooling import BaseGlobalMaxPooling
from keras_maxpool.layers.mask_pooling import MaskPooling as MaskPooling
from keras_maxpool.layers.max_pooling import BaseMaxPooling
from keras_maxpool.layers.max_unpooling import BaseMaxUnpooling
from keras_maxpool.layers.registry import register


@register
class MaxPooling1D(BaseMaxPooling):
    """Max pooling over one spatial or temporal axis; `MaxPool1D` is the same class.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> x = np.array([[1.0, 5.0, 2.0, 4.0, 3.0]])[..., None]
    >>> keras_maxpool.MaxPooling1D(2)(x)[0, :, 0].numpy().tolist()
    [5.0, 4.0]
    >>> keras_maxpool.MaxPooling1D(3, strides=1, padding="causal")(x)[0, :, 0].numpy().tolist()
    [1.0, 5.0, 5.0, 5.0, 4.0]
    """

    rank = 1


@register
class MaxPooling2D(BaseMaxPooling):
    """Max pooling over two spatial axes; `MaxPool2D` is the same class.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> keras_maxpool.MaxPooling2D(2)(ramp)[0, :, :, 0].numpy().tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    >>> pooled = keras_maxpool.MaxPool2D(3, strides=2, padding=1)(ramp)  # a ResNet stem's
    >>> pooled[0, :, :, 0].numpy().tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    >>> values, indices = keras_maxpool.MaxPooling2D(2, return_indices=True)(ramp)
    >>> indices[0, :, :, 0].numpy().tolist()
    [[5, 7], [13, 15]]
    """

    rank = 2


@register
class MaxPooling3D(BaseMaxPooling):
    """Max pooling over three spatial or spatio-temporal axes; `MaxPool3D` is the same class.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(8.0).reshape(1, 2, 2, 2, 1)
    >>> keras_maxpool.MaxPooling3D(2)(ramp).numpy().ravel().tolist()
    [7.0]
    """

    rank = 3


@register
class GlobalMaxPooling1D(BaseGlobalMaxPooling):
    """The maximum over all steps; `GlobalMaxPool1D` is the same class.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> x = np.array([[1.0, 5.0, 2.0]])[..., None]
    >>> keras_maxpool.GlobalMaxPooling1D()(x).numpy().tolist()
    [[5.0]]
    >>> keras_maxpool.GlobalMaxPooling1D()(x, mask=np.array([[True, False, True]])).numpy().tolist()
    [[2.0]]
    """

    rank = 1


@register
class GlobalMaxPooling2D(BaseGlobalMaxPooling):
    """The maximum over two whole spatial axes; `GlobalMaxPool2D` is the same class.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> keras_maxpool.GlobalMaxPooling2D()(ramp).numpy().tolist()
    [[15.0]]
    >>> values, indices = keras_maxpool.GlobalMaxPool2D(return_indices=True)(7.0 - ramp)
    >>> values.numpy().tolist(), indices.numpy().tolist()
    ([[7.0]], [[0]])
    """

    rank = 2


@register
class GlobalMaxPooling3D(BaseGlobalMaxPooling):
    """The maximum over three whole spatial or spatio-temporal axes; `GlobalMaxPool3D` is the same class.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(8.0).reshape(1, 2, 2, 2, 1)
    >>> keras_maxpool.GlobalMaxPooling3D(keepdims=True)(ramp).numpy().tolist()
    [[[[[7.0]]]]]
    """

    rank = 3


@register
class AdaptiveMaxPooling1D(BaseAdaptiveMaxPooling):
    """Max pooling over one spatial or temporal axis to a given size; `AdaptiveMaxPool1D` is the same class.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> x = np.array([[3.0, 1.0, 2.0, 5.0, 4.0]])[..., None]
    >>> keras_maxpool.AdaptiveMaxPooling1D(3)(x)[0, :, 0].numpy().tolist()
    [3.0, 5.0, 5.0]
    """

    rank = 1


@register
class AdaptiveMaxPooling2D(BaseAdaptiveMaxPooling):
    """Max pooling over two spatial axes to a given size; `AdaptiveMaxPool2D` is the same class.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(12.0).reshape(1, 3, 4, 1)
    >>> values, indices = keras_maxpool.AdaptiveMaxPooling2D(2, return_indices=True)(ramp)
    >>> values[0, :, :, 0].numpy().tolist()
    [[5.0, 7.0], [9.0, 11.0]]
    >>> indices[0, :, :, 0].numpy().tolist()
    [[5, 7], [9, 11]]
    """

    rank = 2


@register
class AdaptiveMaxPooling3D(BaseAdaptiveMaxPooling):
    """Max pooling over three spatial or spatio-temporal axes to a given size; `AdaptiveMaxPool3D` is the same class.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(8.0).reshape(1, 2, 2, 2, 1)
    >>> keras_maxpool.AdaptiveMaxPooling3D((1, 2, None))(ramp).numpy().ravel().tolist()
    [4.0, 5.0, 6.0, 7.0]
    """

    rank = 3


@register
class FractionalMaxPooling1D(BaseFractionalMaxPooling):
    """Fractional max pooling over one spatial or temporal axis; `FractionalMaxPool1D` is the same class.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> keras_maxpool.FractionalMaxPooling1D(1.5)(np.zeros((2, 10, 3))).shape
    TensorShape([2, 6, 3])
    """

    rank = 1


@register
class FractionalMaxPooling2D(BaseFractionalMaxPooling):
    """Fractional max pooling over two spatial axes; `FractionalMaxPool2D` is the same class.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(25.0).reshape(1, 5, 5, 1)
    >>> layer = keras_maxpool.FractionalMaxPooling2D(1.5, pseudo_random=True, return_indices=True)
    >>> values, indices = layer(ramp)
    >>> values.shape, bool(np.all(np.take(ramp, indices) == values))
    (TensorShape([1, 3, 3, 1]), True)
    """

    rank = 2


@register
class FractionalMaxPooling3D(BaseFractionalMaxPooling):
    """Fractional max pooling over three spatial or spatio-temporal axes; `FractionalMaxPool3D` is the same class.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> keras_maxpool.FractionalMaxPooling3D((1, 1.44, 1.44))(np.zeros((1, 3, 10, 10, 2))).shape
    TensorShape([1, 3, 6, 6, 2])
    """

    rank = 3


@register
class MaxUnpooling1D(BaseMaxUnpooling):
    """Max unpooling over one spatial or temporal axis; `MaxUnpool1D` is the same class.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> x = np.array([[1.0, 5.0, 2.0, 4.0, 3.0]])[..., None]
    >>> values, indices = keras_maxpool.MaxPooling1D(2, return_indices=True)(x)
    >>> keras_maxpool.MaxUnpooling1D(2)(values, indices)[0, :, 0].numpy().tolist()
    [0.0, 5.0, 0.0, 4.0]
    """

    rank = 1


@register
class MaxUnpooling2D(BaseMaxUnpooling):
    """Max unpooling over two spatial axes, as in SegNet; `MaxUnpool2D` is the same class.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> values, indices = keras_maxpool.MaxPooling2D(2, return_indices=True)(ramp)
    >>> keras_maxpool.MaxUnpooling2D(2)(values, indices)[0, :, :, 0].numpy().tolist()
    [[0.0, 0.0, 0.0, 0.0], [0.0, 5.0, 0.0, 7.0], [0.0, 0.0, 0.0, 0.0], [0.0, 13.0, 0.0, 15.0]]
    """

    rank = 2


@register
class MaxUnpooling3D(BaseMaxUnpooling):
    """Max unpooling over three spatial or spatio-temporal axes; `MaxUnpool3D` is the same class.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(8.0).reshape(1, 2, 2, 2, 1)
    >>> values, indices = keras_maxpool.MaxPooling3D(2, return_indices=True)(ramp)
    >>> keras_maxpool.MaxUnpooling3D(2)(values, indices).numpy().ravel().tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 7.0]
    """

    rank = 3


MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
MaxPool3D = MaxPooling3D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalMaxPool3D = GlobalMaxPooling3D
AdaptiveMaxPool1D = AdaptiveMaxPooling1D
AdaptiveMaxPool2D = AdaptiveMaxPooling2D
AdaptiveMaxPool3D = AdaptiveMaxPooling3D
FractionalMaxPool1D = FractionalMaxPooling1D
FractionalMaxPool2D = FractionalMaxPooling2D
FractionalMaxPool3D = FractionalMaxPooling3D
MaxUnpool1D = MaxUnpooling1D
MaxUnpool2D = MaxUnpooling2D
MaxUnpool3D = MaxUnpooling3D

__all__ = ["MaxPool1D", "MaxPool2D", "MaxPool3D"]
__all__ += ["MaxPooling1D", "MaxPooling2D", "MaxPooling3D"]
__all__ += ["GlobalMaxPool1D", "GlobalMaxPool2D", "GlobalMaxPool3D"]
__all__ += ["GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D"]
__all__ += ["AdaptiveMaxPool1D", "AdaptiveMaxPool2D", "AdaptiveMaxPool3D"]
__all__ += ["AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D"]
__all__ += ["FractionalMaxPool1D", "FractionalMaxPool2D", "FractionalMaxPool3D"]
__all__ += ["FractionalMaxPooling1D", "FractionalMaxPooling2D", "FractionalMaxPooling3D"]
__all__ += ["MaxUnpool1D", "MaxUnpool2D", "MaxUnpool3D"]
__all__ += ["MaxUnpooling1D", "MaxUnpooling2D", "MaxUnpooling3D"]
