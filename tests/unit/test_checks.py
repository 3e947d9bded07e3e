"""Each check of a tensor: what it lets through, and what it says of the rest."""

from types import SimpleNamespace

from harness.cases import FLOATS, INTEGERS
from unit.test_arguments import refused

from keras_maxpool import arguments
from keras_maxpool.geometry import checks


class Shape(list):
    """As a backend's own: with a rank, which may be unknown."""

    rank = property(len)


def test_dtypes():
    assert sorted(arguments.DTYPES) == sorted(FLOATS + INTEGERS)
    for name in FLOATS + INTEGERS:
        checks.dtype(name)
        checks.dtype_or_castable(name)


def test_names_of_dtypes():
    """Keras's tensors name their dtype, TensorFlow's and NumPy's hold an object with a name."""
    for dtype in ("int8", SimpleNamespace(name="int8")):
        assert checks.dtype_name(SimpleNamespace(dtype=dtype)) == "int8"


def test_dtypes_that_are_refused():
    for name in ("bool", "string", "complex64", "object", "qint8", "resource"):
        text = refused(TypeError, checks.dtype, name)
        assert f"{', '.join(arguments.DTYPES)}; received inputs of dtype {name}. Cast them" in text
        assert refused(TypeError, checks.dtype_or_castable, name) == text
    # A layer never sees such a float: Keras casts it to the layer's own dtype.
    checks.dtype_or_castable("float8_e4m3fn")
    refused(TypeError, checks.dtype, "float8_e4m3fn")


def test_layer_inputs():
    for rank in (1, 2, 3):
        for shape in ((2,) * (rank + 2), [None] * (rank + 2), Shape([None] * (rank + 2))):
            checks.layer_inputs(shape, rank, "MaxPooling")
    for shape, rank, *fragments in [
        ((8, 8), 1, "rank 3", "rank 2, shape (8, 8)", "batch axis", "channel axis"),
        ((8, 8, 3), 2, "rank 4", "rank 3", "batch axis", "channel axis", "MaxPool1D fits"),
        ((8, 8, 8, 3), 3, "rank 5", "rank 4", "batch axis", "channel axis", "MaxPool2D fits"),
        ((2, 8, 8, 3), 1, "rank 3", "rank 4", "MaxPool2D fits"),
        ((2, 8, 8, 8, 3), 2, "MaxPool3D fits"),
        ((2, 8, 3), 3, "MaxPool1D fits", "spatial axes alone"),
        ((2,) * 6, 2, "rank 6", "1, 2 and 3 spatial axes"),
        ((), 2, "rank 0, shape ()"),
        (Shape([None, 8, 3]), 2, "shape (None, 8, 3)", "MaxPool1D fits"),
    ]:
        text = refused(ValueError, checks.layer_inputs, shape, rank, "SomeLayer")
        for fragment in ["SomeLayer takes inputs of rank", f"{rank} spatial", *fragments]:
            assert fragment in text


def test_unknown_rank():
    text = refused(ValueError, checks.layer_inputs, SimpleNamespace(rank=None), 2, "SomeLayer")
    assert "SomeLayer takes inputs of rank 4; received a tensor of unknown rank" in text
    assert "set_shape" in text
