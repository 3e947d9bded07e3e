"""Random bits for fractional pooling on JAX and PyTorch, the same as TensorFlow draws: arithmetic on arrays of words.

Philox4x32-10: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011). A word of 32 bits is an unsigned
integer of so many bits, or a longer one.
"""

from collections.abc import Callable, Sequence
from typing import Any

MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85
TENSORFLOW_KEY = 0x3EC8F720, 0x02461E29
"""The key with which TensorFlow's stateless functions scramble their seed."""
MASK = 0xFFFFFFFF


def random_words(seed: Sequence[Any], blocks: Any, word: Callable[[int], Any]) -> list[Any]:
    """Draws four words for each of `blocks`, 0, 1, and so on, as `tf.random.stateless_uniform` does of int32.

    Args:
        seed: four words.
        blocks: a vector of words.
        word: makes a word of the arrays' dtype from a Python integer.
    """
    mixed = _rounds(seed, [word(key) for key in TENSORFLOW_KEY], word)
    zeros = blocks * 0
    return _rounds([blocks, zeros, mixed[2] + zeros, mixed[3] + zeros], mixed[:2], word)


def _rounds(counter: Sequence[Any], key: Sequence[Any], word: Callable[[int], Any]) -> list[Any]:
    """Returns four random words for each counter of four, after ten rounds."""
    a, b, c, d = counter
    k, m = key
    for _ in range(10):
        high_0, low_0 = _product(a, MULTIPLIERS[0], word)
        high_1, low_1 = _product(c, MULTIPLIERS[1], word)
        a, b, c, d = high_1 ^ b ^ k, low_1, high_0 ^ d ^ m, low_0
        k, m = (k + word(WEYL[0])) & word(MASK), (m + word(WEYL[1])) & word(MASK)
    return [a, b, c, d]


def _product(x: Any, factor: int, word: Callable[[int], Any]) -> tuple[Any, Any]:
    """Returns the high and the low word of x * factor, from products that 32 bits hold."""
    x_high, x_low, f_high, f_low = x >> 16, x & 0xFFFF, factor >> 16, factor & 0xFFFF
    middle = x_high * f_low + (x_low * f_low >> 16)
    cross = x_low * f_high + (middle & 0xFFFF)
    high = x_high * f_high + (middle >> 16) + (cross >> 16)
    return high, (x * word(factor)) & word(MASK)
