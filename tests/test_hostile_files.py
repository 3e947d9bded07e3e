"""Damaged and hostile files: the commands refuse them in one clear line, run nothing, and write nothing.

Files go through `keras-maxpool convert` and `report` in one child process, as they might end it; run as a program, this
file is that child, and writes a line of JSON for each command.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import random
import subprocess
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import hostile
import keras
import numpy as np
import pytest

import keras_maxpool as km
from keras_maxpool.tools.convert import from_onnx
from keras_maxpool.tools.file_check import check, check_config

DAMAGES = int(os.environ.get("KERAS_MAXPOOL_DAMAGES", "5"))
"""Damaged files of each kind and model."""

SECONDS, MEGABYTES = 150, 1500
"""What any one command may take on a machine with other work, and what all may use beside a sound file's memory."""

layers = keras.layers


def save_sound(path: Path) -> Path:
    """Every kind of layer of the package, and the built-in one, in a model that was trained."""
    keras.utils.set_random_seed(3)
    x = inputs = keras.Input((12, 12, 2))
    x = layers.Conv2D(3, 3, activation="relu")(x)
    pooled, indices = km.MaxPooling2D(2, return_indices=True)(x)
    x = km.MaxUnpooling2D(2)(pooled, indices, like=x)
    x = layers.BatchNormalization()(layers.MaxPooling2D(2)(x))
    x = km.FractionalMaxPooling2D(1.4, seed=3)(km.AdaptiveMaxPooling2D(4)(x))
    x = km.MaxPool2D(2, strides=1, padding=1, dilation_rate=2, nonfinite="ieee")(x)
    model = keras.Model(inputs, layers.Dense(4)(km.GlobalMaxPooling2D()(x)), name="net")
    model.compile("adam", keras.losses.MeanSquaredError(), metrics=["mae"])
    model.fit(np.ones((2, 12, 12, 2)), np.ones((2, 4)), verbose=0)
    model.save(path)
    return path


# The child


def run(name: str, command: str, file: Path, folder: Path) -> dict[str, Any]:
    """One command on one file."""
    from keras_maxpool.cli import main

    target = file.with_name("out.keras")
    arguments = [command, str(file)] + ([str(target)] if command == "convert" else [])
    out, err = io.StringIO(), io.StringIO()
    begun, code, raised = time.perf_counter(), None, ""
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(arguments)
        except BaseException:  # whatever it is, it is a failure
            raised = traceback.format_exc()
    trace = (folder / "trace").exists()
    (folder / "trace").unlink(missing_ok=True)
    written = sorted(path.name for path in file.parent.iterdir() if path != file)
    target.unlink(missing_ok=True)
    return {
        "name": name,
        "command": command,
        "code": code,
        "raised": raised,
        "said": (err.getvalue().splitlines() or [""])[-1],
        "seconds": time.perf_counter() - begun,
        "megabytes": peak_megabytes(),
        "trace": trace,
        "written": written,
        "folder": sorted(path.name for path in folder.iterdir()),
    }


