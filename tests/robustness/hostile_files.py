"""Files that were made to do harm, each by its name: the file's suffix and content, and what the refusal must say."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import keras
from robustness import hostile

import keras_maxpool as km

layers = keras.layers
Change = Callable[[dict[str, Any]], None]

MODULE = "harm_in_a_module"
"""A module in the child's path that leaves a trace when it is imported."""


class Harm(NamedTuple):
    """One file, and what the refusal says."""

    suffix: str
    make: Callable[[Path], bytes]
    said: str


@cache
def saved(suffix: str, *found: keras.Layer, folder: Path, loss: bool = True) -> bytes:
    """A sound model."""
    stem = found or (layers.Conv2D(3, 3, activation="relu"), layers.MaxPooling2D(2))
    model = keras.Sequential([keras.Input((8, 8, 2)), *stem])
    if loss:
        model.compile("adam", keras.losses.MeanSquaredError())
    model.save(folder / f"sound{suffix}")
    return (folder / f"sound{suffix}").read_bytes()


def in_config(suffix: str, change: Change, said: str) -> Harm:
    """A sound model whose config is changed."""

    def make(folder: Path) -> bytes:
        whole = saved(suffix, folder=folder)
        if suffix == ".keras":
            config = json.loads(hostile.members(whole)["config.json"])
            change(config)
            return hostile.with_config(whole, config)
        with h5py.File(io.BytesIO(whole)) as file:
            config = json.loads(file.attrs["model_config"])
        change(config)
        return hostile.with_attribute(whole, "model_config", json.dumps(config).encode())

    return Harm(suffix, make, said)


def the_layer(place: int, **entries: Any) -> Change:
    """Another class for the convolution, layer 1, or the pooling, layer 2."""
    return lambda config: config["config"]["layers"][place].update(entries)


def its_config(place: int, **entries: Any) -> Change:
    """Other arguments for it."""
    return lambda config: config["config"]["layers"][place]["config"].update(entries)


def function(module: str, name: str) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def instance(module: str, name: str, config: Any = None) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": config or {}, "registered_name": None}


def named(place: int, name: str) -> Change:
    """Another name for a layer, or with place -1 for the model."""

    def change(config: dict[str, Any]) -> None:
        holder = config["config"]
        (holder if place < 0 else holder["layers"][place]["config"])["name"] = name

    return change


def a_lambda(suffix: str) -> Harm:
    def make(folder: Path) -> bytes:
        # Keras stores the code alone, without what it refers to.
        leave = eval(f"lambda x: (open({str(folder / 'trace')!r}, 'w').close(), x)[1]")
        return saved(suffix, layers.Lambda(leave), folder=folder, loss=False)

    return Harm(suffix, make, "it holds a Lambda, which runs code from a file")


def a_loss(suffix: str) -> Harm:
    loss = instance(MODULE, "Harm")

    def make(folder: Path) -> bytes:
        whole = saved(suffix, folder=folder)
        if suffix == ".keras":
            config = json.loads(hostile.members(whole)["config.json"])
            config["compile_config"]["loss"] = loss
            return hostile.with_config(whole, config)
        with h5py.File(io.BytesIO(whole)) as file:
            config = json.loads(file.attrs["training_config"])
        text = json.dumps(config | {"loss": loss}).encode()
        return hostile.with_attribute(whole, "training_config", text)

    return Harm(suffix, make, f"it names {MODULE}.Harm")


def with_member(name: str, said: str, link: bool = False) -> Harm:
    def make(folder: Path) -> bytes:
        item = zipfile.ZipInfo(name.replace("FOLDER", str(folder)))
        if link:
            item.create_system, item.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        target = io.BytesIO(saved(".keras", folder=folder))
        with zipfile.ZipFile(target, "a") as file:
            file.writestr("assets/one.txt", "")
            file.writestr(item, str(folder))
        return target.getvalue()

    return Harm(".keras", make, said)


def bomb(member: str) -> Harm:
    """A few hundred kilobytes that unpack to some of these."""

    def make(folder: Path) -> bytes:
        inside = hostile.members(saved(".keras", folder=folder))
        inside[member] = inside.get(member, b"") + bytes(2**29)
        return hostile.zipped(inside, zipfile.ZIP_DEFLATED)

    return Harm(".keras", make, "it would unpack to 536")


