"""Lets public ops take KerasTensors, as Keras's own ops do: they become operations of a functional model."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from keras_maxpool import backend
from keras_maxpool.compat import LEGACY, keras

Op = TypeVar("Op", bound=Callable[..., Any])


def is_symbolic(*values: Any) -> bool:
    """Returns whether any value is a KerasTensor."""
    for value in values:  # noqa: SIM110, as `any` takes twice the time in every eager call
        if isinstance(value, keras.KerasTensor):
            return True
    return False


def output_spec(shape: tuple[int | None, ...], dtype: str, indices: str | None = None) -> Any:
    """Returns a KerasTensor, or a pair of them where `indices` names the dtype of the second."""
    values = keras.KerasTensor(shape, dtype)
    if indices is None:
        return values
    return values, keras.KerasTensor(shape, backend.index_dtype(indices))


class Operation(keras.Operation):
    """A call of a public op in a functional model.

    A subclass names the arguments of its op that may be tensors. Tensors come with the call; the config has the rest.
    """

    tensors: tuple[str, ...]
    op: Callable[..., Any]

    def __init_subclass__(cls) -> None:
        """Registers a subclass under the package and its public module, for saving."""
        super().__init_subclass__()
        cls.__module__ = "keras_maxpool.ops"
        keras.saving.register_keras_serializable("keras_maxpool", cls.__name__)(cls)

    def __init__(self, name: str | None = None, **options: Any) -> None:
        """Holds the op's options, with the data format that Keras is set to now."""
        super().__init__(name=name)
        if options.get("data_format") is None:
            options["data_format"] = keras.config.image_data_format()
        self.options = options

    @classmethod
    def wrap(cls, op: Op) -> Op:
        """Wraps an op so that a call with KerasTensors becomes an operation of a functional model."""
        cls.op = staticmethod(backend.do_not_convert(op))
        signature = inspect.signature(op)

        @functools.wraps(op)
        def public(*args: Any, **kwargs: Any) -> Any:
            if not is_symbolic(*args, *kwargs.values()):
                return op(*args, **kwargs)
            try:
                options = signature.bind(*args, **kwargs).arguments
            except TypeError:
                return op(*args, **kwargs)  # Python's error about a call, which names the op
            names = [name for name in cls.tensors if hasattr(options.get(name), "shape")]
            tensors = [options.pop(name) for name in names]
            return cls(**options).symbolic_call(tensors)

        return backend.do_not_convert(public)

    def call(self, tensors: Any) -> Any:
        """Computes the op's results."""
        # All tensors come as one list, as Keras 2 saves no further arguments; it turns a list of one into the tensor.
        tensors = tensors if isinstance(tensors, (list, tuple)) else [tensors]
        names = [name for name in self.tensors if name not in self.options]
        named = dict(zip(names, tensors, strict=False))
        return type(self).op(**named, **self.options)

    def compute_output_spec(self, tensors: Any) -> Any:
        """Returns the shapes and dtypes of the results."""
        return self.call(tensors)

    def get_config(self) -> dict[str, Any]:
        """Returns the name and the options; a seed generator among them has a config of its own."""
        options = dict(self.options)
        # Keras 2's older formats take plain values alone, which is what it has as options.
        return {"name": self.name} | (
            options if LEGACY else keras.saving.serialize_keras_object(options)
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Operation":
        """Returns the operation that a config describes."""
        decode = keras.saving.deserialize_keras_object
        if LEGACY:
            return cls(**{k: decode(v) if isinstance(v, dict) else v for k, v in config.items()})
        return cls(**decode(config))
