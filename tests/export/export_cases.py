"""One small model for each option of each layer, and inputs for it: what every road of export has to carry."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from harness.install import needs
from harness.keras_version import keras

import keras_maxpool as km

SIZES = {1: (11,), 2: (11, 9), 3: (5, 7, 5)}
"""Spatial sizes for each rank, which windows of two do not divide."""
CHANNELS = 3

Build = Callable[[Any, int], Any]
"""From a symbolic input, or an input and its mask, and the number of spatial axes to the model's output or outputs."""


@dataclass(frozen=True)
class Case:
    """A model of one option, for tensors of `rank` spatial axes."""

    option: str
    rank: int
    build: Build
    data_format: str = "channels_last"
    dtype: str = "float32"
    masked: bool = False

    def __str__(self) -> str:
        """The id in a test's name."""
        return f"{self.option}-{self.rank}d"

    def model(self, known: bool = True, stem: keras.layers.Layer | None = None) -> keras.Model:
        """The model, with or without known spatial sizes, and behind a channels-last stem if there is one."""
        first = self.data_format == "channels_first"
        sizes = SIZES[self.rank] if known else (None,) * self.rank
        shape = (CHANNELS, *sizes) if first and not stem else (*sizes, CHANNELS)
        x = y = keras.Input(shape, dtype=self.dtype, name="x")
        if stem:
            y = stem(x)
            y = keras.layers.Permute((self.rank + 1, *range(1, self.rank + 1)))(y) if first else y
        if not self.masked:
            return keras.Model(x, self.build(y, self.rank))
        mask = keras.Input(sizes, dtype="bool", name="mask")
        return keras.Model([x, mask], self.build((y, mask), self.rank))

    def inputs(self, batch: int = 3, more: int = 0) -> list[np.ndarray]:
        """Seeded inputs full of ties; spatial sizes are larger by `more`."""
        rng = np.random.default_rng(self.rank)
        sizes = tuple(size + more for size in SIZES[self.rank])
        shape = (*sizes, CHANNELS) if self.data_format == "channels_last" else (CHANNELS, *sizes)
        x = (rng.integers(-9, 9, (batch, *shape)) / 2).astype(self.dtype)
        return [x, *self.mask((batch, *sizes), rng)]

    def mask(self, shape: tuple[int, ...], rng: np.random.Generator) -> list[np.ndarray]:
        """One that hides windows and a whole sample, if the case has any."""
        mask = rng.random(shape) < 0.4
        mask[0, :3] = mask[-1] = False
        return [mask] * self.masked


def layer(family: str, rank: int, *args: Any, **kwargs: Any) -> keras.layers.Layer:
    return getattr(km, f"{family}{rank}D")(*args, **kwargs)


def pooled(family: str, *args: Any, **kwargs: Any) -> Build:
    def build(x: Any, rank: int) -> Any:
        pool = layer(family, rank, *args, **kwargs)
        return pool(x[0], mask=x[1]) if isinstance(x, tuple) else pool(x)

    return build


def unpooled(
    *args: Any, like: bool = False, size: bool = False, kernel: str = "auto", **options: Any
) -> Build:
    def build(x: Any, rank: int) -> Any:
        how = {"return_indices": True, "implementation": kernel, **options}
        values, indices = layer("MaxPool", rank, *args, **how)(x)
        sizes = SIZES[rank] if size else None
        unpool = layer("MaxUnpool", rank, *args, output_size=sizes, **options)
        return unpool(values, indices, **({"like": x} if like else {}))

    return build


def pairs(x: Any, rank: int) -> Any:
    return layer("MaxPool", rank, 3, 2, ((1, 0), (0, 2), (2, 1))[:rank])(x)


