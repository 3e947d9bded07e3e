"""The sides of keras-maxpool bench: our layer and each peer, as steps without arguments."""

import importlib.util
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import ml_dtypes
import numpy as np

import keras_maxpool
from keras_maxpool.geometry.window import Axis
from keras_maxpool.tools.bench import cases as bench_cases
from keras_maxpool.tools.bench import steps
from keras_maxpool.tools.bench.cases import Case, Setting
from keras_maxpool.tools.bench.steps import Function
from keras_maxpool.tools.versions import BACKEND

Arrays = list[np.ndarray]

MODULES = {bench_cases.PYTORCH: "torch", bench_cases.OPENCV: "cv2"}
"""The module of each optional peer."""


@dataclass(frozen=True, eq=False)
class Data:
    """The input of a case, and its upstream gradient."""

    x: np.ndarray
    upstream: np.ndarray


@dataclass(frozen=True, eq=False)
class Side:
    """`step` does the work once; `arrays` turns what it returned into what is compared."""

    step: Callable[[], Any]
    arrays: Callable[[Any], Arrays]


def installed() -> list[str]:
    """Returns the optional peers that can be imported here."""
    return [peer for peer, module in MODULES.items() if importlib.util.find_spec(module)]


def others() -> list[str]:
    """Returns the peers besides Keras's layers and our own kernels that there are here."""
    here = [bench_cases.COPY, *installed()]
    # JAX and PyTorch have no such operation.
    return [bench_cases.SPACE_TO_BATCH, *here] if BACKEND == "tensorflow" else here


