"""What max pooling and max unpooling share: a window, and a convention of indices."""

from typing import Any

from keras_maxpool import arguments
from keras_maxpool.geometry import window as windows
from keras_maxpool.layers.base import SpatialLayer


class WindowedLayer(SpatialLayer):
    """A layer with a `pool_size`, `strides` and `padding`, held as the `_window` that they describe, too."""

    def _checked(self, own: dict[str, Any]) -> dict[str, Any]:
        window = windows.parse(
            self.rank,
            own["pool_size"],
            own["strides"],
            own["padding"],
            own.get("dilation_rate", 1),
            own.get("ceil_mode", False),
        )
        arguments.choice(
            own["indices_convention"], "indices_convention", arguments.INDICES_CONVENTIONS
        )
        return super()._checked(own) | {
            "_window": window,
            "pool_size": window.pool,
            "strides": window.strides,
            "padding": window.padding,
        }
