"""Shifted views of an axis: which elements of every window each one holds, and steps of few views for long windows."""

from typing import NamedTuple

from keras_maxpool.geometry.window import Axis

MAX_VIEWS, VIEWS_PER_STEP = 5, 4
"""A window of more than MAX_VIEWS elements is pooled in steps of VIEWS_PER_STEP views."""


class Views(NamedTuple):
    """The views along one axis: how far each is displaced, in ascending order, and the stride of all of them."""

    displacements: tuple[int, ...] = (0,)
    stride: int = 1

    @property
    def reach(self) -> int:
        """Elements from the first view's to the last one's."""
        return self.displacements[-1] + 1

    @property
    def lags(self) -> list[int]:
        """How many windows before the one that starts at or last before a position may cover it."""
        return sorted({n // self.stride for n in self.displacements})

    def views_at(self, lag: int) -> list[int]:
        """Returns the view in which the window `lag` back has a position, by the position's remainder, or -1.

        No window has those between the windows of a long stride, which are left out.
        """
        positions = range(lag * self.stride, lag * self.stride + min(self.stride, self.reach))
        views = {displacement: i for i, displacement in enumerate(self.displacements)}
        return [views.get(position, -1) for position in positions]


def views_of_window(axis: Axis) -> Views:
    """Returns the views that each hold one element of every window."""
    return Views(tuple(range(0, axis.length, axis.dilation)), axis.stride)


def split_into_steps(axis: Axis) -> list[Views]:
    """Returns the steps that pool one axis: the maxima of each one cover VIEWS_PER_STEP times those before it."""
    done, steps = 1, []
    while -(-axis.pool // done) > MAX_VIEWS:
        steps.append(Views(tuple(j * done * axis.dilation for j in range(VIEWS_PER_STEP)), 1))
        done *= VIEWS_PER_STEP
    # The last maxima overlap where the window is no multiple: the earlier one wins their ties, as it should.
    last = (min(start, axis.pool - done) for start in range(0, axis.pool, done))
    return [*steps, Views(tuple(start * axis.dilation for start in last), axis.stride)]
