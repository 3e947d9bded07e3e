"""README's table of inputs that end a process: the built-in layers and ours, each case in a process of its own.

Run by hand; it prints the table in Markdown:

    python tests/robustness/crash_table.py
"""

from __future__ import annotations

import signal
import subprocess

from harness.processes import run_code

SECONDS = 120

BEGIN = """
import numpy as np, tensorflow as tf, keras, keras_maxpool
from {package} import *

def gradient(layer, x, shape):
    @tf.function(input_signature=[tf.TensorSpec(shape, x.dtype)])
    def function(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        return tape.gradient(y, x)
    return function(x)

def anything(shape, dtype="float32"):
    return tf.ones(shape, dtype)
"""

CASES = {
    "an empty batch: gradient, in a graph": "gradient(MaxPool2D(), anything((0, 4, 4, 1)), (None, 4, 4, 1))",
    "an empty batch: gradient, in a graph, 3D": "gradient(MaxPool3D(), anything((0, 4, 4, 4, 1)), (None, 4, 4, 4, 1))",
    "an empty batch: training in a graph": """
model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(1, 1), MaxPool2D(), keras.layers.Flatten()])
model.compile("sgd", "mse")
model.train_on_batch(np.zeros((0, 4, 4, 1)), np.zeros((0, 4)))
""",
    "no channels: gradient, in a graph": "gradient(MaxPool2D(), anything((2, 4, 4, 0)), (None, None, None, 0))",
    "a window larger than an input of unknown size, in a graph": (
        "gradient(MaxPool2D(5), anything((1, 4, 4, 1)), (None, None, None, 1))"
    ),
    "strides of 2**31": "MaxPool2D(2, strides=2**31)(anything((1, 4, 4, 1)))",
    'a window of 2**31 - 1, "same"': "MaxPool2D(2**31 - 1, strides=1, padding='same')(anything((1, 4, 4, 1)))",
    "a stride of 0": "MaxPool2D(2, strides=0)(anything((1, 4, 4, 1)))",
    "integers in 3D": "MaxPool3D()(anything((1, 4, 4, 4, 1), 'int32'))",
    "float64 in 3D": "MaxPool3D(dtype='float64')(anything((1, 4, 4, 4, 1), 'float64'))",
    "adaptive, to one element": "AdaptiveMaxPooling2D(1)(anything((1, 4, 4, 1)))",
    "adaptive, an empty batch: gradient, in a graph": (
        "gradient(AdaptiveMaxPooling2D(2), anything((0, 4, 4, 1)), (0, 4, 4, 1))"
    ),
}


def outcome(package: str, code: str) -> str:
    """In a word or two, how a process that runs the code with a package's layers ends."""
    try:
        process = run_code(BEGIN.format(package=package) + code, SECONDS, TF_CPP_MIN_LOG_LEVEL="3")
    except subprocess.TimeoutExpired:
        return f"**hangs** (over {SECONDS} s)"
    if process.returncode == 0:
        return "answers"
    if process.returncode < 0:
        return f"**ends the process** ({signal.Signals(-process.returncode).name})"
    last = process.stderr.strip().splitlines()
    named = [
        line for line in last if ("Error: " in line or "Error:" in line[-7:]) and line[0].isalpha()
    ]
    return named[-1].split(":")[0].rsplit(".", 1)[-1] if named else "an error without a name"


def table() -> str:
    """The table in Markdown."""
    rows = ["| Input | built-in | keras_maxpool |", "|---|---|---|"]
    for name, code in CASES.items():
        rows.append(
            f"| {name} | {outcome('keras.layers', code)} | {outcome('keras_maxpool', code)} |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
