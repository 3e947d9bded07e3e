"""The command line: help, what is refused, missing extras; and the bounds of work on a file."""

import logging
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from harness.commands import complaint
from harness.install import needs
from harness.processes import child_path
from tools.models import tokens

import keras_maxpool
from keras_maxpool.tools import limits
from keras_maxpool.tools.cli import main
from keras_maxpool.tools.commands import NEEDED
from keras_maxpool.tools.limits import limited_by_size
from keras_maxpool.tools.quiet import quiet

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX alone: run it on Linux or macOS")
linux = pytest.mark.skipif(
    sys.platform != "linux", reason="Linux alone has the limit: run it there"
)


@pytest.fixture
def script(tmp_path):
    """Runs the script that pip installs, in a folder of its own."""
    project = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())
    module, _, function = project["project"]["scripts"]["keras-maxpool"].partition(":")
    path = tmp_path / "keras-maxpool"
    path.write_text(f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n")

    def run(command, *python):
        words = [sys.executable, *(python or [str(path)]), *command.split()]
        environment = {**os.environ, "PYTHONPATH": child_path()}
        environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr

    return run


def test_help_and_version_import_no_keras(monkeypatch, script):
    """A command's help ends with its exit codes."""
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    words = ["--version", "--help", *(f"{name} --help" for name in (*EXAMPLES, "explain"))]
    for command, *python in (*zip(words), ("--version", "-m", "keras_maxpool")):
        out, imports = script(command, *python)
        if "--help" in command:
            assert out.startswith("usage: keras-maxpool")
            assert ("explain  " if command == "--help" else "Exit code") in out
        else:
            assert out == f"keras-maxpool {keras_maxpool.__version__}\n"
        assert re.search(r"\| +argparse$", imports, re.M), "the listing is there"
        assert not re.findall(r"\| +(?:keras|tensorflow|numpy|rich)$", imports, re.M), command


BAR = r"━+ \d+/\d+ +\d:\d\d:\d\d *"
STAGES = "keras_maxpool  ", "keras.layers   ", "save and reload"
EXAMPLES = {
    "demo": ("--epochs 1", "".join(rf"{stage} {BAR}\n" for stage in STAGES)),
    "bench": ("--quick --cases 8x8x8x8 --modes xla --directions gradient", rf"{BAR}\n"),
    "parity": ("--quick", rf"{BAR}\n"),
    "convert": (
        "in.h5 out.h5",
        "reading in.h5\nconverting net\nnote: The state of the optimizer of 'net' starts from zero: .*\n"
        "writing out.h5\nnote: Keras reads no optimizer's state from out.h5: .*\n",
    ),
    "report": ("in.h5", "reading in.h5\nfollowing net\n"),
}
"""Of each command: its arguments, and the pattern of its stderr."""


# Keras warns of the mask here, too.
@pytest.mark.filterwarnings("ignore:.*mask")
@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("demo", "bench", "parity")),
        *("convert", "report"),
    ],
)
def test_stderr_holds_the_commands_own_progress_alone(name, script, tmp_path):
    for module in NEEDED.get(name, {}):
        needs(module)
    arguments, wanted = EXAMPLES[name]
    if " in.h5" in f" {arguments}":
        model = tokens(keras.layers.MaxPooling1D(2), keras.layers.Flatten(), name="net")
        model.compile("adam", keras.losses.MeanSquaredError())
        model.fit(np.zeros((2, 6)), np.zeros((2, 6)), verbose=0)
        model.save(tmp_path / "in.h5")
    out, err = script(f"{name} {arguments}")
    assert re.fullmatch(wanted, err), err
    assert out


