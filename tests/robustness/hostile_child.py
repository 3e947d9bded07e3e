"""What the commands, and Keras's own loading, do with damaged and hostile files: a line of JSON for each.

A process of its own, as such a file might end it: `python hostile_child.py JOB FOLDER COUNT`, where JOB is all,
damaged or greedy.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from robustness import hostile, hostile_files

import keras_maxpool as km
from keras_maxpool.tools import limits
from keras_maxpool.tools.cli import main

COMMANDS: dict[str, list[str]] = {
    "report": ["report", "IN"],
    "report --json": ["report", "IN", "--json", "out.json"],
    "report --html": ["report", "IN", "--html", "out.html"],
    "convert": ["convert", "IN", "out.keras"],
    "convert --to builtin": ["convert", "IN", "out.h5", "--to", "builtin"],
}
LOAD = "load"

OF_TENSORFLOW = "__autograph_generated_file"
"""Temporary files that TensorFlow removes as the process ends."""

PATHS = {"os.rename": 1, "os.mkdir": 0, "os.link": 1, "os.symlink": 1, "os.truncate": 0}
"""Where in the arguments of Python's audit events the path stands that is written to."""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
PROGRAMS = (
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "subprocess.Popen",
    "socket.connect",
)

layers = keras.layers


# What is written, and what is run


class Watch:
    """Notes what Python opens for writing, makes, moves or runs while it is on; HDF5's own writing it cannot see."""

    def __init__(self) -> None:
        self.on = False
        self.written: set[str] = set()
        self.ran: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in PROGRAMS:
            self.ran.append(f"{event}{arguments!r}")
        path = arguments[PATHS[event]] if event in PATHS else None
        if event == "open" and arguments[2] & WRITING:
            path = arguments[0]
        if isinstance(path, (str, bytes, os.PathLike)):
            self.written.add(os.path.realpath(os.fsdecode(path)))

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        self.written, self.ran, self.on = set(), [], True
        try:
            yield
        finally:
            self.on = False


def snapshot(*folders: Path) -> dict[str, tuple[int, int]]:
    """All files below, with their sizes and times."""
    files = (path for folder in folders for path in folder.rglob("*") if not path.is_dir())
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


# One command


def load(file: Path) -> int:
    """Keras's own loading, which has no bounds of its own; 2 and a line where that fails."""
    try:
        with limits.limited_by_size(file):
            keras.saving.load_model(file)
    except Exception as error:  # whatever Keras raises
        print(*(f"ours: {one}" for one in raised_by_us(error)), sep="\n", file=sys.stderr)
        return 2
    return 0


def raised_by_us(error: BaseException | None) -> Iterator[str]:
    """The messages of those errors behind this one that the package raised itself."""
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        ours = not isinstance(error, TimeoutError)  # which is that of a bound
        if ours and frames and Path(frames[-1].filename).is_relative_to(Path(km.__file__).parent):
            yield f"{type(error).__name__}: {error}"
        error = error.__cause__ or error.__context__


def run(watch: Watch, name: str, command: str, file: Path, folder: Path) -> dict[str, Any]:
    """One command on one file, whose folder holds nothing else."""
    arguments = [
        str(file) if one == "IN" else str(file.with_name(one)) if one.startswith("out.") else one
        for one in COMMANDS.get(command, ())
    ]
    out, err = io.StringIO(), io.StringIO()
    others = [folder / name for name in ("home", "temporary", "work")]
    before = snapshot(*others)
    begun, code, raised = time.perf_counter(), None, ""
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), watch.watching():
        try:
            code = main(arguments) if arguments else load(file)
        except BaseException:  # whatever it is, it is a failure
            raised = traceback.format_exc()
    seconds = time.perf_counter() - begun
    trace = (folder / "trace").exists()
    (folder / "trace").unlink(missing_ok=True)
    made = sorted(path.name for path in file.parent.iterdir() if path != file)
    for left in made:
        file.with_name(left).unlink()
    return {
        "name": name,
        "command": command,
        "file": str(file),
        "code": code,
        "raised": raised,
        "out": out.getvalue(),
        "err": err.getvalue().splitlines(),
        "seconds": seconds,
        "megabytes": peak_megabytes(),
        "trace": trace,
        "ran": watch.ran,
        "made": made,
        "elsewhere": sorted(
            path
            for path in watch.written
            if not Path(path).is_relative_to(file.parent)
            and not Path(path).is_relative_to(folder / "temporary")
            and path != os.devnull
        ),
        "changed": sorted(
            path
            for path, _ in before.items() ^ snapshot(*others).items()
            if not Path(path).name.startswith(OF_TENSORFLOW)
        ),
    }


def peak_megabytes() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# Sound models


def every_family() -> keras.Model:
    """Every kind of layer of the package, and the built-in one, in a model that was trained."""
    keras.utils.set_random_seed(3)
    x = inputs = keras.Input((12, 12, 2))
    x = layers.Conv2D(3, 3, activation="relu")(x)
    pooled, indices = km.MaxPooling2D(2, return_indices=True)(x)
    x = km.MaxUnpooling2D(2)(pooled, indices, like=x)
    x = layers.BatchNormalization()(layers.MaxPooling2D(2)(x))
    x = km.FractionalMaxPooling2D(1.4, seed=3)(km.AdaptiveMaxPooling2D(4)(x))
    x = km.MaxPool2D(2, strides=1, padding=1, dilation_rate=2, nonfinite="ieee")(x)
    return trained(keras.Model(inputs, layers.Dense(4)(km.GlobalMaxPooling2D()(x)), name="net"))


