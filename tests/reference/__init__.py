"""Max pooling in plain NumPy, written to be read: what the package is compared with.

Nothing here is taken from the package. Arrays are channels-last, (batch, *spatial, channels), of any rank, unless a
function takes `data_format`.

    windows         pooling over windows, as the layers' arguments describe them
    regions         pooling over regions, as adaptive and fractional pooling cut them
    global_pooling  the maximum of all, with or without a mask, and its gradients
    unpooling       values back to their indices: unpooling, and the gradients of all that has indices

The rules:
- The first maximum in row-major order wins.
- Infinities and NaN follow IEEE: -inf is a value like any other, and the first NaN wins.
- Padding never wins. A window of padding alone gives the lowest value and the place -1.
- A place is the flat row-major index of the winner in the unpadded spatial volume of its own sample and channel.
- A maximum is exact in any dtype, and stays in that of its input; sums and shares are in float64.
"""

# ruff: noqa: F401 - this is what the tests import
from reference.global_pooling import global_gradient, global_pool, global_tangent
from reference.layouts import channels_first, channels_last
from reference.unpooling import gather, gradient, jacobian, unpool
from reference.windows import Pooled, geometry, lowest, pool, sees_only_padding
