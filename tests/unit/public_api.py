"""The public surface as plain data: names, signatures, what each layer's config holds, and the commands' options.

`PYTHONPATH=tests python -m unit.public_api` writes the snapshot anew, for a change that is meant; the changelog has to
say so.
"""

import argparse
import inspect
import json
from pathlib import Path
from typing import Any

import keras_maxpool
from keras_maxpool.tools import cli, convert, parity, report

SNAPSHOT = Path(__file__).parent / "public_api.json"
MODULES = (keras_maxpool, keras_maxpool.ops, convert, parity, report)
NEEDED = {"Adaptive": (1,), "Fractional": (1.5,)}
"""Arguments without a default, by the beginning of a layer's name."""


def surface() -> dict[str, Any]:
    """By module and name, a function's or class's signature, and a layer's config; by command, its options."""
    names = {
        module.__name__: {
            name: _entry(name, getattr(module, name)) for name in sorted(module.__all__)
        }
        for module in MODULES
    }
    # As the snapshot has it: tuples are lists there.
    return json.loads(json.dumps(names | {"keras-maxpool": _commands()}, default=str))


def _commands() -> dict[str, Any]:
    """By command, then by option or argument: its default, and what it may be."""
    (commands,) = (
        action.choices
        for action in cli.command_line()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return {
        name: {
            " ".join(action.option_strings) or action.dest: {
                "default": action.default,
                "choices": action.choices,
            }
            for action in command._actions
        }
        for name, command in commands.items()
    }


def _entry(name: str, value: Any) -> Any:
    if inspect.ismodule(value):
        return "module"
    if isinstance(value, dict):
        return sorted(value)
    entry: dict[str, Any] = {"signature": _signature(value)}
    if hasattr(value, "get_config"):
        arguments = next((given for start, given in NEEDED.items() if name.startswith(start)), ())
        config = value(*arguments).get_config()
        # What Keras itself puts in differs from version to version.
        own = config.keys() - {"name", "trainable", "dtype"}
        entry["config"] = {key: config[key] for key in sorted(own)}
    return entry


def _signature(value: Any) -> str:
    """Names, kinds and defaults, without annotations, which Python versions print differently."""
    signature = inspect.signature(value)
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    return str(inspect.Signature(bare))


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(surface(), indent=1) + "\n", "utf-8")
