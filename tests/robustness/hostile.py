"""Damaged files and configs, made from sound ones, the same for the same seed; and files that were made to do harm."""

import copy
import json
import operator
import random
import stat
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import h5py
import keras
import numpy as np

import keras_maxpool as km

layers = keras.layers

CONFIG, WEIGHTS = "config.json", "model.weights.h5"

VALUES = (
    *(None, True, -1, 0, 1, 3, 2**31, 2**40, 10**12, 10**30, 0.5, -0.0, 1e308, float("nan")),
    *("", "x", "os.system", [], [1], [None], [[]], {}, {"class_name": "x", "config": {}}),
)
"""What an edit puts in the place of a value in a config."""


def spoiled(whole: bytes, count: int, rng: random.Random) -> Iterator[bytes]:
    """Cut at `count` places, the ends among them, and one bit changed at as many.

    Half of these are in the last kilobyte or the first, where the tables stand.
    """
    for size in sorted({0, 1, len(whole) - 1, *rng.sample(range(len(whole)), count)}):
        yield whole[:size]
    ends = [*range(min(1024, len(whole))), *range(max(0, len(whole) - 1024), len(whole))]
    places = rng.choices(ends, k=count // 2) + rng.choices(range(len(whole)), k=count - count // 2)
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << rng.randrange(8)
        yield bytes(changed)


def edited(config: Any, count: int, rng: random.Random) -> Iterator[tuple[list, Any, bytes]]:
    """The JSON of a tree with one entry changed or left out, at `count` places: the place, the value, the text."""
    for path in rng.choices(list(paths(config)), k=count):
        value = rng.choice((*VALUES, "left out"))
        changed = holder = copy.deepcopy(config)
        for step in path[:-1]:
            holder = holder[step]
        if value == "left out":
            del holder[path[-1]]
        else:
            holder[path[-1]] = value
        yield path, value, json.dumps(changed).encode()


def paths(tree: Any) -> Iterator[list]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield [key]
        if isinstance(value, (dict, list)):
            yield from ([key, *path] for path in paths(value))


def members(whole: bytes) -> dict[str, bytes]:
    """What a .keras file holds."""
    with zipfile.ZipFile(BytesIO(whole)) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A .keras file that holds this."""
    target = BytesIO()
    with zipfile.ZipFile(target, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return target.getvalue()


def in_h5(whole: bytes, change: Callable[[h5py.File], None]) -> bytes:
    """An HDF5 file, changed."""
    target = BytesIO(whole)
    with h5py.File(target, "r+") as file:
        change(file)
    return target.getvalue()


def suffix_of(whole: bytes) -> str:
    """That of a sound file."""
    return ".keras" if whole.startswith(b"PK") else ".h5"


def texts(whole: bytes) -> dict[str, bytes]:
    """The JSON in a sound file, by the names of members or attributes: the model's, and last the training's."""
    if suffix_of(whole) == ".keras":
        return {CONFIG: members(whole)[CONFIG]}
    with h5py.File(BytesIO(whole)) as file:
        return {name: file.attrs[name].encode() for name in ("model_config", "training_config")}


def with_part(whole: bytes, name: str, content: bytes) -> bytes:
    """A file with something else in the place of its JSON, or of a member."""
    if suffix_of(whole) == ".keras":
        return zipped(members(whole) | {name: content})
    # NumPy's strings may hold any byte.
    return in_h5(whole, lambda file: operator.setitem(file.attrs, name, np.bytes_(content)))


def damaged(whole: bytes, count: int, seed: int) -> Iterator[bytes]:
    """`count` cases of each kind, from a sound .keras or .h5 file; no checksum sees first what is inside."""
    rng, is_zip = random.Random(seed), suffix_of(whole) == ".keras"
    yield b"junk"
    yield from spoiled(whole, count, rng)
    if is_zip:
        for changed in spoiled(members(whole)[WEIGHTS], count, rng):
            yield with_part(whole, WEIGHTS, changed)
    for place, text in texts(whole).items():
        edits = edited(json.loads(text), (4 if is_zip else 2) * count, rng)
        for changed in (*spoiled(text, count, rng), *(text for *_, text in edits)):
            yield with_part(whole, place, changed)


# Files that were made to do harm, each by its name: what the refusal must say, and how a sound file is changed

MODULE = "harm_in_a_module"
"""A module in the command's path that leaves a trace when it is imported."""


class Harm(NamedTuple):
    """What the refusal says, and what a sound file of that suffix is changed into."""

    suffix: str
    said: str
    change: Callable[..., bytes]
    arguments: tuple[Any, ...] = ()

    def content(self) -> bytes:
        return self.change(sound(self.suffix), *self.arguments)


def in_file(model: keras.Model, suffix: str = ".keras") -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, f"model{suffix}")
        model.save(path)
        return path.read_bytes()


