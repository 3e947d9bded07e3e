"""Files that were made to do harm, each by its name: the file's suffix and content, and what the refusal must say."""

from __future__ import annotations

import io
import json
import operator
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


def in_config(suffix: str, path: str, entries: dict[str, Any], said: str) -> Harm:
    """A sound model with other entries in its config: at layers.1, the convolution, or layers.2, the pooling, or ""."""

    def make(folder: Path) -> bytes:
        config = config_of(saved(suffix, folder=folder), suffix)
        holder = config["config"]
        for step in filter(None, path.split(".")):
            holder = holder[int(step) if step.isdigit() else step]
        holder.update(entries)
        return with_config_of(saved(suffix, folder=folder), suffix, config)

    return Harm(suffix, make, said)


def config_of(whole: bytes, suffix: str, name: str = "model_config") -> dict[str, Any]:
    """The config of a .keras file, or one of those of an .h5 file."""
    if suffix == ".keras":
        return json.loads(hostile.members(whole)["config.json"])
    with h5py.File(io.BytesIO(whole)) as file:
        return json.loads(file.attrs[name])


def with_config_of(
    whole: bytes, suffix: str, config: dict[str, Any], name: str = "model_config"
) -> bytes:
    if suffix == ".keras":
        return hostile.with_config(whole, config)
    return hostile.with_attribute(whole, name, json.dumps(config).encode())


def function(module: str, name: str) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def instance(module: str, name: str, config: Any = None, **more: Any) -> dict[str, Any]:
    entry = {"module": module, "class_name": name, "config": config or {}, "registered_name": None}
    return entry | more


def a_lambda(suffix: str) -> Harm:
    def make(folder: Path) -> bytes:
        # Keras stores the code alone, without what it refers to.
        leave = eval(f"lambda x: (open({str(folder / 'trace')!r}, 'w').close(), x)[1]")
        return saved(suffix, layers.Lambda(leave), folder=folder, loss=False)

    return Harm(suffix, make, "it holds a Lambda, which runs code from a file")


def a_loss(suffix: str) -> Harm:
    def make(folder: Path) -> bytes:
        whole, loss = saved(suffix, folder=folder), {"loss": instance(MODULE, "Harm")}
        config = config_of(whole, suffix, "training_config")
        (config["compile_config"] if suffix == ".keras" else config).update(loss)
        return with_config_of(whole, suffix, config, "training_config")

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


IN_WEIGHTS: dict[str, tuple[Callable[[h5py.Group, str], Any], str]] = {
    "huge weights": (
        lambda group, name: group.create_dataset(name, (10**5,) * 4, "f4", chunks=(100,) * 4),
        "its weights would be 4000000",
    ),
    "weights in another file": (
        lambda group, name: group.create_dataset(
            name, (3, 3, 2, 3), "f4", external=[("secret.bin", 0, 216)]
        ),
        "is stored in another file",
    ),
    "weights by a link outside": (
        lambda group, name: operator.setitem(group, name, h5py.ExternalLink("secret.h5", "/x")),
        "a link to other data",
    ),
    "weights by a link": (
        lambda group, name: operator.setitem(group, name, h5py.SoftLink("/")),
        "a link to other data",
    ),
}


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


NOT_KERAS = "which is no part of keras or keras_maxpool; a class or function of your own"
MEMORY = "it takes more memory than there is for a file of its size"
HARM = instance(MODULE, "Harm")
ENDPOINT = {"filepath": "model", "call_endpoint": "serve", "name": "x"}
UNSAFE = {"module": "keras.config", "class_name": "enable_unsafe_deserialization"}
LAMBDA = {"class_name": "__lambda__", "config": {"value": "4w"}}

# A name, where in the config, the entries there, and what the refusal says.
IN_CONFIG: list[tuple[str, str, dict[str, Any], str]] = [
    ("a class of any module", "layers.1", HARM, f"it names {MODULE}.Harm, {NOT_KERAS}"),
    (
        "os.system by its registered name",
        "layers.1",
        {"module": "os", "registered_name": "system"},
        f"os.Conv2D, {NOT_KERAS}",
    ),
    ("a function for a layer", "layers.1", UNSAFE, f"it names keras.config.{UNSAFE['class_name']}"),
    (
        "a SavedModel",
        "layers.1",
        instance("keras.layers", "TFSMLayer", ENDPOINT),
        "it holds a TFSMLayer",
    ),
    (
        "a vocabulary elsewhere",
        "layers.1",
        instance("keras.layers", "StringLookup", {"vocabulary": "secret.txt", "name": "x"}),
        "its StringLookup would read the file 'secret.txt'",
    ),
    (
        "an activation of any module",
        "layers.1.config",
        {"activation": function(MODULE, "harm")},
        f"{MODULE}.harm",
    ),
    (
        "an activation that is a lambda",
        "layers.1.config",
        {"activation": LAMBDA},
        "it holds a __lambda__",
    ),
    (
        "an activation that is no activation",
        "layers.1.config",
        {"activation": function("keras.utils", "get_file")},
        "get_file",
    ),
    (
        "a type of any module",
        "layers.1.config",
        {"activation": instance(MODULE, "__typespec__", spec_name="Harm")},
        MODULE,
    ),
    ("a screen-clearing dtype", "layers.2.config", {"dtype": "a\x1b[2J"}, r"a\x1b[2J"),
    ("a screen-clearing name", "layers.2.config", {"name": "a\x1b[2J"}, r"the name 'a\x1b[2J'"),
    ("a name that no file can hold", "layers.2.config", {"name": "\ud800"}, r"the name '\ud800'"),
    ("a model's name of two lines", "", {"name": "a\nkeras-maxpool: well"}, "it holds the name 'a"),
    (
        "a huge pool_size",
        "layers.2.config",
        {"pool_size": [2**40, 2**40], "padding": "same"},
        "pool_size",
    ),
]
OUT = "a path out of the file"
DENSE = instance("keras.layers", "Dense", {"units": 10**12})

HARMS = {
    f"{name}, {suffix}": harm
    for suffix in (".keras", ".h5")
    for name, harm in [
        ("a Lambda", a_lambda(suffix)),
        *((name, in_config(suffix, *more)) for name, *more in IN_CONFIG),
        *((name, in_weights(suffix, *change)) for name, change in IN_WEIGHTS.items()),
    ]
} | {
    "a member above the file": with_member("../../FOLDER/trace", OUT),
    "a member at the root": with_member("FOLDER/trace", OUT),
    "a member on a drive": with_member("C:\\trace", OUT),
    "a member that is a link": with_member("assets/link", OUT, link=True),
    "two members of one name": with_member("config.json", "it holds two files of one name"),
    "a config that is a bomb": bomb("config.json"),
    "weights that are a bomb": bomb("model.weights.h5"),
    "a config nested 1,000,000 deep": nested(10**6),
    "units=10**12": in_config(".keras", "layers.1", DENSE, MEMORY),
    "a metric of 2**30 numbers": Harm(".keras", thresholds, MEMORY),
}

LEFT_BEHIND = {f"a loss of any module, {suffix}": a_loss(suffix) for suffix in (".keras", ".h5")}
"""Files with harm in their compile settings, which nothing but training needs; and what is said of it."""

SLOW = {
    "units=10**12": [["report", "IN"]],
    "a metric of 2**30 numbers": [["convert", "IN", "out.keras"]],
}
"""Harms that take all memory, with the one command that is put to them."""
