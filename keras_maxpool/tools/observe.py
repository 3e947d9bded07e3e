"""What reaches the layers of a model when it is called: tensors and masks, found by tracing it once."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
from keras.src.backend.common.masking import get_keras_mask

from keras_maxpool.geometry import checks
from keras_maxpool.tools.layer_tree import NestedLayer, walk


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor between two calls, compared by identity, not by its shape."""

    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class LayerCall:
    """One call of a layer with one input."""

    inputs: Tensor
    outputs: tuple[Tensor, ...]
    mask_fits: bool | None
    """Whether the mask that reaches it fits its input; None where none reaches it."""


def observe(
    model: keras.Model, layers: Sequence[NestedLayer]
) -> tuple[dict[str, list[LayerCall]], Exception | None]:
    """Returns the calls of these layers of the model, by path, and the error that ended the tracing, if one did."""
    calls: dict[str, list[LayerCall]] = {}
    for nested in layers:
        nested.layer.call = _recorded(nested.layer, calls.setdefault(nested.path, []))
    try:
        inputs = _model_inputs(model)
        _Traced(model)(inputs)
    except Exception as error:  # whatever the user's own layers raise
        return calls, error
    finally:
        for nested in layers:
            del nested.layer.call
    unknown = any(None in tensor.shape for tensor in keras.tree.flatten(inputs))
    if unknown and keras.config.backend() == "torch":
        calls = {path: _of_both_runs(found) for path, found in calls.items()}
    return calls, None


def _of_both_runs(  # pragma: no cover - run by the tests on PyTorch
    calls: Sequence[LayerCall],
) -> list[LayerCall]:
    """Returns the calls of one run: on PyTorch Keras runs a model twice, with two numbers for each unknown size."""
    half = len(calls) // 2
    return [
        LayerCall(
            _common(first.inputs, second.inputs),
            tuple(map(_common, first.outputs, second.outputs)),
            first.mask_fits,
        )
        for first, second in zip(calls[:half], calls[half:], strict=False)
    ]


def _common(a: Tensor, b: Tensor) -> Tensor:  # pragma: no cover - as above
    shape = (n if n == other else None for n, other in zip(a.shape, b.shape, strict=True))
    return Tensor(tuple(shape), a.dtype)


class _Traced(keras.layers.Layer):
    """Calls a model by `call`, so that Keras traces it for symbolic inputs on each backend, with all that is inside."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self.model = model

    def call(self, inputs: Any) -> Any:
        return self.model(inputs, training=False)


def _recorded(layer: Any, calls: list[LayerCall]) -> Callable[..., Any]:
    call = layer.call

    def recorded(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        results = call(inputs, *args, **kwargs)
        mask = kwargs.get("mask")
        if mask is None:
            # Keras keeps a mask for its tensor, also for layers that do not ask for it, and not on a tracer of JAX.
            mask = get_keras_mask(inputs)
        fits = None
        if mask is not None:
            fits = checks.mask_fits(mask, inputs.shape, layer.data_format)
        outputs = tuple(map(_tensor, keras.tree.flatten(results)))
        calls.append(LayerCall(_tensor(inputs), outputs, fits))
        return results

    return recorded


def _tensor(tensor: Any) -> Tensor:
    # JAX has expressions for unknown sizes.
    shape = tuple(size if isinstance(size, int) else None for size in tensor.shape)
    return Tensor(shape, checks.dtype_name(tensor))


def _model_inputs(model: keras.Model) -> Any:
    """Returns the model's inputs, as new KerasTensors."""
    if isinstance(model, keras.Sequential):
        return _symbolic(model.inputs[0])
    if hasattr(model, "operations"):
        return keras.tree.map_structure(_symbolic, model.input)
    shape = (model.get_build_config() or {}).get("input_shape")
    if shape is None or not all(size is None or isinstance(size, int) for size in shape):
        raise ValueError("the shape of its one input is not known; call it once, or build it")
    return keras.KerasTensor(shape, keras.config.floatx())


def _symbolic(tensor: keras.KerasTensor) -> keras.KerasTensor:
    return keras.KerasTensor(tensor.shape, tensor.dtype)


def can_mask(model: keras.Model) -> bool:
    """Returns whether anything in the model may make a mask: Keras's two layers that do, or the user's own code."""
    return any(
        isinstance(layer, keras.layers.Masking)
        or getattr(layer, "mask_zero", False)
        or not type(layer).__module__.startswith(("keras.", "keras_maxpool."))
        for layer in (model, *(nested.layer for nested in walk(model)))
    )


@contextmanager
def silent_about_masks() -> Iterator[None]:
    """Silences warnings of Keras and of the layers about dropped masks, for tools that report these themselves."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* ignores the mask that Keras propagates", UserWarning)
        warnings.filterwarnings("ignore", ".* passed an input with a mask attached", UserWarning)
        yield