@cache
def sound(suffix: str) -> bytes:
    stem = [layers.Conv2D(3, 3, activation="relu"), layers.MaxPooling2D(2)]
    model = keras.Sequential([keras.Input((8, 8, 2)), *stem])
    model.compile("adam", keras.losses.MeanSquaredError())
    return in_file(model, suffix)


def in_json(whole: bytes, path: str, entries: dict[str, Any], which: int = 0) -> bytes:
    """Other entries in one of the file's texts: at config.layers.1, the convolution, or .2, the pooling."""
    name, text = list(texts(whole).items())[which]
    config = holder = json.loads(text)
    for step in filter(None, path.split(".")):
        holder = holder[int(step) if step.isdigit() else step]
    holder.update(entries)
    return with_part(whole, name, json.dumps(config).encode())


def function(module: str, name: str) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def instance(module: str, name: str, config: Any = None, **more: Any) -> dict[str, Any]:
    entry = {"module": module, "class_name": name, "config": config or {}, "registered_name": None}
    return entry | more


def a_lambda(whole: bytes) -> bytes:
    leave = layers.Lambda(lambda x: (open("trace", "w").close(), x)[1])
    return in_file(keras.Sequential([keras.Input((8,)), leave]), suffix_of(whole))


def a_loss(whole: bytes) -> bytes:
    path = "compile_config" if suffix_of(whole) == ".keras" else ""
    return in_json(whole, path, {"loss": instance(MODULE, "Harm")}, -1)


def with_member(whole: bytes, name: str, link: bool = False) -> bytes:
    item, target = zipfile.ZipInfo(name), BytesIO(whole)
    if link:
        item.create_system, item.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(target, "a") as file:
        file.writestr("assets/one.txt", "")
        file.writestr(item, "/tmp")
    return target.getvalue()


def bomb(whole: bytes, member: str) -> bytes:
    """A few hundred kilobytes that unpack to some of these."""
    inside = members(whole)
    inside[member] += bytes(2**29)
    return zipped(inside, zipfile.ZIP_DEFLATED)


def nested(whole: bytes) -> bytes:
    deep = b"[" * 10**6 + b"]" * 10**6
    return with_part(whole, CONFIG, members(whole)[CONFIG].replace(b'"relu"', deep))


def in_weights(whole: bytes, change: Callable[[h5py.File, str], Any]) -> bytes:
    """Something else in the place of the convolution's kernel."""

    def edit(file: h5py.File) -> None:
        name = file.visititems(lambda name, item: name if getattr(item, "ndim", 0) == 4 else None)
        del file[name]
        change(file, name)

    if suffix_of(whole) == ".h5":
        return in_h5(whole, edit)
    return with_part(whole, WEIGHTS, in_h5(members(whole)[WEIGHTS], edit))


def dataset(shape: tuple[int, ...], **more: Any) -> Callable[[h5py.File, str], Any]:
    return lambda file, name: file.create_dataset(name, shape, "f4", **more)


def link(target: Any) -> Callable[[h5py.File, str], Any]:
    return lambda file, name: operator.setitem(file, name, target)


def thresholds(_: bytes = b"") -> bytes:
    """A metric with a list of 2**30 numbers."""
    metrics = [instance("keras.metrics", "AUC", {"num_thresholds": 2**30})]
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    settings = {"optimizer": "adam", "loss": "mse", "metrics": metrics}
    return in_json(in_file(model), "", {"compile_config": settings})


NOT_KERAS = "which is no part of keras or keras_maxpool; a class or function of your own"
MEMORY = "it takes more memory than there is for a file of its size"
OUT = "a path out of the file"
SYSTEM = {"module": "os", "registered_name": "system"}
UNSAFE = {"module": "keras.config", "class_name": "enable_unsafe_deserialization"}
LAMBDA = {"class_name": "__lambda__", "config": {"value": "4w"}}
SAVED_MODEL = {"filepath": "model", "call_endpoint": "serve", "name": "x"}
LOOKUP = {"vocabulary": "secret.txt", "name": "x"}
HUGE = {"pool_size": [2**40, 2**40], "padding": "same"}

