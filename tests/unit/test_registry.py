"""Both spellings lead to one class, which is saved under one name; the built-in keeps its own."""

from harness.keras_version import keras
from harness.layers import every_layer, layer, layer_class

import keras_maxpool


@every_layer
def test_two_names_of_one_class(family, rank):
    cls = layer_class(family, rank)
    saved = keras.saving.serialize_keras_object(layer(family, rank, name="pool"))
    assert keras.saving.get_registered_name(cls) == f"keras_maxpool>{cls.__name__}"
    assert saved["registered_name"] == f"keras_maxpool>{cls.__name__}"
    assert (saved["class_name"], saved["module"]) == (cls.__name__, "keras_maxpool.layers")
    for name in (cls.__name__, cls.__name__.replace("ooling", "ool")):
        assert getattr(keras_maxpool, name) is cls
        assert keras.saving.get_registered_object(f"keras_maxpool>{name}") is cls
        assert keras.saving.get_registered_object(name) is None  # the built-in's
        spelled = saved | {"class_name": name, "registered_name": f"keras_maxpool>{name}"}
        # In an .h5 file the registered name stands for the class name, and there is no module.
        short = {"class_name": f"keras_maxpool>{name}", "config": saved["config"]}
        for loaded in (
            keras.saving.deserialize_keras_object(spelled),
            keras.layers.deserialize(short),
        ):
            assert type(loaded) is cls
            assert loaded.get_config() == saved["config"]


def test_a_subclass_has_a_name_of_its_own(monkeypatch):
    objects = keras.saving.get_custom_objects()

    class Mine(keras_maxpool.MaxPool2D):
        pass

    monkeypatch.setitem(objects, "theirs>Mine", Mine)
    keras.saving.register_keras_serializable("theirs")(Mine)
    saved = keras.saving.serialize_keras_object(Mine(3, dilation_rate=2))
    assert saved["registered_name"] == "theirs>Mine"
    loaded = keras.saving.deserialize_keras_object(saved)
    assert type(loaded) is Mine
    assert loaded.dilation_rate == (2, 2)
    assert keras.saving.get_registered_name(keras_maxpool.MaxPool2D) == "keras_maxpool>MaxPooling2D"


def test_a_star_import_leaves_the_ops_of_keras_alone():
    names = {"ops": keras}
    exec("from keras_maxpool import *", names)
    assert names["ops"] is keras
    assert names.keys() - {"__builtins__", "ops"} == set(keras_maxpool.__all__)
    assert len(keras_maxpool.__all__) == len(set(keras_maxpool.__all__))
