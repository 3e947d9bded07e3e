"""What a model's pooling layers do to its data, and what looks wrong: a row per layer, receptive fields, findings."""

import json
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import keras

from keras_maxpool.tools.layer_tree import walk
from keras_maxpool.tools.observe import can_mask, observe
from keras_maxpool.tools.report.findings import Finding, findings
from keras_maxpool.tools.report.layer_graph import LayerGraph
from keras_maxpool.tools.report.layer_kinds import POOLING
from keras_maxpool.tools.report.model_graph import Call, NoGraphError, calls
from keras_maxpool.tools.report.poolings import poolings
from keras_maxpool.tools.report.receptive_field import Field, Unknown, receptive_fields
from keras_maxpool.tools.report.rows import Row, row


@dataclass(frozen=True)
class Growth:
    """The receptive field after one convolution, pooling or other spatial layer.

    Attributes:
        layer: the layer's path.
        pools: whether it is one of the report's rows.
        field: the receptive field of one output, or why it is not known.
    """

    layer: str
    pools: bool
    field: Field | Unknown


@dataclass(frozen=True)
class Report:
    """The result of `report`.

    Attributes:
        model: the model's name.
        input_shapes: the shapes of the model's inputs, the batch axis first; empty where it has no graph.
        rows: one for each call of a pooling layer, in the model's order.
        findings: what looks wrong.
        growth: how the receptive field grows, layer by layer.
    """

    model: str
    input_shapes: tuple[tuple[int | None, ...], ...]
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    growth: tuple[Growth, ...]

    def as_dict(self) -> dict[str, Any]:
        """Returns the report as JSON's types: a Fraction becomes a number, and what is not known is None."""
        return json.loads(json.dumps(asdict(self), default=_number))


def report(model: keras.Model) -> Report:
    """Reports on the pooling layers of a model, of Keras's and of this package's.

    Max and average pooling, global, adaptive and fractional, in 1D, 2D and 3D, at any depth. Receptive fields follow
    the graph of a functional or Sequential model through convolutions, poolings, upsampling, padding and what works
    element by element; where a layer cannot be followed, such as a class of your own, they are `Unknown`, with the
    reason. Their sizes and steps are those of Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional
    Neural Networks", Distill, 2019.

    Args:
        model: a `keras.Model`, which stays as it is. Shapes inside a class of your own are known if the model has been
            built or called: the model is then traced once, without data.

    Returns:
        A `Report`: rows, findings, and how the receptive field grows. Shapes include the batch axis; sizes are in
        elements, memory in bytes per sample, receptive fields and their steps in elements of the model's input.
        `keras_maxpool.tools.report.text.show(report, rich.console.Console())` prints it as the command does.

    Raises:
        TypeError: something other than a model.

    Example:
    >>> import keras, keras_maxpool
    >>> from keras_maxpool.tools.report import report
    >>> stem = [keras.Input((225, 225, 3)), keras.layers.Conv2D(64, 7, strides=2, padding="same")]
    >>> done = report(keras.Sequential([*stem, keras_maxpool.MaxPooling2D(2, name="pool")]))
    >>> done.rows[0].output_shape, done.rows[0].receptive_field.sizes, done.rows[0].bytes_saved
    ((None, 56, 56, 64), (9, 9), 2466048)
    >>> print(done.findings[0].what)
    no window reaches the last 1 of 113 rows and the last 1 of 113 columns
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` takes a keras.Model; received {type(model).__name__}.")
    no_graph = "it is inside a class of your own"
    graph: list[Call] = []
    try:
        graph = calls(model)
    except NoGraphError as error:
        no_graph = str(error)
    fields = receptive_fields(graph)
    found = poolings(model, graph, {})
    # Tracing takes seconds for a large model, and mostly finds nothing new.
    if can_mask(model) or any(pooling.call is None for pooling in found):
        observed, _ = observe(model, [n for n in walk(model) if isinstance(n.layer, POOLING)])
        found = poolings(model, graph, observed)
    rows = tuple(row(pooling, fields, no_graph) for pooling in found)
    pooled = {pooling.call for pooling in found}
    return Report(
        model=model.name,
        input_shapes=tuple(call.outputs[0].shape for call in graph if not call.inputs),
        rows=rows,
        findings=tuple(findings(found, rows, LayerGraph(graph))),
        growth=tuple(Growth(call.path, call in pooled, field) for call, field in fields.items()),
    )


def _number(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)
