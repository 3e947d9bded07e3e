"""The shifted views along an axis: view j holds element j of every window; long windows are pooled in steps."""

from typing import NamedTuple

from keras_maxpool.geometry.window import Axis

MAX_VIEWS, VIEWS_PER_STEP = 5, 4
"""A window of more than MAX_VIEWS elements is pooled in steps of VIEWS_PER_STEP views."""


class Views(NamedTuple):
    """The views along one axis: how far each is displaced, in ascending order, and their common stride."""

    displacements: tuple[int, ...] = (0,)
    stride: int = 1

    @property
    def reach(self) -> int:
        """The number of elements from the first view's first element to the last view's, both included."""
        return self.displacements[-1] + 1

    @property
    def lags(self) -> list[int]:
        """The lags of the windows that may cover a position, counted back from the last that starts at or before it."""
        return sorted({n // self.stride for n in self.displacements})

    def views_at(self, lag: int) -> list[int]:
        """Returns which view of the window `lag` back holds a position, or -1, for each remainder of the position.

        Positions between the windows of a long stride are in no window, and are left out.
        """
        positions = range(lag * self.stride, lag * self.stride + min(self.stride, self.reach))
        views = {displacement: i for i, displacement in enumerate(self.displacements)}
        return [views.get(position, -1) for position in positions]


def views_of_window(axis: Axis) -> Views:
    """Returns the views that each hold one element of every window."""
    return Views(tuple(range(0, axis.length, axis.dilation)), axis.stride)


def split_into_steps(axis: Axis) -> list[Views]:
    """Returns the steps that pool one axis: each takes maxima of the maxima of the step before."""
    done, steps = 1, []
    while -(-axis.pool // done) > MAX_VIEWS:
        steps.append(Views(tuple(j * done * axis.dilation for j in range(VIEWS_PER_STEP)), 1))
        done *= VIEWS_PER_STEP
    # The last views overlap if the window is no multiple of what a view covers: the earlier one wins a tie.
    last = (min(start, axis.pool - done) for start in range(0, axis.pool, done))
    return [*steps, Views(tuple(start * axis.dilation for start in last), axis.stride)]