def test_warnings_are_said_in_one_line(capsys):
    with quiet():
        for said in ("one\nand two", "Skipping variable loading for optimizer 'adam', because it"):
            warnings.warn(said, UserWarning, stacklevel=1)
        assert not tf.get_logger().isEnabledFor(logging.WARNING), "it would warn of retracing"
    state = "The optimizer's state in the file does not fit its optimizer; it starts from zero."
    assert capsys.readouterr() == ("", f"note: one and two\nnote: {state}\n")
    with pytest.warns(UserWarning, match="later"):
        warnings.warn("later", UserWarning, stacklevel=1)
    assert tf.get_logger().isEnabledFor(logging.WARNING)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "required: COMMAND"),
        ("nope", "invalid choice: 'nope'"),
        ("demo --seed x", "'x' is not an integer from 0 to 4294967295"),
        (f"demo --seed {2**32}", "is not an integer from 0 to 4294967295"),
        ("demo --epochs 0", "'0' is not an integer from 1 up"),
        ("bench --cases (", "'(' is no regular expression"),
        ("bench --modes fast", "invalid choice: 'fast'"),
        ("bench --json no/such/folder/x.json", "is not a file in a folder that exists"),
        ("bench --plot picture.jpg", "'picture.jpg' does not end in .png"),
        ("bench --cases no_such_case", "keras-maxpool: no case matches"),
        ("bench --modes eager jit", "--modes jit: Keras runs on TensorFlow, whose modes are eager"),
        ("bench --kernels --networks", "--kernels does not go with --networks: leave one out"),
        (f"parity --json {'x' * 300}", "cannot be written: File name too long"),
        ("parity --junit .", "'.' is not a file"),
        ("parity --junit x --json ./x", "--junit and --json are the same file, x: name two"),
        ("convert", "required: IN, OUT"),
        ("convert in.pb out.keras", "'in.pb' does not end in .keras, .h5 or .hdf5"),
        ("convert none.keras out.h5", "'none.keras' does not exist"),
        ("convert in.keras out.pb", "'out.pb' does not end in .keras, .h5 or .hdf5"),
        ("report in.keras --html a --json ./a", "--html and --json are the same file, a: name two"),
        ("report in.keras --html in.keras", "are the same, in.keras: name another one"),
        ("report link.keras --json in.keras", "are the same, in.keras: name another one"),
        ("convert in.keras link.keras", "are the same file, in.keras: name another one"),
        ("report dangling.keras", "'dangling.keras' does not exist"),
        ("report loop.keras", "'loop.keras' cannot be read: Too many levels"),
        ("convert in.keras loop.keras", "Too many levels of symbolic links"),
        ("convert in.keras folder.keras", "'folder.keras' is not a file"),
        ("report pipe.keras", "'pipe.keras' is not a file"),
        ("convert in.keras pipe.keras", "'pipe.keras' is not a file"),
        # Files that are opened at last: OUT may have been written by another process, and a link may lead anywhere.
        ("convert in.keras new.keras", "does not load as a model: it is no zip file"),
        ("convert in.keras dangling.keras", "does not load as a model: it is no zip file"),
    ],
)
@posix
def test_refused(arguments, said, tmp_path, monkeypatch, capsys):
    """Without a wait; nothing is made, removed, or opened for writing on the way."""
    monkeypatch.chdir(tmp_path)
    Path("in.keras").write_bytes(b"no model")
    for name, to in (("link", "in"), ("dangling", "nothing"), ("loop", "loop")):
        Path(f"{name}.keras").symlink_to(f"{to}.keras")
    Path("folder.keras").mkdir()
    os.mkfifo("pipe.keras")
    before = {path: path.is_symlink() for path in tmp_path.iterdir()}
    opened, real = [], Path.open

    def watched(path, mode="r", *rest, **named):
        opened.append(mode)
        return real(path, mode, *rest, **named)

    monkeypatch.setattr(Path, "open", watched)
    if arguments.startswith("bench"):
        for module in NEEDED["bench"]:
            needs(module)
    assert said in complaint(arguments.split(), capsys)
    assert {path: path.is_symlink() for path in tmp_path.iterdir()} == before
    assert set(opened) <= {"r", "rb"}
    monkeypatch.undo()
    assert (tmp_path / "in.keras").read_bytes() == b"no model"


def test_missing_extra(monkeypatch, capsys):
    for command, modules, packages in (
        *(("demo", ["rich"], "rich"), ("demo", ["rich", "sklearn"], "rich and scikit-learn")),
        *(("bench", ["rich"], "rich"), ("bench", ["matplotlib"], "matplotlib")),
    ):
        for module in NEEDED[command]:
            needs(module)
        with monkeypatch.context() as patch:
            for module in modules:
                # None is how Python marks a module that cannot be imported.
                patch.setitem(sys.modules, module, None)
            assert main([command]) == 2
        line = f"keras-maxpool: needs {packages}: pip install {packages.replace(' and', '')}\n"
        assert capsys.readouterr() == ("", line)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "in.keras"
    path.write_bytes(bytes(1000))
    return path


@linux
def test_memory(file, monkeypatch):
    import resource

    def limit():
        return resource.getrlimit(resource.RLIMIT_DATA)

    with monkeypatch.context() as patch:
        patch.setattr(limits, "SPARE_BYTES", 2**28)
        before = limit()
        with limited_by_size(file):
            inside = limit()[0]
            with pytest.raises(MemoryError):
                bytes(2**29)
            assert len(bytes(2**27)) == 2**27
            with limited_by_size(file):
                assert limit()[0] <= inside, "a lower one stays"
        assert limit() == before
    found = []
    for size in (1000, 2**30):
        with file.open("r+b") as opened:
            opened.truncate(size)  # a hole
        with limited_by_size(file):
            found.append(limit()[0])
    assert found[1] - found[0] > 15 * 2**30, "a larger file may take more"


@posix
def test_time(file, monkeypatch):
    monkeypatch.setattr(limits, "SPARE_SECONDS", 0.2)
    before = signal.getsignal(signal.SIGALRM)
    late = pytest.raises(TimeoutError, match="more than 0 seconds, longer than any valid file")
    with late, limited_by_size(file):
        time.sleep(30)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_in_another_thread_and_without_a_file(tmp_path):
    def work():
        with limited_by_size(tmp_path / "none.keras"):
            return True

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result()
