"""Chooses the backend that Keras runs on, and documents the functions that `layers` and `ops` call in it.

Each backend has all of them. Their arguments have been checked: `x`, `values`, `indices`, `like` are the backend's own
dense tensors, of dtypes, ranks and shapes that fit together (sizes may be unknown in a graph), a `mask` is one of
booleans `(batch, *spatial)` or `(batch,)`, or None, a `window` is a `geometry.window.Window` of their rank, a
`data_format` is a name, and so on. Sizes that a graph learns only when it runs are checked then, by the backend. Each
result has the dtype of `x` and is what the public op of that name documents; "indices" have the shape of the values,
and the dtype that `index_dtype("int64")` returns. `help` shows a `context` among the arguments of some of TensorFlow's:
their decorator adds it.

Whole operations:
    max_pool(x, window, data_format, nonfinite, implementation, mask=None, indices=None): the values; with a dtype
        `indices` ("int64", "int32") the pair of values and indices.
    global_max_pool(x, data_format, keepdims, mask, return_indices, nonfinite): the values, or values and indices.
    adaptive_max_pool(x, outputs, data_format, return_indices): the same; `outputs` has an integer or None per axis.
    fractional_max_pool(x, ratios, pseudo_random, overlapping, data_format, seed, return_indices): the same; `ratios`
        has a float per axis, `seed` is an integer, a `keras.random.SeedGenerator` or None.
    max_unpool(values, indices, window, data_format, output_size, like, convention="torch"): the unpooled tensor, of
        `output_size` (an integer per axis, or None) or the spatial sizes of `like` (a tensor or None). ValueError for
        indices beyond the output, where the mode can say so.
    convert_indices(indices, sizes, to, source, data_format): indices of the same shape and dtype; `sizes` is a tensor,
        or a list as `sizes` returns it. ValueError where int32 does not count the elements.
    pool_mask(mask, window): the outgoing mask of a mask `(batch, *spatial)`, booleans: whether a window has a visible
        element.
    where_mask_fits(mask, x, data_format): a boolean mask of the right rank; True everywhere if its sizes, when the
        graph runs, are not those of `x`.

Conversions and checks of inputs:
    as_dense(value, name): the argument `name` as what Keras or `convert_to_tensor` can convert. TypeError for sparse
        and ragged tensors, which says what to write.
    convert_to_tensor(value, name): the same as a tensor; a KerasTensor stays one.
    sizes(x): a list of the sizes: integers where known, and else scalar tensors.
    index_dtype(name): the dtype, as a name, of indices that are wanted as "int64" or "int32".
    check_implementation(implementation, window, dtype=None): ValueError or TypeError for a forced kernel that cannot
        pool with this window, or tensors of this dtype (a name).
    do_not_convert(function): the function, marked so that the backend's compiler does not rewrite its code.
"""

from keras_maxpool.compat import REFUSAL, keras

name = keras.config.backend()
if name == "tensorflow":
    from keras_maxpool.backend.tensorflow import *  # noqa: F403
    from keras_maxpool.backend.tensorflow import __all__ as __all__
elif name == "jax":
    from keras_maxpool.backend.jax import *  # noqa: F403
    from keras_maxpool.backend.jax import __all__ as __all__
elif name == "torch":
    from keras_maxpool.backend.torch import *  # noqa: F403
    from keras_maxpool.backend.torch import __all__ as __all__
else:
    raise ImportError(REFUSAL.format(name))
