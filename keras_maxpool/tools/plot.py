"""Draws pictures of max pooling on matplotlib Axes: the windows, the pixels that win, and the results.

All are readable in greyscale. Needs `pip install matplotlib`.
"""

from keras_maxpool.tools import on_keras_3  # noqa: F401 isort: skip
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import keras
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Rectangle

from keras_maxpool.geometry import window as windows
from keras_maxpool.ops import max_pool
from keras_maxpool.tools.report import report

PANEL = 3.2
"""Inches of one picture among several."""
WINDOW = "tab:orange"
"""A colour that is neither black nor white in greyscale."""


def plot_windows(
    image: Any,
    pool_size: Any = 2,
    strides: Any = None,
    padding: Any = "valid",
    *,
    dilation_rate: Any = 1,
    ceil_mode: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draws every window of a 2D pooling over an image, and marks the pixels that win.

    A frame is a window, with a dot in its first corner, so that overlapping windows can be distinguished. A circle is
    a pixel that wins, the larger the more windows it wins. Padding is hatched.

    Args:
        image: numbers of shape (height, width). Up to 32 by 32 can be read.
        pool_size, strides, padding, dilation_rate, ceil_mode: as `keras_maxpool.MaxPooling2D` takes them.
        ax: the Axes to draw on; new ones by default.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: as `keras_maxpool.MaxPooling2D` does; an image of another shape.

    Example:
    >>> import numpy as np
    >>> from keras_maxpool.tools.plot import plot_windows
    >>> ax = plot_windows(np.arange(16).reshape(4, 4), 2)
    >>> print(ax.get_title())
    4 x 4 to 2 x 2: 4 of 16 pixels win
    frames: windows; circles: winners
    """
    pixels = _image(image)
    window = windows.parse(2, pool_size, strides, padding, dilation_rate, ceil_mode)
    _, indices = max_pool(
        pixels[None, :, :, None],
        *(pool_size, strides, padding),
        dilation_rate=dilation_rate,
        ceil_mode=ceil_mode,
        return_indices=True,
    )
    ax = ax or _new_axes(1)[0]
    # Where the picture has no pixels. White would look like the lightest of them.
    ax.patch.set(facecolor="0.9", edgecolor="0.55", hatch="////", linewidth=0)
    _show(ax, pixels)
    corners = [_starts(axis, size) for axis, size in zip(window.axes, pixels.shape, strict=True)]
    height, width = (axis.length for axis in window.axes)
    for top, left in product(*corners):
        # Drawn a little smaller, so that neighbours do not hide each other.
        frame = Rectangle((left - 0.42, top - 0.42), width - 0.16, height - 0.16, fill=False)
        frame.set(edgecolor=WINDOW, linewidth=1.5)
        ax.add_patch(frame)
        ax.plot(left - 0.3, top - 0.3, ".", color=WINDOW, markersize=5)
    winners, wins = np.unique(np.asarray(indices), return_counts=True)
    real = winners >= 0
    for winner, count in zip(winners[real], wins[real], strict=True):
        row, column = divmod(int(winner), pixels.shape[1])
        # White with a black rim, to be seen on every grey.
        style = {"facecolor": "white", "edgecolor": "black", "linewidth": 1.5}
        ax.add_patch(Circle((column, row), 0.12 + 0.04 * min(int(count), 4), **style))
    ax.set_xlim(min(-0.5, corners[1][0] - 0.5), _end(corners[1], width, pixels.shape[1]))
    ax.set_ylim(_end(corners[0], height, pixels.shape[0]), min(-0.5, corners[0][0] - 0.5))
    ax.set_title(
        f"{_size(pixels.shape)} to {_size(indices.shape[1:3])}: "
        f"{real.sum()} of {pixels.size} pixels win\n"
        "frames: windows; circles: winners"
    )
    return ax


def plot_before_after(
    image: Any, pool_sizes: Sequence[int] = (2, 4, 8), axes: Sequence[Axes] | None = None
) -> list[Axes]:
    """Draws an image, and the results of pooling it with several windows.

    Args:
        image: numbers of shape (height, width).
        pool_sizes: the windows, each as large as its strides.
        axes: one Axes more than there are windows; new ones by default.

    Returns:
        The Axes: the image's, then one for each window.

    Raises:
        ValueError: an image of another shape; another number of axes.

    Example:
    >>> import numpy as np
    >>> from keras_maxpool.tools.plot import plot_before_after
    >>> [ax.get_title() for ax in plot_before_after(np.eye(8), (2, 4))]
    ['the image, 8 x 8', 'max pooling 2, 4 x 4', 'max pooling 4, 2 x 2']
    """
    pixels = _image(image)
    parts = {"the image": pixels}
    for pool_size in pool_sizes:
        parts[f"max pooling {pool_size}"] = _pooled(max_pool, pixels, pool_size)
    return _side_by_side(parts, axes)


def plot_alternatives(
    image: Any, pool_size: int = 2, axes: Sequence[Axes] | None = None
) -> list[Axes]:
    """Draws an image made smaller in three ways: its maxima, every `pool_size`-th pixel, and its averages.

    Args:
        image: numbers of shape (height, width).
        pool_size: the window, and the stride of all three.
        axes: four Axes; new ones by default.

    Returns:
        The Axes: the image's, max pooling's, the strided one's, average pooling's.

    Raises:
        ValueError: an image of another shape; another number of axes.

    Example:
    >>> import numpy as np
    >>> from keras_maxpool.tools.plot import plot_alternatives
    >>> [ax.get_title() for ax in plot_alternatives(np.eye(4))]
    ['the image, 4 x 4', 'maxima, 2 x 2', 'every 2nd pixel, 2 x 2', 'averages, 2 x 2']
    """
    pixels = _image(image)
    ordinal = {1: "1st", 2: "2nd", 3: "3rd"}.get(pool_size, f"{pool_size}th")
    parts = {
        "the image": pixels,
        "maxima": _pooled(max_pool, pixels, pool_size),
        f"every {ordinal} pixel": pixels[::pool_size, ::pool_size],
        "averages": _pooled(
            # Keras 3.15 fails on JAX where the strides are left out.
            lambda x, n: keras.ops.average_pool(x, n, n, data_format="channels_last"),
            pixels,
            pool_size,
        ),
    }
    return _side_by_side(parts, axes)


def _image(image: Any) -> np.ndarray:
    pixels = np.asarray(image, np.float32)
    if pixels.ndim != 2 or 0 in pixels.shape:
        raise ValueError(
            f"`image` must be numbers of shape (height, width); received shape {pixels.shape}. "
            "Take one channel of it, such as image[..., 0]."
        )
    return pixels


def _pooled(pool: Callable[..., Any], pixels: np.ndarray, size: int) -> np.ndarray:
    return np.asarray(pool(pixels[None, :, :, None], size))[0, :, :, 0]


def _side_by_side(parts: Mapping[str, np.ndarray], axes: Sequence[Axes] | None) -> list[Axes]:
    axes = _new_axes(len(parts)) if axes is None else list(axes)
    if len(axes) != len(parts):
        raise ValueError(
            f"`axes` must be {len(parts)} Axes, one per picture; received {len(axes)}."
        )
    for ax, (name, pixels) in zip(axes, parts.items(), strict=True):
        _show(ax, pixels)
        ax.set_title(f"{name}, {_size(pixels.shape)}")
    return axes


def _new_axes(count: int) -> list[Axes]:
    size = (PANEL * count, PANEL) if count > 1 else (1.6 * PANEL, 1.6 * PANEL)
    _, axes = plt.subplots(1, count, figsize=size, squeeze=False, layout="constrained")
    return list(axes[0])


def _show(ax: Axes, pixels: np.ndarray) -> None:
    ax.imshow(pixels, cmap="gray", interpolation="nearest")
    ax.set_xlabel("column, pixels")
    ax.set_ylabel("row, pixels")


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _starts(axis: windows.Axis, size: int) -> list[int]:
    before, _ = axis.pads(size)
    return [index * axis.stride - before for index in range(axis.output_size(size))]


def _end(starts: list[int], length: int, size: int) -> float:
    return max(size, starts[-1] + length) - 0.5


def plot_kept_positions(model: keras.Model, ax: Axes | None = None) -> Axes:
    """Draws how many of its input's positions each max pooling layer of a model keeps.

    A bar is a layer in the model's order; a layer of unknown sizes has none.

    Args:
        model: any Keras model whose input shapes are known.
        ax: the Axes to draw on; new ones by default.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: as `keras_maxpool.tools.report.report` does.

    Example:
    >>> import keras, keras_maxpool
    >>> from keras_maxpool.tools.plot import plot_kept_positions
    >>> layers = [keras.Input((8, 8, 1)), keras_maxpool.MaxPool2D(2), keras_maxpool.MaxPool2D(2, 1)]
    >>> [round(float(bar.get_width()), 2) for bar in plot_kept_positions(keras.Sequential(layers)).patches]
    [25.0, 56.25]
    """
    rows = report(model).rows
    ax = ax or _new_axes(1)[0]
    names = [row.layer for row in rows]
    shares = [100 * (row.kept or 0) for row in rows]
    bars = ax.barh(names, shares, color="lightgrey", edgecolor="black")
    ax.bar_label(bars, [f"{share:.3g} %" if share else "unknown" for share in shares], padding=3)
    ax.set_xlim(0, 115)
    ax.invert_yaxis()
    ax.set_xlabel("positions kept, percent of the layer's input")
    ax.set_ylabel("layer")
    return ax
