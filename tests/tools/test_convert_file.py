"""keras-maxpool convert: files in, files out, tables on stdout, one clear line for a bad file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from harness.commands import complaint

import keras_maxpool
from keras_maxpool.tools.cli import main
from keras_maxpool.tools.convert import command as convert_file

layers = keras.layers


def save(path: Path, pool: keras.Layer | None = None, loss: str = "") -> keras.Model:
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [keras.Input((8, 8, 2)), layers.Conv2D(3, 3), pool or layers.MaxPooling2D(2, name="pool")]
    )
    model.compile("adam", loss or keras.losses.MeanSquaredError())
    model.fit(np.ones((2, 8, 8, 2)), np.ones((2, 3, 3, 3)), verbose=0)
    model.save(path)
    return model


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("source", ["in.keras", "in.h5"])
@pytest.mark.parametrize("target", ["out.keras", "out.h5"])
def test_there_and_back(
    source: str, target: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    given, there, back = tmp_path / source, tmp_path / target, tmp_path / f"back_{source}"
    model = save(given)
    there.write_bytes(b"is replaced")
    assert main(["convert", str(given), str(there)]) == 0
    out, err = capsys.readouterr()
    assert re.search(r"pool .* MaxPooling2D .* keras_maxpool", out)
    assert out.endswith("layers swapped: 1\n")
    assert "reading" in err
    assert "writing" in err
    assert main(["convert", str(there), str(back), "--to", "builtin"]) == 0
    x = np.random.default_rng(0).standard_normal((2, 8, 8, 2), np.float32)
    for path, home in ((there, keras_maxpool), (back, layers)):
        loaded = keras.saving.load_model(path)
        assert type(loaded.get_layer("pool")) is home.MaxPooling2D
        np.testing.assert_array_equal(loaded(x), model(x), strict=True)
        assert loaded.compiled
        if given.suffix == there.suffix == ".keras":
            assert int(loaded.optimizer.iterations.numpy()) == 1
    assert files(tmp_path) == sorted([source, target, f"back_{source}"])


def test_layers_that_cannot_go_back(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    given = tmp_path / "in.keras"
    save(given, keras_maxpool.MaxPooling2D(3, strides=2, padding=1, name="wide"))
    assert main(["convert", str(given), str(tmp_path / "out.keras"), "--to", "builtin"]) == 1
    out, err = capsys.readouterr()
    assert "wide" in out
    assert "padding=((1, 1), (1, 1))" in out
    assert err.endswith("out.keras is not written\n")
    assert files(tmp_path) == ["in.keras"]


def test_a_mask_and_a_subclass_are_shown(capsys: pytest.CaptureFixture) -> None:
    done = convert_file.Conversion(
        keras.Sequential(), {"a/[b]": "MaxPooling1D"}, {"own": "Louder is your own"}, ("a/[b]",)
    )
    convert_file.render(done, "keras_maxpool", convert_file.Console(markup=False, width=120))
    out, _ = capsys.readouterr()
    assert re.search(r"a/\[b\].*a mask reaches it: predictions change", out)
    assert re.search(r"own.*stays as it is: Louder is your own", out)


@pytest.mark.parametrize("out", ["in.keras", "link.keras"])
def test_in_is_out(out: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    given = tmp_path / "in.keras"
    given.write_bytes(b"x")
    (tmp_path / "link.keras").symlink_to(given)
    assert "are the same file" in complaint(["convert", str(given), str(tmp_path / out)], capsys)
    assert given.read_bytes() == b"x"


def test_compile_settings_that_do_not_load(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Keras cannot read from .h5 the short names that it writes there."""
    given, target = tmp_path / "in.h5", tmp_path / "out.keras"
    save(given, loss="mse")
    assert main(["convert", str(given), str(target)]) == 0
    assert "compile settings do not load and are left out" in capsys.readouterr().err
    assert not keras.saving.load_model(target).compiled


def test_out_that_would_not_load(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """The mask's operation can be written to .h5 and not read; Keras's own affair, found before OUT is there."""
    inputs = keras.Input((6,), dtype="int32")
    x = layers.LSTM(2, return_sequences=True)(layers.Embedding(5, 2, mask_zero=True)(inputs))
    keras.Model(inputs, layers.MaxPooling1D(2)(x)).save(tmp_path / "in.keras")
    given = str(tmp_path / "in.keras")
    assert "out.h5 cannot be written" in complaint(
        ["convert", given, str(tmp_path / "out.h5")], capsys
    )
    assert main(["convert", given, str(tmp_path / "out.keras")]) == 0
    assert files(tmp_path) == ["in.keras", "out.keras"]


def test_a_mask_that_ends_at_a_pooling_goes_to_h5(tmp_path: Path) -> None:
    """No operation of it is part of the functional model."""
    given, target = tmp_path / "in.keras", tmp_path / "out.h5"
    inputs = keras.Input((4,), dtype="int32")
    embedded = layers.Embedding(9, 1, mask_zero=True)(inputs)
    model = keras.Model(inputs, layers.MaxPooling1D(4)(embedded))
    model.set_weights([-np.arange(9.0)[:, None]])
    model.save(given)
    assert main(["convert", str(given), str(target)]) == 0
    tokens = np.array([[3, 5, 0, 0]])
    assert keras.saving.load_model(target)(tokens).numpy().item() == -3


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT to one process")
def test_piped_and_stopped(tmp_path: Path) -> None:
    """Ctrl-C while OUT is written leaves what was there, and no other file."""
    given, target = tmp_path / "in.keras", tmp_path / "out.keras"
    save(given)
    target.write_bytes(b"stays")
    code = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run in the background
import keras
from keras_maxpool.tools.cli import main
arguments = sys.argv[1:]
assert main(["convert", *arguments[:1], arguments[1] + ".keras"]) == 0
save = keras.Model.save
def stop(self, path):
    save(self, path)
    if "out.keras" in str(path):
        os.kill(os.getpid(), signal.SIGINT)
keras.Model.save = stop
sys.exit(main(["convert", *arguments]))
"""
    env = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "TTY_COMPATIBLE")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(given), str(target)],
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 130, done.stderr
    assert re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.stdout + done.stderr) is None
    assert done.stdout.count("layers swapped: 1") == 1, "that of the command that was not stopped"
    assert done.stderr.endswith("\nkeras-maxpool: stopped\n")
    assert "Traceback" not in done.stderr
    assert target.read_bytes() == b"stays"
    assert files(tmp_path) == ["in.keras", "out.keras", "out.keras.keras"]