def in_weights(suffix: str, change: Callable[[h5py.Group, str], None], said: str) -> Harm:
    """A sound model with something else in the place of its convolution's kernel."""

    def edit(file: h5py.File) -> None:
        found: list[str] = []
        file.visititems(lambda name, item: found.append(name) if _is_kernel(item) else None)
        group, _, name = found[0].rpartition("/")
        del file[group][name]
        change(file[group], name)

    def make(folder: Path) -> bytes:
        whole = saved(suffix, folder=folder)
        if suffix == ".h5":
            return hostile.in_h5(whole, edit)
        inside = hostile.members(whole)
        weights = hostile.in_h5(inside["model.weights.h5"], edit)
        return hostile.zipped(inside | {"model.weights.h5": weights})

    return Harm(suffix, make, said)


def _is_kernel(item: Any) -> bool:
    return isinstance(item, h5py.Dataset) and item.ndim == 4


def huge(group: h5py.Group, name: str) -> None:
    group.create_dataset(name, (10**5,) * 4, "float32", chunks=(100,) * 4)


def outside(group: h5py.Group, name: str) -> None:
    group.create_dataset(name, (3, 3, 2, 3), "float32", external=[("secret.bin", 0, 216)])


def external_link(group: h5py.Group, name: str) -> None:
    group[name] = h5py.ExternalLink("secret.h5", "/x")


def soft_link(group: h5py.Group, name: str) -> None:
    group[name] = h5py.SoftLink("/")


def nested(depth: int) -> Harm:
    def make(folder: Path) -> bytes:
        inside = hostile.members(saved(".keras", folder=folder))
        deep = b"[" * depth + b"]" * depth
        return hostile.zipped(
            inside | {"config.json": inside["config.json"].replace(b'"relu"', deep)}
        )

    return Harm(".keras", make, "its config is nested too deeply")


def thresholds(folder: Path) -> bytes:
    """A metric with a list of 2**30 numbers."""
    keras.Sequential([keras.Input((4,)), layers.Dense(1)], name="m").save(folder / "auc.keras")
    whole = (folder / "auc.keras").read_bytes()
    config = json.loads(hostile.members(whole)["config.json"])
    config["compile_config"] = {
        "optimizer": "adam",
        "loss": "mse",
        "metrics": [instance("keras.metrics", "AUC", {"num_thresholds": 2**30})],
    }
    return hostile.with_config(whole, config)


LARGEST = 2**31 - 2
"""Elements on an axis: TensorFlow counts no more."""


def of(*stem: keras.Layer) -> Callable[[Path], bytes]:
    """A model of 12 x 12 elements."""
    return lambda folder: in_file(keras.Sequential([keras.Input((12, 12, 2)), *stem]), folder)


def unpooled(**arguments: Any) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        inputs = keras.Input((12, 12, 2))
        pooled, indices = km.MaxPooling2D(2, return_indices=True)(inputs)
        return in_file(keras.Model(inputs, km.MaxUnpooling2D(**arguments)(pooled, indices)), folder)

    return make


def traced(output_size: int) -> Callable[[Path], bytes]:
    """A report runs the layer without data, to see how far the mask comes."""

    def make(folder: Path) -> bytes:
        tokens = keras.Input((12,), dtype="int32")
        x = km.AdaptiveMaxPooling1D(output_size)(layers.Embedding(9, 2, mask_zero=True)(tokens))
        return in_file(keras.Model(tokens, x), folder)

    return make


def in_file(model: keras.Model, folder: Path) -> bytes:
    model.save(folder / "vast.keras")
    return (folder / "vast.keras").read_bytes()


