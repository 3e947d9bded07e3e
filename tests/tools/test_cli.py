import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from harness.install import needs

import keras_maxpool
from keras_maxpool.tools.cli import EXTRAS, main

ROOT = Path(__file__).parents[2]


def child(arguments, tmp_path):
    """Runs Python with its output piped and its temporary files in tmp_path."""
    env = {name: value for name, value in os.environ.items() if name not in COLOUR}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**env, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )


# With one of these set, rich writes control codes into pipes too, as it was asked to.
COLOUR = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")


@pytest.fixture
def demo_extra():
    for module in EXTRAS["demo"]:
        needs(module)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["demo", "parity", "--version"]),
        (["demo", "--help"], ["--epochs", "--seed", "Exit code"]),
        (["convert", "--help"], ["IN", "OUT", "--to", ".keras", ".h5", "Lambda", "Exit code"]),
    ],
)
def test_help(arguments, words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    out, err = capsys.readouterr()
    assert stop.value.code == 0
    assert err == ""
    assert out.startswith("usage: keras-maxpool")
    assert [word for word in words if word not in out] == []


def test_help_imports_no_tool(tmp_path):
    code = """
import sys
import keras_maxpool
before = set(sys.modules)
from keras_maxpool.tools.cli import main
try:
    main(["demo", "--help"])
finally:
    new = {name.partition(".")[0] for name in set(sys.modules) - before}
    print("new:", sorted(new & {"keras", "rich", "sklearn", "tensorflow"}))
"""
    done = child(["-c", code], tmp_path)
    assert done.returncode == 0
    assert done.stdout.endswith("new: []\n")


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"keras-maxpool {keras_maxpool.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "required: COMMAND"),
        (["nope"], "invalid choice: 'nope'"),
        (["demo", "--epochs", "0"], "'0' is not an integer from 1 up"),
        (["demo", "--epochs", "two"], "'two' is not an integer from 1 up"),
        (["demo", "--seed", "-1"], "--seed"),
        (["demo", "--seed", str(2**32)], "is not an integer from 0 to 4294967295"),
        (["convert", "in.pb", "out.keras"], "'in.pb' does not end in .keras, .h5 or .hdf5"),
        (["convert", "in.keras", "out.h5"], "'in.keras' does not exist"),
        (["convert"], "required: IN, OUT"),
        (["convert", "--to", "torch", "in.keras", "out.h5"], "invalid choice: 'torch'"),
    ],
)
def test_wrong_arguments(arguments, complaint, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    out, err = capsys.readouterr()
    assert stop.value.code == 2
    assert out == ""
    assert complaint in err


@pytest.mark.skipif(
    sys.platform == "win32", reason="makes links and pipes: run it on Linux or macOS"
)
@pytest.mark.parametrize(
    ("kind", "arguments", "complaint"),
    [
        ("link", ["report", "odd.keras"], "'odd.keras' does not exist"),
        ("link", ["convert", "odd.keras", "out.keras"], "'odd.keras' does not exist"),
        ("loop", ["report", "odd.keras"], "'odd.keras' cannot be read: Too many levels"),
        ("loop", ["convert", "in.keras", "odd.keras"], "Too many levels of symbolic links"),
        ("folder", ["report", "odd.keras"], "'odd.keras' is not a file"),
        ("folder", ["convert", "in.keras", "odd.keras"], "'odd.keras' is not a file"),
        ("pipe", ["report", "odd.keras"], "'odd.keras' is not a file"),
        ("pipe", ["convert", "in.keras", "odd.keras"], "'odd.keras' is not a file"),
    ],
)
def test_files_that_are_none(kind, arguments, complaint, tmp_path, monkeypatch, capsys):
    """They are refused without a wait, and nothing is made or removed on the way."""
    monkeypatch.chdir(tmp_path)
    Path("in.keras").write_bytes(b"")
    odd = Path("odd.keras")
    make = {
        "link": lambda: odd.symlink_to("nothing.keras"),
        "loop": lambda: odd.symlink_to("odd.keras"),
        "folder": odd.mkdir,
        "pipe": lambda: os.mkfifo(odd),
    }
    make[kind]()
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert complaint in capsys.readouterr().err
    assert sorted(os.listdir()) == ["in.keras", "odd.keras"]
    assert odd.is_symlink() == (kind in ("link", "loop"))


@pytest.mark.skipif(sys.platform == "win32", reason="makes a link: run it on Linux or macOS")
def test_out_is_not_touched_before_it_is_written(tmp_path, monkeypatch, capsys):
    """Another process may have written it since, and a link may lead anywhere."""
    monkeypatch.chdir(tmp_path)
    Path("in.keras").write_bytes(b"no model")
    Path("link.keras").symlink_to("elsewhere.keras")
    for out in ("new.keras", "link.keras"):
        assert main(["convert", "in.keras", out]) == 2
        assert sorted(os.listdir()) == ["in.keras", "link.keras"]
    assert "does not load as a model: it is no zip file" in capsys.readouterr().err


def test_in_is_not_opened_for_writing(tmp_path, monkeypatch, capsys):
    opened = []
    before = Path.open

    def watched(path, mode="r", *rest, **named):
        opened.append((path.name, mode))
        return before(path, mode, *rest, **named)

    (tmp_path / "in.keras").write_bytes(b"no model")
    monkeypatch.setattr(Path, "open", watched)
    assert main(["report", str(tmp_path / "in.keras")]) == 2
    assert {mode for name, mode in opened if name == "in.keras"} <= {"r", "rb"}


@pytest.mark.parametrize(
    ("modules", "packages"),
    [
        (["rich"], "rich"),
        (["sklearn"], "scikit-learn"),
        (["rich", "sklearn"], "rich and scikit-learn"),
    ],
)
def test_missing_extra(modules, packages, monkeypatch, capsys, demo_extra):
    for module in modules:
        # None is how Python marks a module that cannot be imported.
        monkeypatch.setitem(sys.modules, module, None)
    assert main(["demo"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"keras-maxpool: needs {packages}: pip install 'keras_maxpool[demo]'\n"


@pytest.mark.slow
def test_demo_piped(tmp_path, demo_extra):
    done = child(["-m", "keras_maxpool", "demo", "--epochs", "1"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.stdout + done.stderr) is None
    assert done.stdout.count(" equal ") >= 3
    assert "DIFFERENT" not in done.stdout
    assert "test accuracy" in done.stdout
    assert "keras.layers" in done.stderr, "the progress belongs here"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_demo_where_a_layer_is_wrong(tmp_path, demo_extra):
    code = """
import sys
import keras
import keras_maxpool
from keras_maxpool.tools.cli import main
from keras_maxpool.tools import demo
demo.OURS = demo.Spellings("planted", keras.layers.AveragePooling2D, keras_maxpool.MaxPooling2D)
sys.exit(main(["demo", "--epochs", "1"]))
"""
    done = child(["-c", code], tmp_path)
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("DIFFERENT") == 2, "the losses and the predictions, not the reload"
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(
    sys.platform == "win32", reason="sends SIGINT to one process: run it on Linux or macOS"
)
def test_demo_stopped(tmp_path, demo_extra):
    # The fresh process, which runs while the saved model lies on the disk, presses Ctrl-C.
    code = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run in the background
from keras_maxpool.tools.cli import main
from keras_maxpool.tools import demo
demo.RELOAD = "import os, time; os.kill(os.getppid(), {int(signal.SIGINT)}); time.sleep(60)"
sys.exit(main(["demo", "--epochs", "1"]))
"""
    done = child(["-c", code], tmp_path)
    assert done.returncode == 130, done.stderr
    assert done.stdout == ""
    assert done.stderr.endswith("\nkeras-maxpool: stopped\n")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
