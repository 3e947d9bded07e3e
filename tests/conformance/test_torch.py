"""`ops.max_pool` against PyTorch: its golden file, and live."""

import numpy as np
import pytest
from golden import torch_golden
from harness.cases import TABLE, case, ties
from harness.install import needs
from harness.runner import run, with_gradient

from keras_maxpool.ops import max_pool

# Of several NaN in a window PyTorch 2.13 takes the last; the golden inputs have one.
GOLDEN = list(torch_golden.load())[::2]  # the reference is compared with all of them


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", sorted({golden.kind for golden in GOLDEN}))
def test_golden(kind, rank):
    """Exact: the upstream gradients are small integers, so their sums have no rounding."""
    for golden in GOLDEN:
        if (golden.kind, golden.rank) == (kind, rank):
            options = {"nonfinite": "backend" if golden.finite else "ieee", "return_indices": True}
            options |= golden.arguments | {"data_format": "channels_first"}
            pool = with_gradient(lambda x, options=options: max_pool(x, **options))
            results = run(pool, "eager", golden.x, golden.upstream)
            expected = golden.values, golden.indices, golden.gradient
            for result, wanted in zip(results, expected, strict=True):
                np.testing.assert_array_equal(result, wanted, golden.name)


def torch_takes(config):
    """Symmetric pads of at most half a window."""
    return all(
        padding == "valid"
        or (not isinstance(padding, str) and padding[0] == padding[1] <= pool // 2)
        for _, pool, _, padding, _, _ in config.axes
    )


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_pytorch_live(rank):
    torch = needs("torch")
    configs = [config for config in TABLE if config.rank == rank and torch_takes(config)]
    assert len(configs) > 5
    for config in configs:
        _, pool_size, strides, paddings, dilation, _ = zip(*config.axes, strict=True)
        given = case(config, ties, data_format="channels_first")
        layer = getattr(torch.nn, f"MaxPool{rank}d")(
            pool_size,
            strides,
            tuple(0 if pads == "valid" else pads[0] for pads in paddings),
            dilation,
            return_indices=True,
            ceil_mode=config.ceil_mode,
        )
        options = config.arguments | {"data_format": "channels_first", "return_indices": True}
        results = run(lambda x, options=options: max_pool(x, **options), "eager", given.x)
        for result, expected in zip(results, layer(torch.from_numpy(given.x)), strict=True):
            np.testing.assert_array_equal(result, expected, str(config))
