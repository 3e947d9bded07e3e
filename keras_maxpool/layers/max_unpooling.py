"""Max unpooling layers for 1D, 2D and 3D: one base class, three subclasses, and the alias names."""

from collections.abc import Sequence
from typing import Any

from keras_maxpool import arguments, backend
from keras_maxpool.compat import keras, keras_2_nodes
from keras_maxpool.geometry import checks, output_shapes
from keras_maxpool.geometry import window as windows
from keras_maxpool.layers.base import SpatialLayer
from keras_maxpool.layers.registry import register


class _MaxUnpooling(SpatialLayer):
    """What the three ranks share, which is all but the rank."""

    family = "MaxUnpool"
    own_arguments = (
        *("pool_size", "strides", "padding", "data_format", "output_size"),
        "indices_convention",
    )

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: Any = "valid",
        data_format: str | None = None,
        name: str | None = None,
        *,
        output_size: Any = None,
        indices_convention: str = "torch",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            name,
            kwargs,
            pool_size=pool_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            output_size=output_size,
            indices_convention=indices_convention,
        )

    def _checked(self, own: dict[str, Any]) -> dict[str, Any]:
        window = windows.parse(
            self.rank, own["pool_size"], own["strides"], own["padding"], 1, False
        )
        return super()._checked(own) | {
            "_window": window,
            "pool_size": window.pool,
            "strides": window.strides,
            "padding": window.padding,
            "output_size": arguments.optional_sizes(own["output_size"], self.rank, "output_size"),
            "indices_convention": arguments.choice(
                own["indices_convention"], "indices_convention", arguments.INDICES_CONVENTIONS
            ),
        }

    def __call__(  # type: ignore[override]
        self, values: Any, indices: Any = None, like: Any = None, **kwargs: Any
    ) -> Any:
        """Applies the layer to values and indices, which may come as one list; `mask=` is Addons' name of indices."""
        if indices is None:
            indices = kwargs.pop("mask", None)
        if indices is None and isinstance(values, (list, tuple)) and len(values) in (2, 3):
            values, indices, like = (*values, like)[:3]
        if "output_size" in kwargs:
            raise TypeError(
                f"`output_size` is no argument of the call; received output_size={kwargs['output_size']!r}. Pass the "
                "pooled tensor, layer(values, indices, like=x), or sizes to the layer, "
                f"{type(self).__name__}(..., output_size=...)."
            )
        indices, like = (keras_2_nodes.revived(tensor, values) for tensor in (indices, like))
        values = backend.as_dense(values, "values")
        indices = backend.as_dense(indices, "indices")
        like = backend.as_dense(like, "like")
        checks.has_shape(indices, "indices")
        if like is not None:
            kwargs["like"] = like
        return super().__call__(values, indices, **kwargs)

    def call(self, values: Any, indices: Any, like: Any | None = None) -> Any:
        """Puts values at their indices."""
        self._check(values, indices, like)
        return backend.max_unpool(
            values,
            indices,
            self._window,
            self.data_format,
            self.output_size,
            like,
            self.indices_convention,
        )

    def compute_output_shape(
        self,
        values_shape: Sequence[Any],
        indices_shape: Sequence[int | None] | None = None,
        like_shape: Sequence[int | None] | None = None,
    ) -> tuple[int | None, ...]:
        """The output's shape, None where unknown. As in a call, the shapes may come as one list."""
        if any(hasattr(item, "__len__") for item in values_shape):
            values_shape, _, like_shape = (*values_shape, like_shape)[:3]
        super().check_shape(values_shape)
        return output_shapes.max_unpooled(
            values_shape, self._window, self.data_format, self.output_size, like_shape
        )

    def compute_output_spec(
        self,
        values: keras.KerasTensor,
        indices: keras.KerasTensor,
        like: keras.KerasTensor | None = None,
        **kwargs: Any,
    ) -> keras.KerasTensor:
        """The output's shape and dtype for symbolic inputs; `kwargs` are what a subclass's call takes besides."""
        self._check(values, indices, like)
        like_shape = None if like is None else like.shape
        shape = self.compute_output_shape(values.shape, indices.shape, like_shape)
        return keras.KerasTensor(shape, values.dtype)

    def _check(self, values: Any, indices: Any, like: Any) -> None:
        checks.has_shape(indices, "indices")
        if like is not None:
            checks.has_shape(like, "like")
        checks.unpooling(values, indices, like, self.output_size, self.indices_convention)