def with_an_equal() -> keras.Model:
    """Layers that the built-in ones can take the place of."""
    keras.utils.set_random_seed(4)
    stem = [keras.Input((12, 12, 2)), layers.Conv2D(3, 3), km.MaxPooling2D(2), km.MaxPool2D(2)]
    return trained(keras.Sequential([*stem, km.GlobalMaxPooling2D(), layers.Dense(4)], name="net"))


def trained(model: keras.Model) -> keras.Model:
    model.compile("adam", keras.losses.MeanSquaredError(), metrics=["mae"])
    model.fit(np.ones((2, 12, 12, 2)), np.ones((2, 4)), verbose=0)
    return model


# The jobs


def vast(watch: Watch, folder: Path) -> Iterator[dict[str, Any]]:
    """Our own layers with sizes near 2**31, with all commands and Keras's own loading."""
    for name, make in hostile_files.VAST.items():
        harm = hostile_files.Harm(".keras", make, "")
        yield from on_file(watch, folder, f"vast: {name}", harm, [*COMMANDS, LOAD])


def damaged(watch: Watch, folder: Path, count: int) -> Iterator[dict[str, Any]]:
    """Sound files, then damaged ones, each with one of the commands in turn."""
    for make, commands, number in (
        (every_family, [name for name in (*COMMANDS, LOAD) if "builtin" not in name], count),
        (with_an_equal, ["convert --to builtin", LOAD], max(1, count // 2)),
    ):
        model = make()
        for suffix in (".keras", ".h5"):
            sound = folder / f"{make.__name__}{suffix}"
            model.save(sound)
            file = folder / "files" / f"in{suffix}"
            for command in commands:
                file.write_bytes(sound.read_bytes())
                yield run(watch, f"sound {suffix}", command, file, folder)
            for place, (name, content) in enumerate(hostile.damaged(sound, number, seed=number)):
                file.write_bytes(content)
                command = commands[place % len(commands)]
                yield run(watch, f"damaged{suffix}: {name}", command, file, folder)
            file.unlink()


def harms(watch: Watch, folder: Path) -> Iterator[dict[str, Any]]:
    """Files that were made to do harm, each with all commands."""
    for name, harm in hostile_files.HARMS.items():
        commands = list(COMMANDS)
        if name in hostile_files.BUILT_IN:
            commands.remove("convert --to builtin")
        # Those who use up the memory take their time; TensorFlow waits ten seconds for more.
        if name in hostile_files.SLOW:
            commands = [hostile_files.SLOW[name]]
        yield from on_file(watch, folder, f"harm: {name}", harm, commands)
    for name, harm in hostile_files.LEFT_BEHIND.items():
        yield from on_file(watch, folder, f"left behind: {name}", harm, list(COMMANDS))


def greedy(watch: Watch, folder: Path) -> Iterator[dict[str, Any]]:
    """Files that ask for all memory."""
    ours = hostile_files.Harm(".keras", hostile_files.traced(2**28), "")
    yield from on_file(watch, folder, "ours", ours, ["report"])
    name = "a metric of 2**30 numbers"
    yield from on_file(watch, folder, f"harm: {name}", hostile_files.HARMS[name], ["convert"])


def on_file(
    watch: Watch, folder: Path, name: str, harm: hostile_files.Harm, commands: list[str]
) -> Iterator[dict[str, Any]]:
    file = folder / "files" / f"in{harm.suffix}"
    file.write_bytes(harm.make(folder))
    (folder / "trace").unlink(missing_ok=True)  # of a Lambda that ran when its model was made
    for command in commands:
        yield run(watch, name, command, file, folder)
    file.unlink()


def prepare(folder: Path) -> None:
    """A working folder with a module that leaves a trace, and with secrets."""
    work = folder / "work"
    os.chdir(work)  # where Python finds the module
    sys.path.insert(0, str(work))
    sys.dont_write_bytecode = True
    trace = f"open({str(folder / 'trace')!r}, 'w').close()"
    (work / f"{hostile_files.MODULE}.py").write_text(
        f"{trace}\nclass Harm: pass\ndef harm(): {trace}"
    )
    (work / "secret.txt").write_text("secret")
    (work / "secret.bin").write_bytes(bytes(216))
    with h5py.File(work / "secret.h5", "w") as secret:
        secret["x"] = np.zeros((3, 3, 2, 3), "float32")


def jobs(place: Path, job: str, count: int) -> Iterator[dict[str, Any]]:
    """Under the bounds that users have the greedy ones alone."""
    watch = Watch()
    if job == "greedy":
        yield from greedy(watch, place)
        return
    # So that what asks for all memory takes a second, and what Keras 3.7 looks for without end half a minute.
    limits.SPARE_BYTES, limits.SPARE_SECONDS = 2**29, 30.0
    if job == "all":
        yield from vast(watch, place)
    yield from damaged(watch, place, count)
    if job == "all":
        yield from harms(watch, place)


if __name__ == "__main__":
    prepare(Path(sys.argv[2]))
    for told in jobs(Path(sys.argv[2]), sys.argv[1], int(sys.argv[3])):
        print(json.dumps(told), flush=True)