def peak_megabytes() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def child(folder: Path, count: int) -> None:
    import hostile_files

    from keras_maxpool.tools import limits

    limits.SPARE_BYTES = 2**29  # so that what asks for all of it takes a second
    place = folder / "files"
    place.mkdir()
    os.chdir(folder)  # where Python finds the module that leaves a trace
    sys.path.insert(0, str(folder))
    trace = f"open({str(folder / 'trace')!r}, 'w').close()"
    (folder / f"{hostile_files.MODULE}.py").write_text(
        f"{trace}\nclass Harm: pass\ndef harm(): {trace}"
    )
    (folder / "secret.txt").write_text("secret")
    (folder / "secret.bin").write_bytes(bytes(216))
    for suffix in (".keras", ".h5"):
        sound = save_sound(folder / f"net{suffix}")
        for command in ("report", "convert"):
            print(json.dumps(run(f"sound {suffix}", command, sound, folder)), flush=True)
        for number, (name, content) in enumerate(hostile.damaged(sound, count, seed=count)):
            file = place / f"in{suffix}"
            file.write_bytes(content)
            command = ("report", "convert")[number % 2]
            told = run(f"damaged{suffix}: {name}", command, file, folder)
            print(json.dumps(told), flush=True)
            file.unlink()
    for name, harm in hostile_files.HARMS.items():
        file = place / f"in{harm.suffix}"
        file.write_bytes(harm.make(folder))
        (folder / "trace").unlink(missing_ok=True)  # of a Lambda that ran when its model was made
        for command in ("report", "convert"):
            # Those who use up the memory take their time; TensorFlow waits ten seconds for more.
            if command == "report" or name not in hostile_files.SLOW:
                print(json.dumps(run(name, command, file, folder)), flush=True)
        file.unlink()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each command did."""
    return in_child(tmp_path_factory.mktemp("hostile"), DAMAGES)


def in_child(folder: Path, count: int) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, __file__, str(folder), str(count)],
        capture_output=True,
        text=True,
        timeout=600 + 60 * count,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.returncode == 0, (lines[-1:], done.stderr[-3000:])
    return lines


# What the commands do


def check_damaged(told: list[dict[str, Any]]) -> Counter[int]:
    """No traceback, no trace, no file but a whole one, no time and no memory to speak of."""
    damaged = [one for one in told if one["name"].startswith("damaged")]
    for one in damaged:
        assert not one["raised"], one
        # A change may do no harm; then the command does its work, or finds what it cannot convert.
        assert one["code"] in (0, 1, 2), one
        # The rest is a line that the command itself wrote.
        if one["code"] == 2:
            assert one["said"].startswith("keras-maxpool: "), one
        assert one["written"] == (
            ["out.keras"] if one["command"] == "convert" and not one["code"] else []
        ), one
        assert not one["trace"], one
        assert one["seconds"] < SECONDS, one
    return Counter(one["code"] for one in damaged)


def test_sound_files_pass(told: list[dict[str, Any]]) -> None:
    sound = [one for one in told if one["name"].startswith("sound")]
    assert [one["code"] for one in sound] == [0] * 4, sound


def test_damaged_files(told: list[dict[str, Any]]) -> None:
    codes = check_damaged(told)
    assert codes[2] > sum(codes.values()) / 2, codes


@pytest.mark.fuzz
def test_damaged_files_at_length(tmp_path: Path) -> None:
    check_damaged(in_child(tmp_path, 60))


def test_hostile_files(told: list[dict[str, Any]]) -> None:
    import hostile_files

    found = {name: [one for one in told if one["name"] == name] for name in hostile_files.HARMS}
    assert all(found.values())
    for name, harm in hostile_files.HARMS.items():
        for one in found[name]:
            assert not one["raised"], one
            assert one["code"] == 2, one
            assert one["said"].startswith("keras-maxpool: "), one
            assert harm.said in one["said"], one
            assert not one["trace"], one
            assert one["written"] == [], one
            assert one["seconds"] < SECONDS, one


def test_nothing_is_left_and_memory_is_bounded(told: list[dict[str, Any]]) -> None:
    first, last = told[0], told[-1]
    assert set(last["folder"]) - set(first["folder"]) <= {
        *("net.h5", "sound.keras", "sound.h5", "auc.keras", "__pycache__")
    }
    assert last["megabytes"] - first["megabytes"] < MEGABYTES


def test_a_file_that_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import hostile_files
    from refusals import complaint

    from keras_maxpool.tools import limits

    if not sys.platform.startswith("linux"):
        pytest.skip("needs setitimer, and a limit of memory if that fails")
    monkeypatch.setattr(limits, "SPARE_SECONDS", 1.0)
    file = tmp_path / "in.keras"
    file.write_bytes(hostile_files.thresholds(tmp_path))
    line = complaint(["report", str(file)], capsys)
    assert "it takes more than" in line
    time.sleep(1.5)  # the alarm is off


# What is let through


@pytest.mark.parametrize("file", sorted(Path(__file__, "../data").resolve().glob("golden*.[kh]*")))
def test_golden_files_pass(file: Path) -> None:
    check(file)


def test_what_keras_writes_passes(tmp_path: Path) -> None:
    """Functions, schedules, regularizers, policies, vocabularies and operations."""
    text = layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=4)
    words = keras.Input((1,), dtype="string")
    x = layers.Embedding(4, 3, embeddings_regularizer="l2")(text(words))
    x = layers.Dense(3, activation=keras.activations.gelu, dtype="mixed_bfloat16")(x)
    x = layers.Bidirectional(layers.LSTM(2, return_sequences=True))(keras.ops.relu(x) + 1)
    x = layers.TimeDistributed(layers.Dense(2, kernel_constraint=keras.constraints.MaxNorm(2)))(x)
    model = keras.Model(words, layers.Activation(keras.ops.tanh)(km.MaxPool1D(2)(x)))
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    model.compile(
        keras.optimizers.Adam(schedule),
        keras.losses.mean_squared_error,
        metrics=[keras.metrics.mean_absolute_error, "mse", keras.metrics.AUC()],
    )
    for suffix in (".keras", ".h5"):
        model.save(tmp_path / f"m{suffix}")
        check(tmp_path / f"m{suffix}")


def test_a_config_with_code_is_refused_at_any_depth() -> None:
    entry: Any = {"class_name": "Lambda", "config": {}}
    for _ in range(200):
        entry = [{"config": {"layer": entry}}]
    with pytest.raises(ValueError, match="it holds a Lambda"):
        check_config(json.dumps(entry))


# Configs of layers, and nodes


def made_layers() -> list[keras.Layer]:
    arguments = {
        "MaxPooling": {"pool_size": 3, "padding": 1},
        "AdaptiveMaxPooling": {"output_size": 2},
        "FractionalMaxPooling": {"pooling_ratio": 1.5},
        "GlobalMaxPooling": {},
        "MaxUnpooling": {"output_size": 4},
    }
    return [getattr(km, f"{k}{r}D")(**named) for k, named in arguments.items() for r in (1, 2, 3)]


def deserialized(name: str, entry: Any) -> Any:
    """What Keras makes of it, or None where it is refused as it should be."""
    try:
        return keras.saving.deserialize_keras_object(copy.deepcopy(entry))
    except (ValueError, TypeError):
        return None
    except Exception as error:
        pytest.fail(f"{name}: {error!r}")


@pytest.mark.parametrize("layer", made_layers(), ids=lambda layer: type(layer).__name__)
def test_edited_configs(layer: keras.Layer) -> None:
    """A layer that knows itself, or a ValueError or TypeError."""
    rng = random.Random(7)
    entry = keras.saving.serialize_keras_object(layer)
    refused = 0
    for name, changed in hostile.edited(entry, 40, rng):
        found = deserialized(name, changed)
        refused += found is None
        if isinstance(found, keras.Layer):
            assert type(found).from_config(found.get_config()).get_config() == found.get_config()
    assert refused > 10


@pytest.mark.parametrize("size", [2**31, 2**40, 10**30])
@pytest.mark.parametrize(
    ("kind", "argument"),
    [
        *(("MaxPooling2D", name) for name in ("pool_size", "strides", "dilation_rate", "padding")),
        ("AdaptiveMaxPooling2D", "output_size"),
        ("FractionalMaxPooling2D", "pooling_ratio"),
        ("FractionalMaxPooling2D", "seed"),
        ("MaxUnpooling2D", "output_size"),
    ],
)
def test_huge_numbers_in_a_config(kind: str, argument: str, size: int) -> None:
    layer = next(layer for layer in made_layers() if type(layer).__name__ == kind)
    config = layer.get_config() | {argument: size}
    with pytest.raises(ValueError, match=f"`{argument}`"):
        type(layer).from_config(config)


@pytest.mark.parametrize(
    "dtype", [{"class_name": "x", "config": {}}, {"class_name": 1, "config": {}}]
)
def test_a_dtype_that_is_none(dtype: Any) -> None:
    config = km.MaxPooling2D(2).get_config() | {"dtype": dtype}
    with pytest.raises((ValueError, TypeError), match="dtype"):
        km.MaxPooling2D.from_config(config)


def test_damaged_onnx_nodes() -> None:
    onnx = pytest.importorskip("onnx", reason="needs ONNX: pip install 'keras_maxpool[peers]'")
    from google.protobuf.message import DecodeError

    rng, refused, made = random.Random(9), 0, 0
    make = onnx.helper.make_node
    nodes = [
        make("MaxPool", ["x"], ["y", "i"], kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1]),
        make("MaxPool", ["x"], ["y"], kernel_shape=[3], auto_pad="SAME_LOWER", ceil_mode=1),
        make("MaxUnpool", ["x", "i"], ["y"], kernel_shape=[2, 2], strides=[2, 2]),
        make("GlobalMaxPool", ["x"], ["y"]),
    ]
    for whole in (node.SerializeToString() for node in nodes):
        cuts = hostile.truncated(whole, len(whole) - 1, rng)
        for name, content in (*cuts, *hostile.flipped(whole, 400, rng)):
            node = onnx.NodeProto()
            try:
                node.ParseFromString(content)
            except DecodeError:  # ONNX's own affair
                continue
            try:
                from_onnx(node, rank=None if node.op_type != "GlobalMaxPool" else 2)
                made += 1
            except UnicodeDecodeError as error:
                pytest.fail(f"{name}: {error!r}")
            except (ValueError, TypeError):
                refused += 1
    assert refused > 200
    assert made > 200


def test_nodes_that_are_none() -> None:
    from types import SimpleNamespace as Field

    with pytest.raises(ValueError, match="`node` is a NoneType"):
        from_onnx(None)
    text = Field(name="auto_pad", s=b"\xff")
    pool = Field(name="kernel_shape", ints=[2])
    node = Field(op_type="MaxPool", input=[], output=[], attribute=[pool, text])
    with pytest.raises(ValueError, match=r"`auto_pad` is unknown; received auto_pad='\\\\xff'"):
        from_onnx(node)
    node.attribute = []
    with pytest.raises(ValueError, match="`kernel_shape` is missing"):
        from_onnx(node)
    node.attribute = [Field(name="kernel_shape", ints=[2**40])]
    with pytest.raises(ValueError, match=r"below 2\*\*31"):
        from_onnx(node)


if __name__ == "__main__":
    child(Path(sys.argv[1]), int(sys.argv[2]))
