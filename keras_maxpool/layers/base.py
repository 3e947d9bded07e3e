"""What all layers of the package share: checks before Keras's own, the data format, and the config."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self, TypedDict

from keras_maxpool import arguments, backend
from keras_maxpool.compat import keras
from keras_maxpool.geometry import checks
from keras_maxpool.layers import unknown_arguments


class LayerArguments(TypedDict, total=False):
    """What every Keras layer takes besides its name."""

    activity_regularizer: Any
    autocast: bool
    dtype: Any
    input_dim: int
    input_shape: Sequence[int | None]
    trainable: bool


KERAS_ARGUMENTS = tuple(LayerArguments.__annotations__)


class SpatialLayer(keras.layers.Layer):
    """A layer without weights over `rank` spatial axes.

    A subclass sets `rank`, its `family`'s short name, and the op whose docstring explains its arguments. The names of
    its `own_arguments` come from its `__init__`, see `register`. They are attributes too, which may be set later:
    `_checked` checks them as in `__init__`.

    Args:
        name: name of the layer. With `None`, Keras chooses one.
        **kwargs: what every Keras layer takes, such as `dtype` and `trainable`.
    """

    rank: int
    family: str
    own_arguments: tuple[str, ...]
    _documented_op: Callable[..., Any]
    _has_arguments = False
    _accepted: Any = None
    """The dtype and shape of the last inputs, which need no second check."""

    def __init__(self, given: dict[str, Any]) -> None:
        """Takes the arguments of a family's `__init__`, which are its `locals()`."""
        try:
            super().__init__(name=given["name"], **given["kwargs"])
        except (TypeError, ValueError) as error:  # Keras 2 raises the first of these
            unknown = {k: v for k, v in given["kwargs"].items() if k not in KERAS_ARGUMENTS}
            if not unknown:
                raise
            names = self.own_arguments, KERAS_ARGUMENTS
            message = unknown_arguments.error(type(self).__name__, unknown, *names)
            raise ValueError(message) from error
        self._hold({name: given[name] for name in self.own_arguments if name in given})
        self._has_arguments = True
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2)
        # These have nothing to build; a subclass may have a `build`, or layers that Keras builds at its first call.
        self.built = type(self).__module__.startswith("keras_maxpool.")

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets an attribute; an own argument is first checked together with the others, as in `__init__`."""
        if name in self.own_arguments and self._has_arguments:
            held = {key: getattr(self, key) for key in self.own_arguments if hasattr(self, key)}
            self._hold(held | {name: value})
        else:
            super().__setattr__(name, value)

    def _hold(self, own: dict[str, Any]) -> None:
        for name, value in self._checked(own).items():
            super().__setattr__(name, value)
        object.__setattr__(self, "_accepted", None)

    def _checked(self, own: dict[str, Any]) -> dict[str, Any]:
        """Returns the attributes for a layer's own arguments, each in its one internal form, or raises."""
        default = keras.config.image_data_format()
        return own | {"data_format": arguments.data_format(own["data_format"], default)}

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Checks the inputs, and applies the layer as Keras does."""
        inputs = backend.as_dense(inputs, "inputs")
        # Before Keras's own checks, whose messages do not name the layer that would fit.
        if hasattr(inputs, "shape"):
            shape = checks.known_shape(inputs.shape)
            accepted = inputs.dtype, shape
            if accepted != self._accepted:
                checks.dtype_or_castable(checks.dtype_name(inputs))
                self.check_shape(inputs.shape if shape is None else shape)
                # Not by Keras's __setattr__, which looks for variables in it.
                object.__setattr__(self, "_accepted", accepted)
        return super().__call__(inputs, *args, **kwargs)

    def rematerialized_call(
        self, layer_call: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Callable[..., Any]:
        """Wraps Keras 3.15's, which in a `keras.RematScope` and a graph takes no keywords, not even `mask=None`."""
        again = super().rematerialized_call(partial(layer_call, **kwargs), *args)
        return lambda *args, **kwargs: again(*args)

    @property
    def _shown_name(self) -> str:
        """The layer's class and name, as messages show it."""
        return f"{type(self).__name__} {self.name!r}"

    def check_shape(self, shape: Sequence[int | None]) -> None:
        """Refuses a shape that the layer cannot take."""
        checks.layer_inputs(shape, self.rank, self._shown_name, self.family)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Returns the layer that a config describes, or raises an error that names what is wrong in it."""
        try:
            policy = (layer := super().from_config(config)).dtype_policy
        except (AttributeError, TypeError) as error:
            # Keras's message begins with the whole config; the original error says what is wrong.
            if isinstance(error.__context__, (TypeError, ValueError)):
                raise error.__context__ from None
            # Keras does not check the parts of a dtype's config, and fails where it looks them up.
            if isinstance(error, TypeError) and not str(error).startswith("unhashable"):
                raise
            policy = None
        if not isinstance(policy, keras.DTypePolicy):
            raise ValueError(
                f"`dtype` is unknown; received dtype={config.get('dtype')!r} in a config of {cls.__name__}. "
                'Write a name, such as "float32", or the config of a dtype policy.'
            )
        return layer

    def get_prunable_weights(self) -> list[Any]:
        """Returns none, for TensorFlow Model Optimization, which asks every layer of a model that it prunes."""
        return []

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal layer, after those of every Keras layer."""
        return super().get_config() | {name: getattr(self, name) for name in self.own_arguments}