@register(alias="MaxUnpool1D")
class MaxUnpooling1D(_MaxUnpooling):
    """Max unpooling over one spatial or temporal axis; `MaxUnpool1D` is the same class.

    The arguments, errors and rules are those of `MaxUnpooling2D`, with one integer or pair in place of two.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> x = np.array([[1.0, 5.0, 2.0, 4.0, 3.0]])[..., None]
    >>> values, indices = keras_maxpool.MaxPooling1D(2, return_indices=True)(x)
    >>> keras_maxpool.MaxUnpooling1D(2)(values, indices)[0, :, 0].numpy().tolist()
    [0.0, 5.0, 0.0, 4.0]
    """

    rank = 1


@register(alias="MaxUnpool2D")
class MaxUnpooling2D(_MaxUnpooling):
    """Max unpooling over two spatial axes, as in SegNet; `MaxUnpool2D` is the same class.

    `layer(values, indices)` puts the values that a max pooling layer with `return_indices=True` gave back to where they
    came from, with zeros elsewhere, as `torch.nn.MaxUnpool2d` does. Values that meet at one place, as overlapping
    windows make them, are added (PyTorch keeps one of them), so that unpooling is the adjoint of gathering the maxima.

    Args:
        pool_size, strides, padding: those of the pooling; from them the size of the output is inferred.
        data_format: `"channels_last"` or `"channels_first"`; None takes `keras.config.image_data_format()`.
        name: the layer's name.
        output_size: the output's spatial sizes, one integer or one an axis, in place of the inferred ones.
        indices_convention: how the indices count: `"torch"` (see below), or another library's, such as `"tensorflow"`
            for those of `tf.nn.max_pool_with_argmax`: the conventions of `keras_maxpool.ops.convert_indices`. Other
            conventions than `"torch"` may also come as float32 or float64, which TensorFlow code often casts them to.
        **kwargs: what every Keras layer takes, such as `dtype` and `trainable`.

    Call arguments, which may also come as one list, `layer([values, indices])` or `layer([values, indices, like])`:
        values: `(batch, height, width, channels)`, or `(batch, channels, height, width)` with
            `data_format="channels_first"`.
        indices: int32 or int64 of the same shape: flat places in the spatial volume of the sample and channel. -1
            stands for none. TensorFlow Addons calls them `mask`, and so may you.
        like: a tensor whose spatial sizes the output takes, as a rule the one that was pooled. So odd sizes come back
            exact, and unknown ones can.

    Output shape:
        The same with the spatial sizes of `like`, or else `output_size`, or else as PyTorch infers them:
        (n - 1) * strides - P + pool_size with the padding P on both sides; n * strides for a
        named padding other than `"valid"`.

    Raises:
        TypeError: an argument of the wrong type; indices that are not int32 or int64.
        ValueError: an argument out of range; shapes that do not fit together; indices beyond the output, for which a
            graph raises a `tf.errors.InvalidArgumentError` when it runs. XLA and exported models, which have no errors
            then, leave such values out.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> values, indices = keras_maxpool.MaxPooling2D(2, return_indices=True)(ramp)
    >>> keras_maxpool.MaxUnpooling2D(2)(values, indices)[0, :, :, 0].numpy().tolist()
    [[0.0, 0.0, 0.0, 0.0], [0.0, 5.0, 0.0, 7.0], [0.0, 0.0, 0.0, 0.0], [0.0, 13.0, 0.0, 15.0]]
    """

    rank = 2


@register(alias="MaxUnpool3D")
class MaxUnpooling3D(_MaxUnpooling):
    """Max unpooling over three spatial or spatio-temporal axes; `MaxUnpool3D` is the same class.

    The arguments, errors and rules are those of `MaxUnpooling2D`, with three integers or pairs in place of two.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(8.0).reshape(1, 2, 2, 2, 1)
    >>> values, indices = keras_maxpool.MaxPooling3D(2, return_indices=True)(ramp)
    >>> keras_maxpool.MaxUnpooling3D(2)(values, indices).numpy().ravel().tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 7.0]
    """

    rank = 3


MaxUnpool1D = MaxUnpooling1D
MaxUnpool2D = MaxUnpooling2D
MaxUnpool3D = MaxUnpooling3D
