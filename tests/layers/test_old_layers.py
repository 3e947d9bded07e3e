"""Files with layers of TensorFlow Addons or copied SegNet classes load, predict what they did, and save as ours."""

from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
import reference
from harness.install import needs, tensorflow_alone
from harness.keras_version import LEGACY, keras
from harness.runner import as_array, as_arrays
from reference import regions

import keras_maxpool
from keras_maxpool import ops
from keras_maxpool.old_layers import OLD_LAYERS

SHAPE = (2, 6, 8, 3)
WINDOW = {"pool_size": (2, 2), "strides": (2, 2), "padding": "same"}
OURS = (keras_maxpool.MaxPooling2D, keras_maxpool.MaxUnpooling2D)


def standing_in(k: Any) -> dict[str, Any]:
    """By the name in a file, a class with the old arguments and config, which computes what writing takes."""

    class Old(k.layers.Layer):
        defaults: ClassVar[dict[str, Any]] = {}

        def __init__(self, **kwargs: Any) -> None:
            names = ("pool_size", "strides", "padding", "size", "output_size")
            own = {name: kwargs.pop(name) for name in names if name in kwargs}
            self.own = self.defaults | own
            super().__init__(**kwargs)

        def get_config(self) -> dict[str, Any]:
            return super().get_config() | self.own

    class MaxPoolingWithArgmax2D(Old):
        defaults = WINDOW

        def call(self, inputs: Any) -> Any:
            values, indices = ops.max_pool(inputs, **self.own, return_indices=True)
            indices = ops.convert_indices(indices, inputs.shape, to="tensorflow")
            return [values, getattr(k, "ops", k.backend).cast(indices, "float32")]

    class Unpooling(Old):
        def spread(self, updates: Any) -> Any:
            size = self.own.get("size", self.own.get("strides", (2, 2)))
            return k.layers.UpSampling2D(size)(updates)

    class MaxUnpooling2DV2(Unpooling):
        def call(self, updates: Any, mask: Any) -> Any:
            return self.spread(updates)

    class MaxUnpooling2D(Unpooling):
        def call(self, inputs: Any) -> Any:
            return self.spread(inputs[0])

    return {
        "MaxPoolingWithArgmax2D": MaxPoolingWithArgmax2D,
        "Addons>MaxUnpooling2D": type("MaxUnpooling2D", (MaxUnpooling2DV2,), {}),
        "Addons>MaxUnpooling2DV2": MaxUnpooling2DV2,
        "MaxUnpooling2D": MaxUnpooling2D,
    }


def written(k: Any, path: Path, build: Any) -> Any:
    """The model that `build` makes of an input and the old classes, saved with nothing of it left registered."""
    old = standing_in(k)
    for name in ("MaxUnpooling2D", "MaxUnpooling2DV2"):
        k.saving.register_keras_serializable("Addons")(old[f"Addons>{name}"])
    try:
        k.utils.set_random_seed(0)
        inputs = k.Input(SHAPE[1:], batch_size=SHAPE[0])
        model = k.Model(inputs, build(k, inputs, old))
        model.save(path)
    finally:
        for name in ("MaxUnpooling2D", "MaxUnpooling2DV2"):
            k.saving.get_custom_objects().pop(f"Addons>{name}")
    return model


class Build(NamedTuple):
    """An encoder and a decoder of old classes, and how the encoder pools."""

    name: str
    pool: dict[str, Any]
    unpooling: str
    unpool: dict[str, Any]
    pooled: tuple[Any, Any, str] = (2, 2, "same")

    def __call__(self, k: Any, x: Any, old: Any) -> Any:
        pool, unpool = (
            old["MaxPoolingWithArgmax2D"](**self.pool),
            old[self.unpooling](**self.unpool),
        )
        if self.name == "segnet_without_config":  # early copies of the class have no `get_config`
            pool.get_config = lambda: k.layers.Layer.get_config(unpool) | {"name": pool.name}
        values, mask = pool(x)
        code = k.layers.Conv2D(3, 3, padding="same")(values)
        both = (code, mask) if self.unpooling.startswith("Addons") else ([code, mask],)
        return values, mask, code, unpool(*both)


NARROW = {"pool_size": (3, 2), "strides": (3, 2)}
BUILDS = [
    Build("addons", {}, "Addons>MaxUnpooling2D", {}),
    Build(
        *("addons_written_out", NARROW | {"padding": "valid"}, "Addons>MaxUnpooling2D"),
        NARROW | {"padding": "VALID"},
        ((3, 2), (3, 2), "valid"),
    ),
    Build(
        *("addons_v2", {"pool_size": (3, 3)}, "Addons>MaxUnpooling2DV2", {"output_size": SHAPE}),
        (3, 2, "same"),
    ),
    Build("segnet", {}, "MaxUnpooling2D", {"size": (2, 2)}),
    Build("segnet_of_pool_size", {}, "MaxUnpooling2D", {"pool_size": (2, 2)}),
    Build("segnet_without_config", {}, "MaxUnpooling2D", {}),
]


