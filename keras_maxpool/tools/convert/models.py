"""Swaps the pooling layers of models: Keras's built-in ones for ours, and back."""

import warnings
from dataclasses import dataclass

import keras

from keras_maxpool import arguments
from keras_maxpool.tools.argument_types import TARGETS
from keras_maxpool.tools.convert import swap
from keras_maxpool.tools.convert.rebuild import copy_training_state, rebuild
from keras_maxpool.tools.errors import one_line
from keras_maxpool.tools.layer_tree import walk
from keras_maxpool.tools.observe import can_mask, observe, silent_about_masks


class CannotConvertError(ValueError):
    """Raised for layers that cannot be swapped.

    Attributes:
        reasons: why not, by the layer's path.
    """

    def __init__(self, reasons: dict[str, str]) -> None:
        """Lists every layer, one per line."""
        lines = [f"{path}: {reason}" for path, reason in reasons.items()]
        super().__init__("\n".join(["These layers cannot be converted:", *lines]))
        self.reasons = reasons


@dataclass(frozen=True)
class Conversion:
    """A converted model, and what was done with its pooling layers.

    A layer is named by its path: the names of the models and wrappers around it and its own, joined by slashes.

    Attributes:
        model: the converted model.
        swapped: the layers that were swapped, with the name of their class, which is the same on both sides.
        kept: the layers that stay although they pool for maxima, with the reason: built-in adaptive ones, and
            subclasses.
        masked: the layers that a mask reaches: ours honour it, the built-in ones do not, so predictions change.
        stale: the layers that only masks reach which do not fit what they pool: both ignore them, and predictions
            stay.
    """

    model: keras.Model
    swapped: dict[str, str]
    kept: dict[str, str]
    masked: tuple[str, ...]
    stale: tuple[str, ...] = ()


def to_keras_maxpool(model: keras.Model) -> keras.Model:
    """Returns the model with keras_maxpool's layers instead of the built-in ones.

    `keras.layers.MaxPooling1D/2D/3D` and `GlobalMaxPooling1D/2D/3D` are swapped in Sequential, functional, nested
    and subclassed models and in wrappers, under their own names. Weights, trainable flags, dtype policies, compile
    settings and the optimizer's state are copied, and predictions are equal bit for bit, except where a mask that
    fits reaches a pooling layer, which a warning reports. A layer of a subclass of the built-in ones stays, and so does
    `keras.layers.AdaptiveMaxPooling1D/2D/3D`, which has faults; a warning reports that too.

    Args:
        model: a `keras.Model`, which stays as it is. A subclassed model, or a layer of your own, must hold its
            pooling layers in its config (`get_config` and `from_config`), since Keras makes the new model from that.
            The model is written to temporary files, as large as a saved model; objects of your own that are
            no layers need a `keras.saving.custom_object_scope`, and a `Lambda` of Python code
            `keras.config.enable_unsafe_deserialization()`. Compile settings that do not load, such as a loss of your
            own outside of such a scope, are left out, with a warning. What Keras cannot load, such as a layer that is
            called in a model and in another one inside it, is an error.

    Returns:
        A new model of the same class, names and input names.

    Raises:
        CannotConvertError: a ValueError; it lists the layers that are out of reach in a class of your own.
        TypeError: something other than a model.
        ValueError: Keras cannot save the model, or cannot make it from what it saved.

    Example:
    >>> import keras, keras_maxpool
    >>> from keras_maxpool.tools.convert import to_keras_maxpool
    >>> layers = [keras.Input((8, 8, 3)), keras.layers.MaxPooling2D(2, name="pool")]
    >>> model = to_keras_maxpool(keras.Sequential(layers))
    >>> isinstance(model.get_layer("pool"), keras_maxpool.MaxPooling2D)
    True
    """
    return _with_warnings(convert(model, "keras_maxpool"))