CONVOLUTIONS = {
    "a class of any module": (f"it names {MODULE}.Harm, {NOT_KERAS}", instance(MODULE, "Harm")),
    "os.system by its registered name": (f"os.Conv2D, {NOT_KERAS}", SYSTEM),
    "a function for a layer": (f"it names keras.config.{UNSAFE['class_name']}", UNSAFE),
    "a SavedModel": ("it holds a TFSMLayer", instance("keras.layers", "TFSMLayer", SAVED_MODEL)),
    "a vocabulary elsewhere": (
        "its StringLookup would read the file 'secret.txt'",
        instance("keras.layers", "StringLookup", LOOKUP),
    ),
}
ACTIVATIONS = {
    "an activation of any module": (f"{MODULE}.harm", function(MODULE, "harm")),
    "an activation that is a lambda": ("it holds a __lambda__", LAMBDA),
    "an activation that is no activation": ("get_file", function("keras.utils", "get_file")),
    "a type of any module": (MODULE, instance(MODULE, "__typespec__", spec_name="Harm")),
}
POOLINGS = {
    "a screen-clearing dtype": (r"a\x1b[2J", {"dtype": "a\x1b[2J"}),
    "a screen-clearing name": (r"the name 'a\x1b[2J'", {"name": "a\x1b[2J"}),
    "a name that no file can hold": (r"the name '\ud800'", {"name": "\ud800"}),
    "a huge pool_size": ("pool_size", HUGE),
}
DATASETS = {
    "huge weights": ("its weights would be 4000000", dataset((10**5,) * 4, chunks=(100,) * 4)),
    "weights in another file": (
        "is stored in another file",
        dataset((3, 3, 2, 3), external=[("secret.bin", 0, 216)]),
    ),
    "weights by a link outside": (
        "a link to other data",
        link(h5py.ExternalLink("secret.h5", "/x")),
    ),
}
IN_BOTH: dict[str, tuple[Any, ...]] = {
    "a Lambda": ("it holds a Lambda, which runs code from a file", a_lambda),
}
for harms, change, place in [
    (CONVOLUTIONS, in_json, lambda entries: ("config.layers.1", entries)),
    (ACTIVATIONS, in_json, lambda value: ("config.layers.1.config", {"activation": value})),
    (POOLINGS, in_json, lambda entries: ("config.layers.2.config", entries)),
    (DATASETS, in_weights, lambda edit: (edit,)),
]:
    IN_BOTH |= {name: (said, change, place(value)) for name, (said, value) in harms.items()}
DENSE = instance("keras.layers", "Dense", {"units": 10**12})
HARMS = {
    f"{name}, {suffix}": Harm(suffix, *harm)
    for suffix in (".keras", ".h5")
    for name, harm in IN_BOTH.items()
} | {
    "a member above the file": Harm(".keras", OUT, with_member, ("../../current/trace",)),
    "a member at the root": Harm(".keras", OUT, with_member, ("/tmp/trace",)),
    "a member on a drive": Harm(".keras", OUT, with_member, ("C:\\trace",)),
    "a member that is a link": Harm(".keras", OUT, with_member, ("assets/link", True)),
    "two members of one name": Harm(
        ".keras", "it holds two files of one name", with_member, (CONFIG,)
    ),
    "a config that is a bomb": Harm(".keras", "it would unpack to 536", bomb, (CONFIG,)),
    "weights that are a bomb": Harm(".keras", "it would unpack to 536", bomb, (WEIGHTS,)),
    "a config nested 1,000,000 deep": Harm(".keras", "its config is nested too deeply", nested),
    "units=10**12": Harm(".keras", MEMORY, in_json, ("config.layers.1", DENSE)),
    "a metric of 2**30 numbers": Harm(".keras", MEMORY, thresholds),
}


def vast() -> keras.Model:
    """A sound model, whose layers would give more than any machine holds if they were called."""
    most = 2**31 - 2  # elements on an axis: TensorFlow counts no more
    image, far = keras.Input((12, 12, 2)), keras.Input((most, most, 2))
    tokens = keras.Input((12,), dtype="int32")
    # A report runs what comes next without data, to see how far the mask comes.
    masked = layers.Embedding(9, 2, mask_zero=True)(tokens)
    pooled, indices = km.MaxPooling2D(2, return_indices=True)(image)
    outputs = [
        km.AdaptiveMaxPooling2D(most)(image),
        km.AdaptiveMaxPooling1D(most)(masked),
        km.MaxUnpooling2D(output_size=most)(pooled, indices),
        km.MaxUnpooling2D(most // 6)(pooled, indices),
        km.MaxPooling2D(2)(far),
    ]
    return keras.Model([image, far, tokens], outputs)
