"""README's code runs, in the order of the page, and returns the values that its comments state."""

import ast
import contextlib
import importlib
import io
import re
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest

import keras_maxpool
from keras_maxpool.tools import parity
from keras_maxpool.tools.cli import command_line

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "README.md").read_text("utf-8")
COMMENT = re.compile(r"  # (.*)$")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Files that README names are read and written here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("my_layers", None)


class MaxPool2d:
    """As `torch.nn.MaxPool2d` keeps its arguments; tests/tools/test_from_torch.py has the original."""

    def __init__(self, kernel_size, stride, padding):
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.dilation, self.return_indices, self.ceil_mode = 1, False, False


def test_code(monkeypatch):
    """A comment beside a print is what is printed, one in brackets a shape without batch."""
    torch = SimpleNamespace(nn=SimpleNamespace(MaxPool2d=MaxPool2d))
    monkeypatch.setitem(sys.modules, "torch", torch)
    names: dict = {}
    stated = 0
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        lines, start = block.splitlines(), 0
        for node in ast.parse(block).body:
            source, start = "\n".join(lines[start : node.end_lineno]).strip(), node.end_lineno
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(source, names)
            comment = COMMENT.search(source.splitlines()[-1])
            said = comment[1] if comment else ""
            if source.startswith("print("):
                assert printed.getvalue() == f"{said}\n"
                stated += 1
            elif said.startswith("("):
                shape = ast.literal_eval(said.partition(")")[0] + ")")
                assert names[ast.unparse(node.targets[0])].shape[1:] == shape
                stated += 1
    assert stated == 3
    assert names["MaxPool2D"] is names["MaxPooling2D"] is keras_maxpool.MaxPooling2D
    assert type(names["model"].get_layer(index=2)) is keras_maxpool.MaxPooling2D
    assert names["stem"].padding == ((1, 1), (1, 1))


def test_parity(folder):
    """The test in the docstring passes for the built-in layer, and fails as it says for a wrong one."""
    (folder / "my_layers.py").write_text("import keras\nMyPool2D = keras.layers.MaxPool2D\n")
    code, shown = re.findall(r"(?:^    .*\n\n?)+", parity.__doc__, re.M)
    names: dict = {}
    exec(textwrap.dedent(code), names)
    names["test_my_pool"]("same")
    names["MyPool2D"] = keras.layers.AveragePooling2D
    words = r"(?s)output differs in mode .*elements differ, first at.*\nTo see it again: import "
    assert re.search(words, shown.replace("gradient", "output").replace("\n    ", "\n"))
    with pytest.raises(AssertionError, match=words):
        names["test_my_pool"]("same")


def test_commands_links_and_modules(folder):
    """Commands parse, files are there, and what `help` is asked for has a docstring."""
    (folder / "model.keras").touch()
    files = {"IN": "model.keras", "MODEL": "model.keras", "OUT": "out.keras", "FILE": "told"}
    found = re.findall(r"`keras-maxpool ([^`]+)`", PAGE)
    found += re.findall(r"keras-maxpool (\w+)", "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.S)))
    assert {text.split()[0] for text in found} == {
        *("demo", "convert", "report", "parity", "bench", "explain"),
    }
    for text in found:
        command_line().parse_args([files.get(word, word) for word in text.split()])
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert (ROOT / target).is_file(), target
    for name in re.findall(r"`help\(([\w.]+)\)`", PAGE):
        module, _, last = name.rpartition(".")
        documented = getattr(importlib.import_module(module), last)
        assert len(documented.__doc__.split()) > 100, name