def to_builtin(model: keras.Model) -> keras.Model:
    """Returns the model with the built-in layers instead of keras_maxpool's: the reverse of `to_keras_maxpool`.

    What the built-in layers cannot do is an error. An explicit padding that equals "same" becomes "same", and
    `implementation`, which changes the speed alone, is dropped.

    Args:
        model: as `to_keras_maxpool` takes it.

    Returns:
        A new model of the same class, names and input names.

    Raises:
        CannotConvertError: a ValueError; it lists every layer with an option that the built-in ones lack, such as
            `dilation_rate`, and every layer that they do not have at all.
        TypeError, ValueError: as `to_keras_maxpool` does.

    Example:
    >>> import keras, keras_maxpool
    >>> from keras_maxpool.tools.convert import to_builtin
    >>> pool = keras_maxpool.MaxPooling2D(5, strides=1, padding=2, name="pool")
    >>> to_builtin(keras.Sequential([keras.Input((8, 8, 3)), pool])).get_layer("pool").padding
    'same'
    >>> pool = keras_maxpool.MaxPooling2D(3, strides=2, padding=1, name="pool")
    >>> to_builtin(keras.Sequential([keras.Input((8, 8, 3)), pool]))
    Traceback (most recent call last):
    keras_maxpool.tools.convert.models.CannotConvertError: These layers cannot be converted:
    pool: the built-in layer has no padding=((1, 1), (1, 1))
    """
    return _with_warnings(convert(model, "builtin"))


def convert(model: keras.Model, to: str = "keras_maxpool") -> Conversion:
    """Does what `to_keras_maxpool` and `to_builtin` do, with a report instead of their warnings.

    Args:
        model: a `keras.Model`, which stays as it is. `to_keras_maxpool` says what it may hold.
        to: `"keras_maxpool"` for this package's layers, or `"builtin"` for those of Keras.

    Returns:
        A `Conversion`: the new model, and what was done with each pooling layer.

    Raises:
        CannotConvertError: a ValueError; it lists the layers that cannot be swapped, with the reasons.
        TypeError: something other than a model.
        ValueError: another target; a model that Keras cannot make from its config.

    Example:
    >>> import keras
    >>> from keras_maxpool.tools.convert import convert
    >>> convert(keras.Sequential([keras.Input((8, 3)), keras.layers.MaxPool1D(2, name="pool")])).swapped
    {'pool': 'MaxPooling1D'}
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` takes a keras.Model; received {type(model).__name__}.")
    away = arguments.choice(to, "to", TARGETS) == "builtin"
    before = list(walk(model))
    reasons = {n.path: why for n in before if away and (why := swap.obstacle(n.layer))}
    if reasons:
        raise CannotConvertError(reasons)
    old = swap.OURS if away else swap.BUILTIN
    with silent_about_masks():
        converted = rebuild(model, swap.to_builtin if away else swap.to_ours)
    # Layers that a class makes in its own code are not in its config.
    missed = {
        nested.path: f"{type(nested.parent).__name__} makes it in code that its config does not reach; "
        "give the class its layers as arguments, and keep them in its get_config and from_config"
        for nested in walk(converted)
        if type(nested.layer) in old
    }
    if missed:
        raise CannotConvertError(missed)
    copy_training_state(model, converted)
    masks = _masks(model if away else converted)
    return Conversion(
        converted,
        {n.path: old[type(n.layer)] for n in before if type(n.layer) in old},
        {n.path: why for n in before if (why := swap.reason_to_keep(n.layer))},
        tuple(path for path, fits in masks.items() if fits),
        tuple(path for path, fits in masks.items() if not fits),
    )


def _masks(model: keras.Model) -> dict[str, bool]:
    """Returns the paths of those of our layers that a mask reaches, and whether one fits."""
    if not can_mask(model):
        return {}
    with silent_about_masks():
        calls, error = observe(model, [n for n in walk(model) if type(n.layer) in swap.OURS])
    if error is not None:
        warnings.warn(
            f"Whether masks reach the pooling layers of {model.name!r} is not known: "
            f"{one_line(error)}",
            stacklevel=4,
        )
        return {}
    masks = {path: [call.mask_fits for call in of_layer] for path, of_layer in calls.items()}
    return {path: any(fits) for path, fits in masks.items() if set(fits) != {None} and fits}


def _with_warnings(conversion: Conversion) -> keras.Model:
    for path in conversion.masked:
        warnings.warn(
            f"A mask reaches {path!r}: keras_maxpool's layers honour it, the built-in ones ignore it, "
            "so that predictions change.",
            stacklevel=3,
        )
    for path in conversion.stale:
        warnings.warn(
            f"A mask reaches {path!r} that does not fit what it pools: keras_maxpool's layers and the built-in ones "
            "ignore it, so that predictions stay.",
            stacklevel=3,
        )
    for path, reason in conversion.kept.items():
        warnings.warn(f"{path!r} stays as it is: {reason}.", stacklevel=3)
    return conversion.model
