"""Damaged and hostile files: the commands refuse them in one clear line, run nothing, and write nothing."""

import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from robustness import hostile
from robustness.every_family import every_family
from robustness.hostile import HARMS

import keras_maxpool as km
from keras_maxpool.tools import limits
from keras_maxpool.tools.cli import main
from keras_maxpool.tools.file_check import check

COMMANDS = (
    ["report", "IN"],
    ["report", "IN", "--json", "out.json"],
    ["report", "IN", "--html", "out.html"],
    ["convert", "IN", "out.keras"],
    ["convert", "IN", "out.h5", "--to", "builtin"],
)
CONVERT, TO_BUILTIN = COMMANDS[-2:]
"""Gives 1 for a model with layers that no built-in one can take the place of."""

# Where in the arguments of Python's audit events the path stands that is written to.
PATHS = {"open": 0, "os.rename": 1, "os.mkdir": 0, "os.link": 1, "os.symlink": 1, "os.truncate": 0}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
PROGRAMS = [
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "subprocess.Popen",
    "socket.connect",
]

# What Keras warns of, and our commands, is that the files are damaged.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
layers = keras.layers


class Watch:
    """Notes what Python opens for writing, makes, moves or runs while it is on; HDF5's own writing it cannot see."""

    on = False

    def __init__(self) -> None:
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in PROGRAMS:
            self.ran.append(f"{event}{arguments!r}")
        path = arguments[PATHS[event]] if event in PATHS else None
        writes = event != "open" or arguments[2] & WRITING
        if isinstance(path, (str, bytes, os.PathLike)) and writes:
            self.written.add(Path(os.path.realpath(os.fsdecode(path))))

    def __enter__(self) -> None:
        self.written: set[Path] = set()
        self.ran: list[str] = []
        self.on = True

    def __exit__(self, *_: object) -> None:
        self.on = False


