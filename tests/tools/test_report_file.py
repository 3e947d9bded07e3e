"""keras-maxpool report: a file in, a table on stdout, a page or figures in a file, one clear line for a bad file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest
from harness.commands import complaint

import keras_maxpool as km
from keras_maxpool.tools.cli import main

layers = keras.layers


def save(path: Path) -> Path:
    keras.Sequential(
        [
            keras.Input((15, 16, 3)),
            layers.Conv2D(4, 3, name="c"),
            layers.MaxPooling2D(2, name="[b]odd"),
            km.MaxPool2D(3, strides=2, padding=1, name="ours"),
        ],
        name="net",
    ).save(path)
    return path


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_table_and_findings(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(save(tmp_path / f"in{suffix}"))]) == 0
    out, err = capsys.readouterr()
    assert re.search(r"\[b\]odd +│ 2 x 2 +│ 13 x 14 x 4 +│ 6 x 7 x 4 .* 4 x 4 ", out)
    assert re.search(r"pads 1\+1 x +│|pads 1\+1 x 1\+1", out)
    assert "- [b]odd: cropped edge: no window reaches the last 1 of 13 rows." in out
    assert "findings: 1\n" in out
    assert "reading" in err


def test_json_and_html(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given, told, page = save(tmp_path / "in.keras"), tmp_path / "a.json", tmp_path / "a.html"
    assert main(["report", str(given), "--json", str(told)]) == 0
    assert main(["report", str(given), "--html", str(page)]) == 0
    out, err = capsys.readouterr()
    assert out.count("findings: 1\n") == 2
    assert err.endswith(f"wrote {page}\n")
    assert [row["layer"] for row in json.loads(told.read_text())["rows"]] == ["[b]odd", "ours"]
    assert page.read_text("utf-8").startswith("<!doctype html>")


def test_no_pooling(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keras.Sequential([keras.Input((3,)), layers.Dense(2)], name="flat").save(tmp_path / "in.keras")
    assert main(["report", str(tmp_path / "in.keras")]) == 0
    assert capsys.readouterr().out == "flat has no pooling layers\nfindings: 0\n"


def test_the_model_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = save(tmp_path / "in.keras")
    before = given.read_bytes()
    assert "name another one" in complaint(["report", str(given), "--html", str(given)], capsys)
    assert given.read_bytes() == before


def test_a_file_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    given = save(tmp_path / "in.keras")
    monkeypatch.setattr(Path, "write_text", full)
    line = complaint(["report", str(given), "--json", str(tmp_path / "a.json")], capsys)
    assert line.endswith("a.json cannot be written: No space left on device")


def test_a_file_is_whole_or_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(path: Path, text: str, **_: object) -> None:
        path.write_bytes(text[: len(text) // 2].encode())
        raise OSError(28, "No space left on device")

    given, told = save(tmp_path / "in.keras"), tmp_path / "a.json"
    told.write_bytes(b"stays")
    monkeypatch.setattr(Path, "write_text", half)
    complaint(["report", str(given), "--json", str(told)], capsys)
    assert told.read_bytes() == b"stays"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "in.keras"]


def test_arguments_that_keras_lets_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pool = layers.MaxPooling2D(2, padding="same")
    pool.strides = (0.5, 2)  # as an edited config has it
    keras.Sequential([keras.Input((8, 8, 2)), pool]).save(tmp_path / "in.keras")
    line = complaint(["report", str(tmp_path / "in.keras")], capsys)
    assert "in.keras cannot be reported on: `strides` takes integers, not float" in line


def test_to_what_is_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing takes the place of a device."""
    assert main(["report", str(save(tmp_path / "in.keras")), "--json", os.devnull]) == 0
    assert not Path(os.devnull).is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required: MODEL"),
        (["none.keras"], "'none.keras' does not exist"),
        (["in.pb"], "does not end in .keras, .h5 or .hdf5"),
        ([__file__], "does not end in .keras, .h5 or .hdf5"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["report", *arguments])
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_html_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = save(tmp_path / "in.keras")
    with pytest.raises(SystemExit):
        main(["report", str(given), "--html", "a", "--json", "b"])
    assert "not allowed with" in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["report", "--help"])
    words = ("MODEL", "--html", "--json", ".h5", "receptive", "Lambda", "Exit code")
    out, _ = capsys.readouterr()
    assert [word for word in words if word not in " ".join(out.split())] == []


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT to one process")
def test_piped_and_stopped(tmp_path: Path) -> None:
    """Ctrl-C while the model is followed leaves no file, and no table."""
    given = save(tmp_path / "in.keras")
    code = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run in the background
from keras_maxpool.tools.cli import main
arguments = sys.argv[1:]
assert main(arguments[:2]) == 0
from keras_maxpool.tools.report import command as report_file
report_file.report = lambda model: os.kill(os.getpid(), signal.SIGINT)
sys.exit(main(arguments))
"""
    env = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "TTY_COMPATIBLE")}
    done = subprocess.run(
        [sys.executable, "-c", code, "report", str(given), "--json", str(tmp_path / "a.json")],
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 130, done.stderr
    assert re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.stdout + done.stderr) is None
    assert done.stdout.count("findings: 1") == 1, "that of the command that was not stopped"
    assert done.stderr.endswith("\nkeras-maxpool: stopped\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.keras"]
