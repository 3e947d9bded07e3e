"""The public functions that pool tensors, and their `Operation` classes, which saved models name by this module.

For use in `tf.data`, and in layers of your own. Like the layers, they take tensors, `keras.Input`s, NumPy arrays,
Keras's variables and PyTorch's tensors. All arguments have precise types, which mypy and editors check.

On JAX (`KERAS_BACKEND=jax`) values, indices, gradients, errors and files are the same. `grad`, `vjp`, `jvp`, `hessian`,
`vmap`, `checkpoint`, exports with unknown sizes, and over eight virtual devices `shard_map`, arrays of an explicit mesh
and `keras.distribution.DataParallel` are tested. These differ from TensorFlow:

- `nonfinite` makes no difference: both are `"ieee"`. Neither does `implementation`.
- JAX has 64-bit types with `JAX_ENABLE_X64=1`. Without it, indices are int32, and a volume of 2**31 elements or more is
  an error.
- Under `jax.jit` an index of `max_unpool` outside the output cannot be an error. Its value is dropped.
- In exports sizes may be unknown, but the spatial ones not in fractional pooling.
- `model.export` writes SavedModels, and ONNX by jax2onnx (the extra `export-jax`), where indices are int32, spatial
  sizes must be known, and for unpooling the batch size, too. ONNX Runtime passes over NaN there in 1D, global,
  adaptive and fractional pooling. LiteRT has not been tried.

On PyTorch (`KERAS_BACKEND=torch`) they are the same, too. Autograd, `torch.func` (`vmap`, `vjp`, `jvp`, `jacfwd`,
`jacrev`, `hessian`), `torch.compile` and `DistributedDataParallel` over two processes are tested. These differ from
TensorFlow:

- PyTorch's own pooling runs on tensors with channels last without a copy. `implementation` makes no difference.
- With `nonfinite="backend"` NaN propagates, its gradient goes to the last NaN of a window, and -inf stays. Where all of
  a window is -inf, the gradient may be lost or go to another element. `"ieee"` costs a second pooling.
- Adaptive pooling without indices has PyTorch's gradient of NaN, which goes to the last of a region.
- `torch.compile(..., fullgraph=True)` takes all operations. Layers with indices or a mask look at their caller, for
  `TimeDistributed`, and break the graph there.
- Compiled or mapped (`torch.vmap`), an index of `max_unpool` outside the output cannot be an error. Its value is
  dropped.
- Keras casts NumPy arrays of uint16 to int32 and of uint32 to int64, and refuses uint64; tensors keep these dtypes.
- A file that is saved on PyTorch names PyTorch's optimizer, which Keras does not exchange: on another backend load it
  with `compile=False`, and compile the model again.
- `model.export` with `format="torch"` takes every layer. The batch size may be unknown. So may sizes of images and
  volumes in global and fractional pooling, and with "valid" or explicit padding that is alike on both sides.
- With `format="onnx"` it takes all but fractional pooling, and adaptive pooling where each size is a multiple of the
  output's, and with `format="openvino"` all but fractional pooling. Sizes may be unknown, but in OpenVINO not where the
  window with its padding is larger than one element. SavedModels need `torch_xla`, of which version 2.9 does not load
  beside PyTorch 2.13. LiteRT needs `litert-torch`: version 0.10 took plain and global pooling of known sizes, when
  tried by hand, and refused indices, masks and `"ieee"`.

On each backend the commands, the plots, `assert_parity`, `report` and `convert` are tested.
"""

from keras_maxpool.ops.adaptive_pool import AdaptiveMaxPool as AdaptiveMaxPool
from keras_maxpool.ops.adaptive_pool import adaptive_max_pool
from keras_maxpool.ops.fractional_pool import FractionalMaxPool as FractionalMaxPool
from keras_maxpool.ops.fractional_pool import fractional_max_pool
from keras_maxpool.ops.global_pool import GlobalMaxPool as GlobalMaxPool
from keras_maxpool.ops.global_pool import global_max_pool
from keras_maxpool.ops.index_conventions import ConvertIndices as ConvertIndices
from keras_maxpool.ops.index_conventions import convert_indices
from keras_maxpool.ops.pool import MaxPool as MaxPool
from keras_maxpool.ops.pool import max_pool
from keras_maxpool.ops.unpool import MaxUnpool as MaxUnpool
from keras_maxpool.ops.unpool import max_unpool

__all__ = [
    "adaptive_max_pool",
    "convert_indices",
    "fractional_max_pool",
    "global_max_pool",
    "max_pool",
    "max_unpool",
]
