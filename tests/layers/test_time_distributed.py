"""`TimeDistributed` takes one output of its layer: two are refused by a sentence, or work, which depends on Keras."""

import numpy as np
import pytest
from harness.assertions import assert_same
from harness.keras_version import LEGACY, keras
from harness.layers import FAMILIES, layer
from harness.runner import MODES, as_array, on_arrays


@pytest.mark.parametrize(("family", "rank"), list(zip(FAMILIES, (1, 2, 3, 2), strict=False)))
def test_two_outputs(family: str, rank: int) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, *(4,) * rank, 1)).astype("float32")
    pool = layer(family, rank, return_indices=True, name="pool")
    wrapper = keras.layers.TimeDistributed(pool)
    calls = [
        lambda: wrapper(x),
        lambda: on_arrays(wrapper, MODES[1])(x),
        lambda: keras.Model(inputs := keras.Input(x.shape[1:]), wrapper(inputs))(x),
    ]
    should = pool(x.reshape(6, *x.shape[2:]))
    for call in calls:
        if LEGACY:
            for result, wanted in zip(call(), should, strict=True):
                assert_same(result, as_array(wanted).reshape(2, 3, *wanted.shape[1:]))
        else:
            with pytest.raises(ValueError, match="TimeDistributed takes one output") as caught:
                call()
            for part in (f"{family}{rank}D 'pool'", "return_indices=True", "reshape"):
                assert part in str(caught.value)
