"""Damaged and hostile files: the commands refuse them in one clear line, run nothing, and write nothing.

What is done with them is done in child processes, hostile_child.py, as such a file might end them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import keras
import pytest
from harness.commands import complaint
from harness.processes import child_path
from robustness import hostile_child, hostile_files

import keras_maxpool as km
from keras_maxpool.tools import limits
from keras_maxpool.tools.file_check import check

DAMAGES = int(os.environ.get("KERAS_MAXPOOL_DAMAGES", "3"))
"""Damaged files of each kind and model."""

MANY_DAMAGES = 60
"""Those with `pytest -m fuzz`."""

SECONDS, MEGABYTES = 150, 1500
"""What any one command may take on a machine with other work, and what all may use beside a sound file's memory."""

layers = keras.layers
linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the limit is Linux's: run it there"
)

Told = list[dict[str, Any]]
"""What each command did, as hostile_child.run has it."""


def in_child(folder: Path, job: str, count: int = 1) -> Told:
    for name in ("files", "home", "temporary", "work"):
        (folder / name).mkdir()
    done = subprocess.run(
        [sys.executable, hostile_child.__file__, job, str(folder), str(count)],
        capture_output=True,
        text=True,
        timeout=600 + 60 * count,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": child_path(),
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "temporary"),
        },
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.returncode == 0, (lines[-1:], done.stderr[-3000:])
    assert list((folder / "temporary").iterdir()) == []
    return lines


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return in_child(tmp_path_factory.mktemp("hostile"), "all", DAMAGES)


def of(told: Told, kind: str) -> Told:
    return [one for one in told if one["name"].startswith(kind)]


# What the commands do


def check_harmless(told: Told, megabytes: float = MEGABYTES) -> None:
    """No traceback, no code run, no file but a whole one where it belongs, no time and no memory to speak of."""
    for one in told:
        assert not one["raised"], one
        assert not one["trace"], one
        assert one["ran"] == [], one
        assert one["elsewhere"] == [], one
        assert one["changed"] == [], one
        target = [arg for arg in hostile_child.COMMANDS.get(one["command"], ()) if "out." in arg]
        assert one["made"] == (target if one["code"] == 0 else []), one
        assert one["seconds"] < SECONDS, one
    assert told[-1]["megabytes"] - told[0]["megabytes"] < megabytes


def check_refusal(one: dict[str, Any]) -> None:
    """One line, the last one, that names the file and says in words what is wrong with it."""
    assert one["code"] == 2, one
    assert one["out"] == "", one
    lines = [line for line in one["err"] if line.startswith("keras-maxpool: ")]
    assert lines == one["err"][-1:], one
    assert not re.search(r"Traceback|[\x00-\x1f\x7f]", lines[0]), one
    file = re.escape(one["file"])
    target = r"\S+/out\.\w+ cannot be written"
    said = re.fullmatch(
        rf"keras-maxpool: (?:{file} (?:does not load as a model|cannot be \w+(?: on)?)|{target}): (.+)",
        lines[0],
    ) or re.fullmatch(rf"keras-maxpool: {file} (holds a \w+, and no model)", lines[0])
    assert said, one
    assert len(said[1].split()) >= 3, one
    assert not re.match(r"\w*(Error|Exception|Exit|Interrupt)\b", said[1]), one


def check_damaged(told: Told) -> Counter[int]:
    """A change may do no harm; then the command does its work, or finds what it cannot convert."""
    check_harmless(told)
    for one in told:
        assert one["code"] in (0, 1, 2), one
        if one["command"] == hostile_child.LOAD:
            for line in one["err"]:
                # Keras's own words are its own affair.
                if line.startswith("ours: "):
                    assert re.search(r"`\w+`|does not know the argument", line), one
        elif one["code"] == 2:
            check_refusal(one)
    return Counter(one["code"] for one in told)


def test_sound_files_pass(told: Told) -> None:
    sound = of(told, "sound")
    assert {one["command"] for one in sound} == {*hostile_child.COMMANDS, hostile_child.LOAD}
    assert {one["code"] for one in sound} == {0}


def test_damaged_files(told: Told) -> None:
    codes = check_damaged(of(told, "damaged"))
    assert codes[2] > sum(codes.values()) / 2, codes
    assert codes[0] > 5, codes


@pytest.mark.fuzz
def test_damaged_files_at_length(tmp_path: Path) -> None:
    print(check_damaged(of(in_child(tmp_path, "damaged", MANY_DAMAGES), "damaged")))


def test_hostile_files(told: Told) -> None:
    harms = of(told, "harm: ")
    check_harmless(harms)
    for one in harms:
        check_refusal(one)
        assert hostile_files.HARMS[one["name"][6:]].said in one["err"][-1], one
    assert {one["name"][6:] for one in harms} == set(hostile_files.HARMS)
    assert {one["command"] for one in harms} == set(hostile_child.COMMANDS)


def test_harm_in_the_compile_settings(told: Told) -> None:
    """A loss of anybody's own looks like one of a hostile module: neither is looked for, and the model is read."""
    left = of(told, "left behind: ")
    check_harmless(left)
    for one in left:
        assert one["code"] == 0, one
        said = hostile_files.LEFT_BEHIND[one["name"][13:]].said
        noted = [line for line in one["err"] if said in line]
        assert len(noted) == one["command"].startswith("convert"), one
    assert len(left) == len(hostile_files.LEFT_BEHIND) * len(hostile_child.COMMANDS)


def test_vast_sizes_in_our_layers(told: Told) -> None:
    """They load, and nobody makes what they would give."""
    vast = of(told, "vast: ")
    check_harmless(vast)
    for one in vast:
        # Most have no equal among the built-in layers.
        assert one["code"] == 0 or (one["command"], one["code"]) == ("convert --to builtin", 1), one
    assert len(vast) == len(hostile_files.VAST) * (len(hostile_child.COMMANDS) + 1)
    assert vast[-1]["megabytes"] - vast[0]["megabytes"] < 300


@linux
@pytest.mark.slow
def test_the_bounds_that_users_have(tmp_path: Path) -> None:
    ours, harm = told = in_child(tmp_path, "greedy")
    check_harmless(told, 2000 + limits.SPARE_BYTES / 2**20)
    assert ours["code"] == 0
    check_refusal(harm)
    assert hostile_files.HARMS[harm["name"][6:]].said in harm["err"][-1]
    assert harm["megabytes"] > 2000, "the bound was met, and is not a lower one"


@linux
def test_a_file_that_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(limits, "SPARE_SECONDS", 1.0)
    file = tmp_path / "in.keras"
    file.write_bytes(hostile_files.thresholds(tmp_path))
    line = complaint(["convert", str(file), str(tmp_path / "out.keras")], capsys)
    assert "it takes more than" in line
    time.sleep(1.5)  # the alarm is off


# What is let through


@pytest.mark.parametrize(
    "file", sorted(Path(__file__, "../../golden").resolve().glob("golden_[!k]*.[kh]*"))
)
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
