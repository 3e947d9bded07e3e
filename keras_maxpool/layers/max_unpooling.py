"""The base class of the max unpooling layers: all but their rank, and the text of their docstrings."""

from collections.abc import Sequence
from typing import Any, Unpack

from keras_maxpool import arguments, backend, ops
from keras_maxpool.compat import keras, keras_2_nodes
from keras_maxpool.geometry import checks, output_shapes
from keras_maxpool.layers.base import LayerArguments
from keras_maxpool.layers.windowed_layer import WindowedLayer


class BaseMaxUnpooling(WindowedLayer):
    """The base of `MaxUnpooling1D`, `MaxUnpooling2D` and `MaxUnpooling3D`.

    `layer(values, indices)` writes the values that a max pooling layer with `return_indices=True`
    returned back to their flat indices, and zeros elsewhere, as `torch.nn.MaxUnpool{rank}d` does. Values
    with the same index, which overlapping windows produce, are added (PyTorch keeps one of them), so
    that unpooling is the adjoint of gathering the maxima.

    Args:
        {pool_size}
        {strides}
        {padding}
        {data_format}
        {name}
        {output_size}
        {indices_convention}
        {kwargs}

    Call arguments, which may also come as one list, `layer([values, indices])` or
    `layer([values, indices, like])`:
        values: tensor, or what converts to one, of the input shape below.
        {indices}
            TensorFlow Addons names this argument `mask`, which is accepted too.
        {like}

    Input shape:
        {input_shape}

    Output shape:
        The input shape with the spatial sizes of `like`, or else `output_size`, or else, as PyTorch
        infers them, `(size - 1) * strides - pads + pool_size` with `pads` the padding on both sides
        together; with a named padding other than `"valid"`, `size * strides`. The dtype is that of the
        values.

    Raises:
        TypeError: if an argument has the wrong type, or a tensor the wrong dtype.
        ValueError: if an argument is out of range, shapes do not fit together, or an index is beyond
            the output. For the latter a graph raises a `tf.errors.InvalidArgumentError` when it runs.
            XLA and exported models have no errors then, and drop such values.
    """

    family = "MaxUnpool"
    _documented_op = staticmethod(ops.max_unpool)

    def __init__(
        self,
        pool_size: arguments.Ints = 2,
        strides: arguments.Ints | None = None,
        padding: arguments.Padding = "valid",
        data_format: arguments.DataFormat | None = None,
        name: str | None = None,
        *,
        output_size: arguments.Ints | None = None,
        indices_convention: arguments.IndicesConvention = "torch",
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        """Checks the arguments, and holds them in their internal form."""
        super().__init__(locals())

    def _checked(self, own: dict[str, Any]) -> dict[str, Any]:
        sizes = arguments.optional_sizes(own["output_size"], self.rank, "output_size")
        return super()._checked(own) | {"output_size": sizes}

    def __call__(  # type: ignore[override]
        self, values: Any, indices: Any = None, like: Any = None, **kwargs: Any
    ) -> Any:
        """Applies the layer to values and indices, which may come as one list; `mask=` is Addons' name of indices."""
        if indices is None:
            indices = kwargs.pop("mask", None)
        values, indices, like = _unpacked(values, indices, like)
        if "output_size" in kwargs:
            raise TypeError(
                f"`output_size` is no argument of the call; received output_size={kwargs['output_size']!r}. Pass the "
                "pooling's input, layer(values, indices, like=x), or sizes to the layer, "
                f"{type(self).__name__}(..., output_size=...)."
            )
        indices, like = (keras_2_nodes.revived(tensor, values) for tensor in (indices, like))
        if like is not None:
            kwargs["like"] = _tensor(like, "like")
        return super().__call__(
            backend.as_dense(values, "values"), _tensor(indices, "indices"), **kwargs
        )

    def call(self, values: Any, indices: Any, like: Any | None = None) -> Any:
        """Writes values to their indices."""
        checks.unpooling(values, indices, like, self.output_size, self.indices_convention)
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
        """Returns the output's shape, `None` where unknown. As in a call, the shapes may come as one list."""
        if any(hasattr(item, "__len__") for item in values_shape):
            values_shape, _, like_shape = (*values_shape, like_shape)[:3]
        super().check_shape(values_shape)
        return output_shapes.max_unpooled(
            values_shape, self._window, self.data_format, self.output_size, like_shape
        )

    def compute_output_spec(
        self,
        values: keras.KerasTensor | Sequence[keras.KerasTensor],
        indices: keras.KerasTensor | None = None,
        like: keras.KerasTensor | None = None,
        **kwargs: Any,
    ) -> keras.KerasTensor:
        """Returns the output's shape and dtype for symbolic inputs, which may come as one list, as in a call.

        `kwargs` are further arguments of a subclass's call.
        """
        values, indices, like = _unpacked(values, indices, like)
        checks.unpooling(values, indices, like, self.output_size, self.indices_convention)
        like_shape = None if like is None else like.shape
        shape = self.compute_output_shape(values.shape, indices.shape, like_shape)
        return keras.KerasTensor(shape, values.dtype)


def _tensor(value: Any, name: str) -> Any:
    """Returns an argument of the call as a tensor. Keras 2 converts the first one alone."""
    checks.has_shape(value, name)
    return backend.convert_to_tensor(value, name)


def _unpacked(values: Any, indices: Any, like: Any) -> tuple[Any, Any, Any]:
    """Returns the three tensors or None, where the first may be a list of two or all."""
    if indices is None and isinstance(values, (list, tuple)) and len(values) in (2, 3):
        return (*values, like)[:3]
    return values, indices, like
