"""The base class of the fractional max pooling layers: all but their rank, and the text of their docstrings."""

from collections.abc import Sequence
from typing import Any, Unpack

from keras_maxpool import arguments, backend, ops
from keras_maxpool.compat import keras
from keras_maxpool.geometry import output_shapes
from keras_maxpool.layers import time_distributed
from keras_maxpool.layers.base import LayerArguments
from keras_maxpool.layers.indexed_pooling import IndexedPooling


class BaseFractionalMaxPooling(IndexedPooling):
    """The base of `FractionalMaxPooling1D`, `FractionalMaxPooling2D` and `FractionalMaxPooling3D`.

    Graham's pooling ("Fractional Max-Pooling", 2014, arXiv:1412.6071), with the arguments of
    `tf.nn.fractional_max_pool`. It shrinks an axis by a ratio such as 1.44, so that a network can pool
    more often. An axis of n elements has m = floor(n / pooling_ratio) outputs. Each region is
    floor(n / m) or ceil(n / m) elements long, and which ones are long is random: one draw per axis and
    call, the same for all samples and channels. The gradient of a region goes to its first maximum in
    row-major order, and NaN counts as the largest value, in every mode.

    In training, each call draws new regions, as dropout draws new masks; a loaded model starts its draws
    anew, as dropout does. In inference the regions are the same in every call: those of `seed`, or of 0
    where it is `None`. To average over regions, as Graham does in his tests, call the layer with
    `training=True`.

    Args:
        {pooling_ratio}
        {pseudo_random}
        {overlapping}
        {data_format}
        {name}
        seed: an integer from 0 to 2**31 - 1, which makes all draws repeatable, equally in every mode;
            or `None`, which draws other regions in each training. When it is set later, the draws
            of training start anew.
        {return_indices}
        {kwargs}

    Call arguments:
        inputs: tensor, or what converts to one, of the input shape below.
        training: whether to draw new regions. Keras passes it in `fit`.

    Input shape:
        {input_shape}

    Output shape:
        The input shape with spatial sizes of floor(n / pooling_ratio), for the ratio's nearest fraction
        with a denominator up to 10**6, and the dtype of the inputs. With `return_indices`, a pair of
        that and int64 indices of the same shape.

    Raises:
        TypeError: if an argument has the wrong type, or the dtype of the inputs cannot be pooled.
        ValueError: if an argument is out of range, the inputs have another rank, or an axis would have
            no outputs.
    """

    family = "FractionalMaxPool"
    _documented_op = staticmethod(ops.fractional_max_pool)

    def __init__(
        self,
        pooling_ratio: arguments.Ratios,
        pseudo_random: bool = False,
        overlapping: bool = False,
        data_format: arguments.DataFormat | None = None,
        name: str | None = None,
        *,
        seed: int | None = None,
        return_indices: bool = False,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        """Checks the arguments, and holds them in their internal form."""
        super().__init__(locals())
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets an attribute; with a new `seed`, the draws of training start anew."""
        super().__setattr__(name, value)
        if name == "seed" and self._has_arguments:
            # The same variable, since it may be part of a traced training step.
            self.seed_generator.state.assign(keras.random.SeedGenerator(self.seed).state)

    def _checked(self, own: dict[str, Any]) -> dict[str, Any]:
        arguments.flag(own["pseudo_random"], "pseudo_random")
        arguments.flag(own["overlapping"], "overlapping")
        return super()._checked(own) | {
            "pooling_ratio": arguments.ratios(own["pooling_ratio"], self.rank),
            "seed": arguments.seed(own["seed"]),
        }

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Pools a tensor, in training over other regions in each call."""
        time_distributed.refuse_two_outputs(self)
        return backend.fractional_max_pool(
            inputs,
            self.pooling_ratio,
            self.pseudo_random,
            self.overlapping,
            self.data_format,
            self.seed_generator if training else self.seed or 0,
            self.return_indices,
        )

    def pooled_shape(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the shape of the values; raises a ValueError for an axis without outputs."""
        return output_shapes.fractional_max_pooled(shape, self.pooling_ratio, self.data_format)
