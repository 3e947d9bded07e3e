"""keras-maxpool report: a file in, a table on stdout, a page or figures in a file, one clear line for a bad file."""

import json
import os
import re
from pathlib import Path

import keras
import pytest
from harness.commands import check_piped, check_stopped, complaint, interrupt
from tools.models import chain, files

import keras_maxpool as km
from keras_maxpool.tools.cli import main
from keras_maxpool.tools.report import command

layers = keras.layers


@pytest.fixture
def given(tmp_path):
    pool = layers.MaxPooling2D(2, name="[b]odd")
    ours = km.MaxPool2D(3, strides=2, padding=1, name="ours")
    path = tmp_path / "in.keras"
    chain((15, 16, 3), layers.Conv2D(4, 3, name="c"), pool, ours, name="net").save(path)
    return str(path)


def test_table_and_files(given, tmp_path, capsys):
    told, page, h5 = (tmp_path / name for name in ("a.json", "a.html", "in.h5"))
    keras.saving.load_model(given).save(h5)
    assert main(["report", given, "--json", str(told)]) == 0
    assert main(["report", given, "--html", str(page)]) == 0
    assert main(["report", str(h5), "--json", os.devnull]) == 0
    assert not Path(os.devnull).is_file(), "nothing takes the place of a device"
    out, err = capsys.readouterr()
    check_piped(out + err)
    lines = re.findall(r"\[b\]odd +│ 2 x 2 +│ 13 x 14 x 4 +│ 6 x 7 x 4 .* 4 x 4 ", out)
    assert len(lines) == 3
    assert re.search(r"pads 1\+1 x +│|pads 1\+1 x 1\+1", out)
    assert "- [b]odd: cropped edge: no window reaches the last 1 of 13 rows." in out
    assert out.count("findings: 1\n") == 3
    assert f"reading {given}\n" in err
    assert f"wrote {page}\n" in err
    assert [row["layer"] for row in json.loads(told.read_text())["rows"]] == ["[b]odd", "ours"]
    assert page.read_text("utf-8").startswith("<!doctype html>")


def test_no_pooling(tmp_path, capsys):
    chain((3,), layers.Dense(2), name="flat").save(tmp_path / "in.keras")
    assert main(["report", str(tmp_path / "in.keras")]) == 0
    assert capsys.readouterr().out == "flat has no pooling layers\nfindings: 0\n"


def test_a_file_is_whole_or_as_it_was(given, tmp_path, capsys, monkeypatch):
    def half(path, text, **_):
        path.write_bytes(text[: len(text) // 2].encode())
        raise OSError(28, "No space left on device")

    told = tmp_path / "a.json"
    told.write_bytes(b"stays")
    monkeypatch.setattr(Path, "write_text", half)
    line = complaint(["report", given, "--json", str(told)], capsys)
    assert line.endswith("a.json cannot be written: No space left on device")
    assert told.read_bytes() == b"stays"
    assert files(tmp_path) == ["a.json", "in.keras"]


def test_arguments_that_keras_lets_pass(tmp_path, capsys):
    pool = layers.MaxPooling2D(2, padding="same")
    pool.strides = (0.5, 2)  # as an edited config has it
    keras.Sequential([keras.Input((8, 8, 2)), pool]).save(tmp_path / "in.keras")
    line = complaint(["report", str(tmp_path / "in.keras")], capsys)
    assert "in.keras cannot be reported on: `strides` takes integers, not float" in line


def test_stopped(given, tmp_path, capsys, monkeypatch):
    """While the model is followed: no file, and no table."""
    monkeypatch.setattr(command, "report", interrupt)
    check_stopped(["report", given, "--json", str(tmp_path / "a.json")], capsys)
    assert files(tmp_path) == ["in.keras"]