FIRST = "channels_first"
ALL: dict[str, Build] = {
    "plain": pooled("MaxPool", 2),
    "same": pooled("MaxPool", 3, 2, "same"),
    "same_lower": pooled("MaxPool", 2, 1, "same_lower"),
    "padding": pooled("MaxPool", 3, 2, 1),
    "pairs": pairs,
    "dilated": pooled("MaxPool", 2, 1, dilation_rate=2),
    "dilated_strided": pooled("MaxPool", 3, 2, 2, dilation_rate=2),
    "ceil": pooled("MaxPool", 2, ceil_mode=True),
    "ieee": pooled("MaxPool", 2, nonfinite="ieee"),
    "direct": pooled("MaxPool", 3, 2, implementation="direct"),
    "separable": pooled("MaxPool", 3, 2, implementation="separable"),
    "shifted": pooled("MaxPool", 3, 2, implementation="shifted"),
    "shifted_same": pooled("MaxPool", 3, 2, "same", implementation="shifted"),
    "large": pooled("MaxPool", 13, 1, "same"),
    "indices": pooled("MaxPool", 2, return_indices=True),
    "indices_padding": pooled("MaxPool", 3, 2, 1, return_indices=True),
    "indices_ceil": pooled("MaxPool", 2, ceil_mode=True, return_indices=True),
    "indices_dilated": pooled("MaxPool", 2, 1, dilation_rate=2, return_indices=True),
    "indices_ieee": pooled("MaxPool", 2, return_indices=True, nonfinite="ieee"),
    "unpool": unpooled(3, 2, 1),
    "unpool_like": unpooled(2, like=True),
    "unpool_shifted": unpooled(2, like=True, kernel="shifted"),
    "unpool_size": unpooled(2, size=True),
    "unpool_tensorflow": unpooled(2, like=True, indices_convention="tensorflow"),
    "unpool_overlapping": unpooled(3, 2, like=True),
    "global": pooled("GlobalMaxPool"),
    "global_keepdims": pooled("GlobalMaxPool", keepdims=True),
    "global_indices": pooled("GlobalMaxPool", return_indices=True),
    "global_ieee": pooled("GlobalMaxPool", nonfinite="ieee"),
    "adaptive": pooled("AdaptiveMaxPool", 4),
    "adaptive_indices": pooled("AdaptiveMaxPool", 4, return_indices=True),
    "adaptive_one": pooled("AdaptiveMaxPool", 1),
    "fractional": pooled("FractionalMaxPool", 1.44),
    "fractional_pseudo": pooled("FractionalMaxPool", 1.44, True),
    "fractional_overlapping": pooled("FractionalMaxPool", 1.44, False, True),
    "fractional_indices": pooled("FractionalMaxPool", 1.44, return_indices=True),
}
MASKED: dict[str, Build] = {
    "mask": pooled("MaxPool", 2),
    "mask_indices": pooled("MaxPool", 2, return_indices=True),
    "mask_global": pooled("GlobalMaxPool"),
    "mask_global_indices": pooled("GlobalMaxPool", return_indices=True),
}
CHANNELS_FIRST: dict[str, Build] = {
    "first": pooled("MaxPool", 2, data_format=FIRST),
    "first_same": pooled("MaxPool", 3, 2, "same", data_format=FIRST),
    "first_padding": pooled("MaxPool", 3, 2, 1, data_format=FIRST),
    "first_indices": pooled("MaxPool", 2, data_format=FIRST, return_indices=True),
    "first_global": pooled("GlobalMaxPool", data_format=FIRST),
    "first_adaptive": pooled("AdaptiveMaxPool", 4, data_format=FIRST),
}
GROUPS = ((ALL, {}), (MASKED, {"masked": True}), (CHANNELS_FIRST, {"data_format": FIRST}))
CASES = [
    *(
        Case(name, rank, build, **more)
        for builds, more in GROUPS
        for name, build in builds.items()
        for rank in (1, 2, 3)
    ),
    Case("causal", 1, pooled("MaxPool", 3, 1, "causal", dilation_rate=2)),
    Case("float16", 2, pooled("MaxPool", 3, 2, 1, dtype="float16"), dtype="float16"),
    Case("int32", 2, pooled("MaxPool", 2, dtype="int32"), dtype="int32"),
]

