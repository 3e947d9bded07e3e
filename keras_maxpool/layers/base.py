"""What all layers of the package share: checks before Keras's own, the data format, and the config."""

from collections.abc import Callable, Sequence
from typing import Any

from keras_maxpool import arguments, backend
from keras_maxpool.compat import keras
from keras_maxpool.geometry import checks

KERAS_ARGUMENTS = (
    "activity_regularizer",
    "autocast",
    "dtype",
    "input_dim",
    "input_shape",
    "trainable",
)


class SpatialLayer(keras.layers.Layer):
    """A layer without weights over `rank` spatial axes.

    A subclass sets `rank`, its `family`'s short name, and the names of its own arguments, which are attributes too.
    Setting one of these later is as good as passing it to `__init__`: both go through `_checked`.
    """

    rank: int
    family: str
    own_arguments: tuple[str, ...]
    _has_arguments = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Gives each class an `__init__` of its own."""
        super().__init_subclass__(**kwargs)
        # Python 3.10 shows the signature of Keras's `__new__(*args, **kwargs)` before that of an inherited `__init__`.
        cls.__init__ = cls.__init__  # type: ignore[method-assign]

    def __init__(self, name: str | None, keras_arguments: dict[str, Any], **own: Any) -> None:
        """Takes the layer's name, what every Keras layer takes, and the layer's own arguments."""
        try:
            super().__init__(name=name, **keras_arguments)
        except (TypeError, ValueError) as error:  # Keras 2 raises the first of these
            unknown = sorted(keras_arguments.keys() - set(KERAS_ARGUMENTS))
            if not unknown:
                raise
            raise ValueError(
                f"{type(self).__name__} does not know the argument {', '.join(map(repr, unknown))}; received "
                f"{ {key: keras_arguments[key] for key in unknown} }. "
                f"It takes {', '.join((*self.own_arguments, 'name'))}, "
                f"and Keras's own {', '.join(KERAS_ARGUMENTS)}."
            ) from error
        self._hold(own)
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

    def _checked(self, own: dict[str, Any]) -> dict[str, Any]:
        """The attributes for a layer's own arguments, each in its one internal form; or an error."""
        return own | {
            "data_format": arguments.data_format(
                own["data_format"], keras.config.image_data_format()
            )
        }

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Applies the layer, as Keras does, to what fits it."""
        inputs = backend.as_dense(inputs, "inputs")
        # Before Keras's own checks, whose messages cannot know which layer would fit.
        shape = getattr(inputs, "shape", None)
        if shape is not None:
            checks.dtype_or_castable(checks.dtype_name(inputs))
            self.check_shape(shape)
        if args or kwargs:
            # Of NumPy's booleans and integers Keras 3.3 makes floats.
            args, kwargs = keras.tree.map_structure(_as_tensor, (args, kwargs))
        return super().__call__(inputs, *args, **kwargs)

    def rematerialized_call(
        self, layer_call: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Callable[..., Any]:
        """Keras's, within `keras.RematScope`, which in graphs takes no arguments by keyword, not even `mask=None`."""

        def by_position(*args: Any) -> Any:
            return layer_call(*args, **kwargs)

        again = super().rematerialized_call(by_position, *args)
        return lambda *args, **kwargs: again(*args)

    def check_shape(self, shape: Sequence[int | None]) -> None:
        """Refuses a shape that the layer cannot take."""
        checks.layer_inputs(shape, self.rank, type(self).__name__, self.family)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "SpatialLayer":
        """The layer that a config describes; or an error that names what is wrong in it."""
        try:
            layer = super().from_config(config)
            known = isinstance(layer.dtype_policy, keras.DTypePolicy)
        except AttributeError:  # of a dtype: Keras looks no further than its form
            known = False
        except TypeError as error:
            # Keras puts the whole config before what is wrong with it.
            if isinstance(error.__context__, (TypeError, ValueError)):
                raise error.__context__ from None
            # A part of a dtype, which Keras looks up as it is.
            if not str(error).startswith("unhashable"):
                raise
            known = False
        if not known:
            raise ValueError(
                f"`dtype` is unknown; received dtype={config.get('dtype')!r} in a config of {cls.__name__}. "
                'Write a name, such as "float32", or the config of a dtype policy.'
            )
        return layer

    def get_prunable_weights(self) -> list[Any]:
        """None, for TensorFlow Model Optimization, which asks every layer that it prunes a model of."""
        return []

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer, after those of every Keras layer."""
        return super().get_config() | {name: getattr(self, name) for name in self.own_arguments}


def _as_tensor(argument: Any) -> Any:
    argument = backend.as_dense(argument, "mask")  # the one tensor that pooling layers take besides
    return (
        backend.convert_to_tensor(argument, "mask")
        if type(argument).__module__ == "numpy"
        else argument
    )