def make_data(case: Case) -> Data:
    """Returns shuffled, evenly spaced numbers within 2**15 of zero, without ties in float32, and positive gradients."""
    numbers = np.random.default_rng(0)
    dtype = np.dtype(getattr(ml_dtypes, case.dtype, case.dtype))
    size = math.prod(case.shape)
    # Scaled by a power of two, integers below 2**24 stay distinct, and so far apart (the built-in's eager
    # 3D gradient takes what differs by less than 1e-5 for equal) that float16 still holds the largest.
    x = (numbers.permutation(size) - size // 2).astype("float32") * 2.0 ** (16 - size.bit_length())
    upstream = numbers.uniform(0.5, 1.5, case.output_shape)
    return Data(x.astype(dtype).reshape(case.input_shape), upstream.astype(dtype))


def our_layer(case: Case, implementation: str = "auto") -> keras.layers.Layer:
    """Returns our layer for a case."""
    cls = getattr(keras_maxpool, f"MaxPooling{case.rank}D")
    return cls(
        case.pool,
        case.strides,
        case.padding,
        case.data_format,
        dilation_rate=case.dilation,
        implementation=implementation,
        dtype=case.dtype,
    )


def ours(case: Case, mode: str, direction: str, data: Data) -> Side:
    """Returns our own side."""
    return _side(our_layer(case), case, mode, direction, data)


def peer(setting: Setting, data: Data) -> Side:
    """Returns the peer's side."""
    case, mode, direction = setting.case, setting.mode, setting.direction
    assert isinstance(case, Case)
    match setting.peer:
        case bench_cases.PYTORCH:
            return _pytorch(case, direction, data)
        case bench_cases.OPENCV:
            return _opencv(case, data)
        case bench_cases.COPY:
            return _copy(direction, data)
    if setting.peer in bench_cases.KERNELS:
        return _side(our_layer(case, setting.peer), case, mode, direction, data)
    return _side(_builtin(case, setting.peer), case, mode, direction, data)


def _side(function: Function, case: Case, mode: str, direction: str, data: Data) -> Side:
    if mode in bench_cases.TRAINING:
        return _training(function, mode, data.x)
    step = steps.of_layer(
        function, mode, direction, data.x, data.upstream, any_batch=case.unknown_batch
    )
    return Side(step, lambda tensors: [keras.ops.convert_to_numpy(t) for t in tensors])


class _Offset(keras.layers.Layer):
    """Adds one trained number, so that a training step asks for the pooling's gradient."""

    def build(self, input_shape: Any) -> None:
        self.offset = self.add_weight(shape=(), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        return inputs + self.offset


def _training(function: Function, mode: str, array: np.ndarray) -> Side:
    offset, x = _Offset(), keras.ops.convert_to_tensor(array)
    layer = function if isinstance(function, keras.layers.Layer) else keras.layers.Lambda(function)
    model = keras.Sequential([keras.Input(batch_shape=x.shape), offset, layer])
    # Summed gradients are then integers, exact in any order; so small a rate does not change the input.
    rate = 2.0**-40
    model.compile(
        keras.optimizers.SGD(rate),
        lambda _, pooled: keras.ops.sum(pooled),
        # Without XLA on TensorFlow, and else what Keras chooses: compiled on JAX, eager on PyTorch.
        jit_compile=mode == "fit-xla" if BACKEND == "tensorflow" else "auto",
    )
    unused = keras.ops.zeros([x.shape[0], 1])
    return Side(
        lambda: model.train_on_batch(x, unused),
        lambda loss: [np.asarray(loss), keras.ops.convert_to_numpy(offset.offset) / rate],
    )


def _builtin(case: Case, peer: str) -> Function:
    cls = getattr(keras.layers, f"MaxPooling{case.rank}D")
    if case.dilation > 1:
        return _space_to_batch(case, cls) if peer == bench_cases.SPACE_TO_BATCH else _reshaped(case)
    if isinstance(case.padding, str):
        return cls(case.pool, case.strides, case.padding, case.data_format, dtype=case.dtype)
    layer = cls(case.pool, case.strides, "valid", case.data_format, dtype=case.dtype)
    pads = [(0, 0), *_pads(case), (0, 0)]
    return lambda x: layer(keras.ops.pad(x, pads, constant_values=-math.inf))


def _pads(case: Case) -> list[tuple[int, int]]:
    """Returns the padding before and after each spatial axis that makes the case a "valid" pooling."""
    sizes = case.shape[1:-1]
    return [axis.pads(size) for axis, size in zip(case.window.axes, sizes, strict=True)]


def _space_to_batch(case: Case, cls: Callable[..., Function]) -> Function:
    """Returns dilation with stride 1 by the known recipe: elements one dilation apart become samples of their own."""
    layer, blocks = cls(case.pool, 1, data_format="channels_last"), [case.dilation] * case.rank
    uneven = [
        -(size + before + after) % case.dilation
        for size, (before, after) in zip(case.shape[1:-1], _pads(case), strict=True)
    ]
    pads = [(b, a + more) for (b, a), more in zip(_pads(case), uneven, strict=True)]

    import tensorflow as tf

    def function(x: tf.Tensor) -> tf.Tensor:
        x = tf.pad(x, [(0, 0), *pads, (0, 0)], constant_values=-math.inf)
        y = layer(tf.space_to_batch(x, blocks, [(0, 0)] * case.rank))
        return tf.batch_to_space(y, blocks, [(0, more) for more in uneven])

    return function


def _reshaped(case: Case) -> Function:
    """Returns dilation with stride 1, axis by axis: neighbouring elements become channels, without a transpose."""
    layer = keras.layers.MaxPooling2D((case.pool, 1), 1, data_format="channels_last")

    def function(x: Any) -> Any:
        for axis, (before, after) in enumerate(_pads(case), start=1):
            outer, size, inner = math.prod(x.shape[:axis]), x.shape[axis], x.shape[axis + 1 :]
            uneven = -(size + before + after) % case.dilation
            pads = [(0, 0)] * len(x.shape)
            pads[axis] = (before, after + uneven)
            padded = keras.ops.pad(x, pads, constant_values=-math.inf)
            columns = [outer, -1, 1, case.dilation * math.prod(inner)]
            pooled = layer(keras.ops.reshape(padded, columns))
            y = keras.ops.reshape(pooled, [outer, -1, *inner])
            x = keras.ops.reshape(y[:, : y.shape[1] - uneven], [*x.shape[:axis], -1, *inner])
        return x

    return function


def _copy(direction: str, data: Data) -> Side:
    """Reads and writes the bytes that the pooling must: the input and the output, once per direction."""
    moved = data.x.size + data.upstream.size
    source = np.resize(data.x, moved if direction == "gradient" else moved // 2)
    return Side(steps.of_copy(source), lambda _: [])


def _pytorch(case: Case, direction: str, data: Data) -> Side:
    """Returns PyTorch's side on the same memory, with channels last where the case has them so."""
    # OpenMP's threads would keep spinning after their work, into the other side's turn.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    if BACKEND != "torch":
        torch.set_num_threads(os.cpu_count() or 1)
    dtype = getattr(torch, case.dtype)

    def tensor(array: np.ndarray) -> Any:
        # PyTorch does not know NumPy's bfloat16; the bits are the same.
        bits = torch.from_numpy(array.view(f"i{array.itemsize}")).view(dtype)
        moved = bits.movedim(-1, 1) if case.data_format == "channels_last" else bits
        return moved.unsqueeze(2) if case.rank == 1 else moved

    def array(tensor: Any) -> np.ndarray:
        tensor = tensor.squeeze(2) if case.rank == 1 else tensor
        tensor = tensor.movedim(1, -1) if case.data_format == "channels_last" else tensor
        bits = tensor.contiguous().view(getattr(torch, f"int{8 * data.x.itemsize}"))
        return bits.numpy().view(data.x.dtype)

    pool = _pytorch_pool(case)
    x, upstream = tensor(data.x), tensor(data.upstream)

    def forward() -> list[Any]:
        with torch.inference_mode():
            return [pool(x)]

    def gradient() -> list[Any]:
        y = pool(x)
        return [y.detach(), *torch.autograd.grad(y, x, upstream)]

    x.requires_grad_(direction == "gradient")
    step = forward if direction == "forward" else gradient
    return Side(step, lambda tensors: [array(t) for t in tensors])


def _pytorch_pool(case: Case) -> Callable[[Any], Any]:
    """Returns the pooling with PyTorch's own padding and ceil mode if the windows are the same, else padded before."""
    from torch.nn import functional

    pads, before = _pads(case), [before for before, _ in _pads(case)]
    pool = functional.max_pool3d if case.rank == 3 else functional.max_pool2d
    # A series is an image of height one.
    one, zero = ([1], [0]) if case.rank == 1 else ([], [])
    window, strides, rates = (
        one + [number] * case.rank for number in (case.pool, case.strides, case.dilation)
    )

    def same_windows(ceil_mode: bool) -> bool:
        # Windows with the same start and number are the same.
        return all(
            axis.output_size(size)
            == Axis(axis.pool, axis.stride, (n, n), axis.dilation, ceil_mode).output_size(size)
            for axis, size, n in zip(case.window.axes, case.shape[1:-1], before, strict=True)
        )

    for ceil_mode in (False, True):
        if max(before) <= case.pool // 2 and same_windows(ceil_mode):
            return lambda x: pool(x, window, strides, zero + before, rates, ceil_mode)
    around = [n for pair in reversed(pads) for n in pair]
    return lambda x: pool(
        functional.pad(x, around, value=-math.inf), window, strides, dilation=rates
    )


def _opencv(case: Case, data: Data) -> Side:
    """Returns OpenCV's dilation by a rectangle, which is "same" pooling with stride 1, image by image."""
    import cv2

    rectangle = np.ones([case.pool] * 2, "uint8")
    return Side(
        lambda: [cv2.dilate(image, rectangle) for image in data.x],
        lambda images: [np.stack(images).reshape(data.x.shape)],
    )