IN_EVERY_RANK = (
    *("plain", "padding", "dilated", "ceil", "direct", "indices_padding", "unpool_like"),
    *("global_indices", "adaptive_indices", "fractional", "mask", "causal"),
)
"""Options that the roads which take seconds a model try in one and three dimensions too."""
UNKNOWN_SIZES = (
    *("padding", "dilated", "ceil", "indices", "unpool_like", "global", "adaptive"),
    *("fractional", "fractional_pseudo", "mask", "mask_global"),
)
"""Options that they try without known spatial sizes too, in two dimensions; three of them in one and three."""
BY_ROAD = [case for case in CASES if case.rank == 2 or case.option in IN_EVERY_RANK]
BY_ROAD_UNKNOWN = [
    case
    for case in CASES
    if case.option in (UNKNOWN_SIZES if case.rank == 2 else ("padding", "indices", "mask"))
]
DTYPES = (
    *("float16", "bfloat16", "float32", "float64"),
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
)


class EveryFamily(keras.layers.Layer):
    """Each kind of pooling and of indices, in one dtype."""

    def __init__(self, pooled_dtype: str) -> None:
        super().__init__(autocast=False)
        self.pooled_dtype = pooled_dtype

    def call(self, x: Any) -> list[Any]:
        x = tf.cast(x, self.pooled_dtype)
        values, indices = km.ops.max_pool(x, 2, return_indices=True)
        results = [
            *km.ops.max_pool(x, 3, 2, 1, return_indices=True),
            km.ops.max_pool(x, 2, 1, "same", dilation_rate=2, nonfinite="ieee"),
            km.ops.max_unpool(values, indices, 2, like=x),
            *km.ops.global_max_pool(x, return_indices=True),
            *km.ops.adaptive_max_pool(x, 3, return_indices=True),
        ]
        # No road has bfloat16 tensors outside.
        return [tf.cast(y, tf.float32) if y.dtype == tf.bfloat16 else y for y in results]


def of_dtype(dtype: str, known: bool) -> tuple[keras.Model, list[np.ndarray]]:
    """A model that pools that dtype in every family, with sizes known or not, and inputs near the end of its range."""
    outside = "float32" if dtype == "bfloat16" else dtype
    x = keras.Input((7, 6, CHANNELS) if known else (None, None, CHANNELS), dtype=outside, name="x")
    whole = "int32" if "float" in dtype else dtype
    top = 200 if "float" in dtype else np.iinfo(dtype).max
    drawn = np.random.default_rng(2).integers(top - 100, top, (2, 7, 6, CHANNELS), whole)
    return keras.Model(x, EveryFamily(dtype)(x)), [drawn.astype(outside)]


def predicted(model: keras.Model, inputs: list[np.ndarray]) -> Any:
    """What the model gives in this process."""
    return model(inputs if len(inputs) > 1 else inputs[0])


def run_litert(content: bytes, inputs: list[np.ndarray]) -> list[np.ndarray]:
    litert = needs("ai_edge_litert.interpreter")
    runner = litert.Interpreter(model_content=content).get_signature_runner()
    outputs = runner(**{name: inputs["mask" in name] for name in runner.get_input_details()})
    return [outputs[f"output_{number}"] for number in range(len(outputs))]


def assert_equal(got: list[np.ndarray], wanted: Any) -> None:
    """Equal outputs in number, shape, dtype and value."""
    expected = [np.asarray(output) for output in tf.nest.flatten(wanted)]
    assert [(a.shape, a.dtype) for a in got] == [(a.shape, a.dtype) for a in expected]
    for actual, value in zip(got, expected, strict=True):
        np.testing.assert_array_equal(actual, value)
