"""Detects which converter is tracing the code, if any, and whether it quantises.

Neither Keras nor TensorFlow tells a layer where its graph will run, so this looks at the callers: 4 us for 40 frames,
where tracing a pooling takes 2,300. A SavedModel was traced before a converter reads it, and is taken as it is.
"""

import sys
from types import FrameType

RUNTIMES = {
    "keras.src.export.litert": "LiteRT",
    "tensorflow.lite.python.lite": "LiteRT",
    "keras.src.export.onnx": "ONNX",
    "keras.src.export.openvino": "OpenVINO",
}
"""The runtime's name, by the module that traces models for it."""


def target() -> tuple[str | None, int | None]:
    """Returns the runtime for which a converter is tracing now, and the bits to which it quantises floats, or None."""
    frame: FrameType | None = sys._getframe()
    while frame and frame.f_globals.get("__name__", "") not in RUNTIMES:
        frame = frame.f_back
    if frame is None:
        return None, None
    return RUNTIMES[frame.f_globals["__name__"]], _quantized_bits(frame)


def _quantized_bits(frame: FrameType) -> int | None:
    """Returns the bits of the integers to which the converter quantises all floats, or None.

    With `optimizations` alone it keeps floats between operations; with a representative data set, too, it does not.
    """
    exporter = frame.f_locals.get("self")
    if exporter is None:
        return None
    # Keras's exporter holds the converter's settings as keyword arguments.
    settings = getattr(exporter, "kwargs", None) or exporter.__dict__
    if not (settings.get("optimizations") and settings.get("representative_dataset")):
        return None
    target = settings.get("target_spec")
    operations = target if isinstance(target, dict) else vars(target) if target else {}
    return 16 if any("INT16" in str(ops) for ops in operations.get("supported_ops", ())) else 8