WATCH = Watch()
Run = Callable[[bytes, str, list[str]], tuple[int, list[str]]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Run:
    """Runs a command on a file of that content and suffix, in a folder with secrets and a module that leaves a trace.

    It does no harm, takes no time to speak of, and what it refuses, it refuses in one line. Gives the exit code and
    the lines that it wrote to stderr.
    """
    work, files, temporary = (tmp_path / name for name in ("current", "files", "temporary"))
    for folder in (work, files, temporary):
        folder.mkdir()
    monkeypatch.chdir(work)  # where Python finds the module
    monkeypatch.syspath_prepend(str(work))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("HOME", str(work))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    # What asks for all memory takes a second; what Keras 3.7 looks for without end half a minute.
    monkeypatch.setattr(limits, "SPARE_BYTES", 2**29)
    monkeypatch.setattr(limits, "SPARE_SECONDS", 30.0)
    trace = "open('trace', 'w').close()"
    harm = f"{trace}\nclass Harm: pass\ndef harm(): {trace}"
    (work / f"{hostile.MODULE}.py").write_text(harm)
    (work / "secret.txt").write_text("secret")
    (work / "secret.bin").write_bytes(bytes(216))
    with h5py.File(work / "secret.h5", "w") as secret:
        secret["x"] = np.zeros((3, 3, 2, 3), "float32")

    def run(content: bytes, suffix: str, command: list[str]) -> tuple[int, list[str]]:
        file = files / f"in{suffix}"
        file.write_bytes(content)
        before, begun = snapshot(work), time.perf_counter()
        arguments = [str(file) if one == "IN" else one for one in command]
        arguments = [str(files / one) if one.startswith("out.") else one for one in arguments]
        capsys.readouterr()
        with WATCH:
            code = main(arguments)
        out, err = capsys.readouterr()
        assert time.perf_counter() - begun < 150  # on a machine with other work
        assert WATCH.ran == []
        allowed = (files, temporary, Path(os.devnull))
        assert all(any(path.is_relative_to(one) for one in allowed) for path in WATCH.written)
        assert snapshot(work) == before
        made = [path for path in files.iterdir() if path != file]
        assert [str(path) for path in made] == [a for a in arguments if "/out." in a and code == 0]
        for path in made:
            path.unlink()
        if code == 2:
            assert out == ""
            check_refusal(file, err.splitlines())
        return code, err.splitlines()

    return run


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """All files below, with their sizes and times."""
    files = (path for path in folder.rglob("*") if not path.is_dir())
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def check_refusal(file: Path, lines: list[str]) -> None:
    """One line, the last one, that names the file and says in words what is wrong with it."""
    line = lines[-1]
    assert [one for one in lines if one.startswith("keras-maxpool: ")] == [line]
    assert not re.search(r"Traceback|[\x00-\x1f\x7f]", line), line
    name, target = re.escape(str(file)), r"\S+/out\.\w+ cannot be written"
    loads = rf"{name} (?:does not load as a model|cannot be \w+(?: on)?)"
    said = re.fullmatch(
        rf"keras-maxpool: (?:(?:{loads}|{target}): (.+)|{name} (holds a \w+, and no model))", line
    )
    assert said, line
    words = said[1] or said[2]
    assert len(words.split()) >= 3, line
    assert not re.match(r"\w*(Error|Exception|Exit|Interrupt)\b", words), line


@pytest.mark.parametrize("count", [4, pytest.param(100, marks=pytest.mark.fuzz)])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_damaged_files(suffix: str, count: int, run: Run) -> None:
    """The sound file passes. A change may do no harm; then a command does its work, or finds what it cannot convert."""
    keras.utils.set_random_seed(3)
    model, codes = every_family((12, 12, 2)), Counter[int]()
    model.compile("adam", keras.losses.MeanSquaredError(), metrics=["mae"])
    model.fit(np.ones((2, 12, 12, 2)), np.ones((2, 1)), verbose=0)
    sound = hostile.in_file(model, suffix)
    for command in COMMANDS:
        assert run(sound, suffix, command)[0] == (command == TO_BUILTIN)
    for number, content in enumerate(hostile.damaged(sound, count, seed=count)):
        codes[run(content, suffix, COMMANDS[number % len(COMMANDS)])[0]] += 1
    assert codes.keys() <= {0, 1, 2}
    assert codes[2] > sum(codes.values()) / 3, codes
    assert codes[0] > 1, codes


@pytest.mark.parametrize("name", HARMS)
def test_hostile_files(name: str, run: Run) -> None:
    content = HARMS[name].content()
    commands = [command for command in COMMANDS if command != TO_BUILTIN or "pool_size" not in name]
    # Those that use up the memory take their time; TensorFlow waits ten seconds for more.
    for command in [CONVERT] if HARMS[name].said == hostile.MEMORY else commands:
        code, lines = run(content, HARMS[name].suffix, command)
        assert code == 2
        assert HARMS[name].said in lines[-1]


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_harm_in_the_compile_settings(suffix: str, run: Run) -> None:
    """A loss of anybody's own looks like one of a hostile module: neither is looked for, and the model is read."""
    content = hostile.a_loss(hostile.sound(suffix))
    for command in COMMANDS:
        code, lines = run(content, suffix, command)
        assert code == 0
        named = sum(f"it names {hostile.MODULE}.Harm" in line for line in lines)
        assert named == (command[0] == "convert")


def test_vast_sizes_in_our_layers(run: Run) -> None:
    """They load, and nobody makes what they would give."""
    content = hostile.in_file(hostile.vast())
    for command in COMMANDS:
        assert run(content, ".keras", command)[0] == (command == TO_BUILTIN)


def test_what_keras_writes_passes(tmp_path: Path) -> None:
    """Functions, schedules, regularizers, policies, vocabularies and operations; and the files of old releases."""
    text = layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=4)
    words = keras.Input((1,), dtype="string")
    x = layers.Embedding(4, 3, embeddings_regularizer="l2")(text(words))
    x = layers.Dense(3, activation=keras.activations.gelu, dtype="mixed_bfloat16")(x)
    x = layers.Bidirectional(layers.LSTM(2, return_sequences=True))(keras.ops.relu(x) + 1)
    x = layers.TimeDistributed(layers.Dense(2, kernel_constraint=keras.constraints.MaxNorm(2)))(x)
    model = keras.Model(words, layers.Activation(keras.ops.tanh)(km.MaxPool1D(2)(x)))
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    metrics = [keras.metrics.mean_absolute_error, "mse", keras.metrics.AUC()]
    model.compile(keras.optimizers.Adam(schedule), keras.losses.mean_squared_error, metrics=metrics)
    files = [tmp_path / f"m{suffix}" for suffix in (".keras", ".h5")]
    for file in files:
        model.save(file)
    for file in (*files, *Path(__file__, "../../golden").resolve().glob("golden_[!k]*.[kh]*")):
        check(file)
