"""Parity: `assert_parity` for tests of one's own; `command` compares every layer with the built-in one.

A test of a layer of your own, in pytest:

    import keras_maxpool
    import pytest
    from keras_maxpool.tools.parity import assert_parity
    from my_layers import MyPool2D

    @pytest.mark.parametrize("padding", ["valid", "same"])
    def test_my_pool(padding):
        reference = keras_maxpool.MaxPool2D(3, strides=2, padding=padding)
        assert_parity(MyPool2D(3, strides=2, padding=padding), reference, (None, 7, 8, 3))

It fails with what differs, the first index and both values, and a line of Python that reproduces it:

    AssertionError: gradient differs in mode 'graph': 3 of 336 elements differ, first at [0, 2, 2, 1]: 0.0 instead of 0.25
    To see it again: import keras_maxpool, my_layers; from keras_maxpool.tools.parity import assert_parity; assert_parity(...)

With `ties=True` the input is full of equal values, which shows how gradients of ties differ.
"""  # noqa: E501

from keras_maxpool.tools import on_keras_3  # noqa: F401 isort: skip
from keras_maxpool.tools.parity.assertion import assert_parity

__all__ = ["assert_parity"]
