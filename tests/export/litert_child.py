"""Runs LiteRT models in a process of its own, which a model that the runtime cannot prepare may end."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import get_context

import numpy as np


def outputs(content: bytes, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """What the model gives for each sample, one after the other; booleans are the mask."""
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(model_content=content)
    # The model's inputs by their indices, and which of ours is meant.
    given = {
        wanted["index"]: int(np.dtype(wanted["dtype"]) == np.bool_)
        for wanted in model.get_input_details()
    }
    for index, which in given.items():
        model.resize_tensor_input(index, (1, *inputs[which].shape[1:]))
    model.allocate_tensors()
    results = []
    for sample in zip(*inputs, strict=True):
        for index, which in given.items():
            model.set_tensor(index, sample[which][None])
        model.invoke()
        results.append([model.get_tensor(made["index"]) for made in model.get_output_details()])
    return [np.concatenate(of_output) for of_output in zip(*results, strict=True)]


@cache
def _child() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, get_context("spawn"))


def run(content: bytes, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """`outputs`, from a child process; a BrokenProcessPool if the model ends it."""
    try:
        return _child().submit(outputs, content, inputs).result(timeout=120)
    except BrokenProcessPool:
        _child.cache_clear()
        raise
