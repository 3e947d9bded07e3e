"""Fractional max pooling layers for 1D, 2D and 3D: one base class, three subclasses, and the alias names."""

from collections.abc import Sequence
from typing import Any

from keras_maxpool import arguments, backend
from keras_maxpool.compat import keras
from keras_maxpool.geometry import output_shapes
from keras_maxpool.layers import time_distributed
from keras_maxpool.layers.indexed_pooling import IndexedPooling
from keras_maxpool.layers.registry import register


class _FractionalMaxPooling(IndexedPooling):
    """What the three ranks share, which is all but the rank."""

    family = "FractionalMaxPool"
    own_arguments = (
        *("pooling_ratio", "pseudo_random", "overlapping", "data_format"),
        *("seed", "return_indices"),
    )

    def __init__(
        self,
        pooling_ratio: Any,
        pseudo_random: bool = False,
        overlapping: bool = False,
        data_format: str | None = None,
        name: str | None = None,
        *,
        seed: int | None = None,
        return_indices: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            name,
            kwargs,
            pooling_ratio=pooling_ratio,
            pseudo_random=pseudo_random,
            overlapping=overlapping,
            data_format=data_format,
            seed=seed,
            return_indices=return_indices,
        )
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets an attribute; with a new `seed`, training draws as from the start."""
        super().__setattr__(name, value)
        if name == "seed" and self._has_arguments:
            # The same variable, since it may be part of a traced training step.
            self.seed_generator.state.assign(keras.random.SeedGenerator(self.seed).state)

    def _checked(self, own: dict[str, Any]) -> dict[str, Any]:
        return super()._checked(own) | {
            "pooling_ratio": arguments.ratios(own["pooling_ratio"], self.rank),
            "pseudo_random": arguments.flag(own["pseudo_random"], "pseudo_random"),
            "overlapping": arguments.flag(own["overlapping"], "overlapping"),
            "seed": arguments.seed(own["seed"]),
        }

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Pools a tensor, in training over other regions in each call."""
        if self.return_indices:
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
        """A ValueError where nothing is left."""
        return output_shapes.fractional_max_pooled(shape, self.pooling_ratio, self.data_format)


@register(alias="FractionalMaxPool1D")
class FractionalMaxPooling1D(_FractionalMaxPooling):
    """Fractional max pooling over one spatial or temporal axis; `FractionalMaxPool1D` is the same class.

    The arguments, errors and rules are those of `FractionalMaxPooling2D`, with one ratio in place of two.

    Input shape:
        `(batch, steps, channels)`, or `(batch, channels, steps)` with `data_format="channels_first"`.

    Output shape:
        The same with floor(steps / pooling_ratio) steps.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> keras_maxpool.FractionalMaxPooling1D(1.5)(np.zeros((2, 10, 3))).shape
    TensorShape([2, 6, 3])
    """

    rank = 1


@register(alias="FractionalMaxPool2D")
class FractionalMaxPooling2D(_FractionalMaxPooling):
    """Fractional max pooling over two spatial axes; `FractionalMaxPool2D` is the same class.

    Graham's pooling ("Fractional Max-Pooling", 2014, arXiv:1412.6071), with the arguments of
    `tf.nn.fractional_max_pool`: it shrinks an axis by a ratio such as 1.44, so that a network can pool more
    often. With n elements in m = floor(n / pooling_ratio) outputs and alpha = n / m, each region is floor(alpha) or
    ceil(alpha) long, which is 1 or 2 for ratios between 1 and 2; ratios above 2 follow the same rule. Where the
    long ones stand is random: one draw an axis and call, the same for all samples and channels. A gradient goes to
    the first maximum of a region in row-major order, and NaN counts as the largest value, in every mode.

    In training, each call draws new regions, as dropout draws new masks; like dropout's, the draws of a loaded model
    begin anew. In inference the regions are the same in every call: those of `seed`, or of 0 where it is None. To
    average over regions, as Graham does for his tests, call the layer with `training=True`.

    Args:
        pooling_ratio: how much smaller each axis becomes, from 1 up: a number, or one a spatial axis.
        pseudo_random: whether the long regions stand as evenly as they can, from a random place on (Graham's
            a_i = ceil(alpha * (i + u)) for a random u), rather than in random order.
        overlapping: whether each region takes in the first element of the next one too.
        data_format: `"channels_last"` or `"channels_first"`; None takes `keras.config.image_data_format()`.
        name: the layer's name.
        seed: an integer from 0 to 2**31 - 1, which makes all draws repeatable, equally in every mode; None, for other
            regions in each training. Set later, it makes the draws of training begin anew.
        return_indices: whether to give a pair, the values and the int64 indices: each is the place of the first
            maximum in the spatial volume of its own sample and channel, in row-major order, as PyTorch's.
        **kwargs: what every Keras layer takes, such as `dtype` and `trainable`.

    Input shape:
        `(batch, height, width, channels)`, or `(batch, channels, height, width)` with
        `data_format="channels_first"`. float16, bfloat16, float32, float64 and (u)int8 to (u)int64.

    Output shape:
        The same with floor(height / pooling_ratio) and floor(width / pooling_ratio), for the ratio's nearest
        fraction with a denominator up to 10**6.

    Raises:
        TypeError: an argument of the wrong type; inputs of a dtype that cannot be pooled.
        ValueError: an argument out of range; inputs of another rank; an axis of which nothing would be left.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(25.0).reshape(1, 5, 5, 1)
    >>> layer = keras_maxpool.FractionalMaxPooling2D(1.5, pseudo_random=True, return_indices=True)
    >>> values, indices = layer(ramp)
    >>> values.shape, bool(np.all(np.take(ramp, indices) == values))
    (TensorShape([1, 3, 3, 1]), True)
    """

    rank = 2


@register(alias="FractionalMaxPool3D")
class FractionalMaxPooling3D(_FractionalMaxPooling):
    """Fractional max pooling over three spatial or spatio-temporal axes; `FractionalMaxPool3D` is the same class.

    The arguments, errors and rules are those of `FractionalMaxPooling2D`, with three ratios in place of two.

    Input shape:
        `(batch, depth, height, width, channels)`, or `(batch, channels, depth, height, width)` with
        `data_format="channels_first"`.

    Output shape:
        The same with depth, height and width divided by their ratios, rounded down.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> keras_maxpool.FractionalMaxPooling3D((1, 1.44, 1.44))(np.zeros((1, 3, 10, 10, 2))).shape
    TensorShape([1, 3, 6, 6, 2])
    """

    rank = 3


FractionalMaxPool1D = FractionalMaxPooling1D
FractionalMaxPool2D = FractionalMaxPooling2D
FractionalMaxPool3D = FractionalMaxPooling3D