FILES = [("keras", build, ".h5") for build in BUILDS]
FILES += [("keras", BUILDS[i], ".keras") for i in (0, 3)]
FILES += [("tf_keras", build, ".h5") for build in BUILDS]


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.filterwarnings("ignore:The structure of `inputs` doesn't match")
@pytest.mark.parametrize(
    ("library", "build", "form"),
    [pytest.param(*file, marks=[pytest.mark.slow] * (i > 8)) for i, file in enumerate(FILES)],
    ids=lambda part: getattr(part, "name", part),
)
def test_old_files(library: str, build: Build, form: str, tmp_path: Path) -> None:
    """They predict what the old classes did, and once more as files that need no mapping.

    Users of Addons have files of Keras 2; Keras 3 passes a second input on by name, see `keras_2_nodes`.
    """
    path = tmp_path / f"old{form}"
    k = keras
    if library == "tf_keras" and not LEGACY:
        tensorflow_alone()
        k = needs(library)
    written_by = written(k, path, build)
    x = np.random.default_rng(0).normal(size=SHAPE).astype("float32")
    values, places = reference.pool(x, *build.pooled)
    loaded = keras.saving.load_model(path, custom_objects=OLD_LAYERS)
    outputs = as_arrays(loaded(x))
    np.testing.assert_array_equal(outputs[0], values)
    # Flat indices in (height, width, channels).
    np.testing.assert_array_equal(outputs[1], places * SHAPE[-1] + np.arange(SHAPE[-1]))
    np.testing.assert_allclose(outputs[2], as_array(written_by(x)[2]), rtol=1e-5, atol=1e-6)
    expected = reference.unpool(outputs[2], places, SHAPE[1:3])
    # Where windows overlap, it is a sum.
    np.testing.assert_allclose(outputs[3], expected, rtol=1e-6, atol=1e-6)
    kinds = {type(layer) for layer in loaded.layers if "max" in type(layer).__name__.lower()}
    assert kinds == {*OURS}
    again = path.with_stem("again")
    loaded.save(again)
    as_ours = keras.saving.load_model(again)
    np.testing.assert_array_equal(as_array(as_ours(x)[3]), outputs[3])


@pytest.mark.parametrize("form", [".keras", ".h5"])
def test_ours_load_beside_them(form: str, tmp_path: Path) -> None:
    """Of one name: the copied class is not registered."""

    def both(k: Any, x: Any, old: Any) -> Any:
        values, mask = old["MaxPoolingWithArgmax2D"]()(x)
        pair = keras_maxpool.MaxPooling2D(2, return_indices=True)(x)
        return (
            old["MaxUnpooling2D"]()([values, mask]),
            keras_maxpool.MaxUnpooling2D(2, name="ours")(*pair),
        )

    path = tmp_path / f"both{form}"
    written(keras, path, both)
    x = np.random.default_rng(0).normal(size=SHAPE).astype("float32")
    loaded = keras.saving.load_model(path, custom_objects=OLD_LAYERS)
    assert loaded.get_layer("ours").indices_convention == "torch"
    expected = reference.unpool(*reference.pool(x), SHAPE[1:3])
    for output in loaded(x):
        np.testing.assert_array_equal(output, expected)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_adaptive_pooling_of_addons(rank: int) -> None:
    """Its config has the names that ours has; its regions are ours."""
    spatial, output_size = (7, 8, 9)[:rank], [3, 2, 4][:rank]
    config = {"name": "p", "trainable": True, "dtype": "float32"}
    config |= {"output_size": output_size, "data_format": "channels_first"}
    layer = keras.layers.deserialize(
        {"class_name": f"Addons>AdaptiveMaxPooling{rank}D", "config": config},
        custom_objects=OLD_LAYERS,
    )
    assert type(layer) is getattr(keras_maxpool, f"AdaptiveMaxPooling{rank}D")
    x = np.random.default_rng(0).normal(size=(2, *spatial, 3)).astype("float32")
    cuts = [regions.adaptive(*n) for n in zip(spatial, output_size, strict=True)]
    expected = reference.channels_first(regions.pool(x, cuts).values)
    np.testing.assert_array_equal(layer(reference.channels_first(x)), expected)