VAST = {
    "adaptive pooling": of(km.AdaptiveMaxPooling2D(LARGEST)),
    "adaptive pooling that a report traces": traced(LARGEST),
    "unpooling to a size": unpooled(output_size=LARGEST),
    "unpooling by a stride": unpooled(pool_size=LARGEST // 6),
    "pooling of a vast input": lambda folder: in_file(
        keras.Sequential([keras.Input((LARGEST, LARGEST, 2)), km.MaxPooling2D(2)]), folder
    ),
}
"""Files that are sound, and whose layers would give more than any machine holds if they were called."""


def _harms() -> dict[str, Harm]:
    harms: dict[str, Harm] = {}
    memory = "it takes more memory than there is for a file of its size"
    not_keras = "which is no part of keras or keras_maxpool; a class or function of your own"
    path = {"filepath": "model", "call_endpoint": "serve", "name": "x"}
    reads = {"vocabulary": "secret.txt", "name": "x"}
    for suffix in (".keras", ".h5"):
        found = {
            "a Lambda": a_lambda(suffix),
            "a class of any module": in_config(
                suffix,
                the_layer(1, **instance(MODULE, "Harm")),
                f"it names {MODULE}.Harm, {not_keras}",
            ),
            "os.system": in_config(
                suffix, the_layer(1, module="os", class_name="system"), f"os.system, {not_keras}"
            ),
            "os.system by its registered name": in_config(
                suffix,
                the_layer(1, module="os", registered_name="system"),
                f"os.Conv2D, {not_keras}",
            ),
            "an activation of any module": in_config(
                suffix, its_config(1, activation=function(MODULE, "harm")), f"{MODULE}.harm"
            ),
            "an activation that is a lambda": in_config(
                suffix,
                its_config(1, activation={"class_name": "__lambda__", "config": {"value": "4w"}}),
                "it holds a __lambda__",
            ),
            "an activation that is no activation": in_config(
                suffix, its_config(1, activation=function("keras.utils", "get_file")), "get_file"
            ),
            "a function for a layer": in_config(
                suffix,
                the_layer(1, module="keras.config", class_name="enable_unsafe_deserialization"),
                "it names keras.config.enable_unsafe_deserialization",
            ),
            "an initializer of any module": in_config(
                suffix, its_config(1, kernel_initializer=instance(MODULE, "Harm")), MODULE
            ),
            "a pool_size of any module": in_config(
                suffix, its_config(2, pool_size=instance(MODULE, "Harm")), MODULE
            ),
            "a type of any module": in_config(
                suffix,
                its_config(1, activation=instance(MODULE, "__typespec__") | {"spec_name": "Harm"}),
                MODULE,
            ),
            "a build_config of any module": in_config(
                suffix, the_layer(1, build_config=instance(MODULE, "Harm")), MODULE
            ),
            "a SavedModel": in_config(
                suffix,
                the_layer(1, **instance("keras.layers", "TFSMLayer", path)),
                "it holds a TFSMLayer",
            ),
            "a pickle": in_config(
                suffix,
                the_layer(1, **instance("keras.layers", "TorchModuleWrapper", {"module": "eA=="})),
                "it holds a TorchModuleWrapper",
            ),
            "a vocabulary elsewhere": in_config(
                suffix,
                the_layer(1, **instance("keras.layers", "StringLookup", reads)),
                "its StringLookup would read the file 'secret.txt'",
            ),
            "a layer's name that clears the screen": in_config(
                suffix, named(2, "a\x1b[2J"), r"it holds the name 'a\x1b[2J'"
            ),
            "a model's name of two lines": in_config(
                suffix, named(-1, "a\nkeras-maxpool: all is well"), "it holds the name 'a"
            ),
            "a name that no file can hold": in_config(
                suffix, named(2, "\ud800"), r"it holds the name '\ud800'"
            ),
            "a dtype that clears the screen": in_config(
                suffix, its_config(2, dtype="a\x1b[2J"), r"a\x1b[2J"
            ),
            "a huge pool_size": in_config(
                suffix, its_config(2, pool_size=[2**40, 2**40], padding="same"), "pool_size"
            ),
            "huge weights": in_weights(suffix, huge, "its weights would be 4000000"),
            "weights in another file": in_weights(suffix, outside, "is stored in another file"),
            "weights by a link outside": in_weights(suffix, external_link, "a link to other data"),
            "weights by a link": in_weights(suffix, soft_link, "a link to other data"),
        }
        harms |= {f"{name}, {suffix}": harm for name, harm in found.items()}
    return harms | {
        "a member above the file": with_member("../../FOLDER/trace", "a path out of the file"),
        "a member at the root": with_member("FOLDER/trace", "a path out of the file"),
        "a member on a drive": with_member("C:\\trace", "a path out of the file"),
        "a member that is a link": with_member("assets/link", "a path out of the file", link=True),
        "two members of one name": with_member("config.json", "it holds two files of one name"),
        "a config that is a bomb": bomb("config.json"),
        "weights that are a bomb": bomb("model.weights.h5"),
        "assets that are a bomb": bomb("assets/one.txt"),
        "a config nested 10,000 deep": nested(10**4),
        "a config nested 1,000,000 deep": nested(10**6),
        "units=10**12": in_config(
            ".keras", the_layer(1, **instance("keras.layers", "Dense", {"units": 10**12})), memory
        ),
        "a metric of 2**30 numbers": Harm(".keras", thresholds, memory),
    }


HARMS = _harms()

LEFT_BEHIND = {f"a loss of any module, {suffix}": a_loss(suffix) for suffix in (".keras", ".h5")}
"""Files with harm in their compile settings, which nothing but training needs; and what is said of it."""

SLOW = {"units=10**12": "report", "a metric of 2**30 numbers": "convert"}
"""Harms that take all memory, with the one command that is put to them."""

BUILT_IN = ("a huge pool_size, .keras", "a huge pool_size, .h5")
"""Which the built-in layer takes: it stays as it is where the built-in ones are wanted."""
