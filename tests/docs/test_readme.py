"""README's code runs, in the order of the page, and returns the values that its comments state."""

import ast
import contextlib
import io
import re
import sys
from pathlib import Path

import keras
import pytest
import tensorflow as tf
from harness.install import needs

import keras_maxpool
from keras_maxpool.tools.cli import command_line

PAGE = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
COMMENT = re.compile(r"  # (.*)$")
NUMBER = re.compile(r"-?\d+(\.\d+)?(e-\d+)?")


def section(title):
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def run_section(title, **names):
    """What its Python defines. A comment beside a print is what is printed, one in brackets a shape without batch."""
    for block in blocks(section(title), "python"):
        lines, start = block.splitlines(), 0
        for node in ast.parse(block).body:
            source, start = "\n".join(lines[start : node.end_lineno]).strip(), node.end_lineno
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(source, names)
            comment = COMMENT.search(source.splitlines()[-1])
            said = comment[1] if comment else ""
            if source.startswith("print("):
                assert printed.getvalue() == f"{said}\n"
            elif said.startswith("("):
                stated = ast.literal_eval(said.partition(")")[0] + ")")
                assert names[ast.unparse(node.targets[0])].shape[1:] == stated
    return names


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Files that README names are read and written here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("my_layers", None)


def test_every_section_with_python_is_run():
    """That of quantization is run where Keras 2 is: tests/layers/test_legacy_keras.py."""
    titles = re.findall(r"^## (.*)$", PAGE, re.M)
    found = [title for title in titles if "```python" in section(title)]
    wanted = ["The swap", "Indices and unpooling", "From an existing model"]
    assert found == [*wanted, "What a model's pooling does", "Parity", "Supported versions"]


def test_the_swap():
    keras.Sequential([keras.Input((8, 8, 1)), keras_maxpool.MaxPool2D()]).save("model.keras")
    names = run_section("The swap")
    assert type(names["model"].layers[0]) is names["MaxPooling2D"] is keras_maxpool.MaxPooling2D


def test_indices_and_unpooling():
    class MaxPoolingWithArgmax2D(keras.layers.Layer):
        def call(self, x):
            return tf.nn.max_pool_with_argmax(x, 2, 2, "SAME")

    inputs = keras.Input((8, 8, 1))
    keras.Model(inputs, MaxPoolingWithArgmax2D()(inputs)).save("segnet.h5")
    names = run_section("Indices and unpooling", **vars(keras_maxpool) | {"keras": keras})
    assert type(names["model"].layers[1]) is keras_maxpool.MaxPooling2D


def test_from_an_existing_model_and_from_torch():
    torch = needs("torch")
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.MaxPooling2D(2)])
    names = run_section("From an existing model", model=model, torch=torch)
    assert type(names["model"].layers[0]) is keras_maxpool.MaxPooling2D
    assert [layer.pool_size[0] for layer in (names["stem"], *names["spp"])] == [3, 5, 9, 13]


def test_report():
    run_section("What a model's pooling does", keras=keras)


def test_parity(folder):
    """The test that it shows passes for the built-in layer, and fails with that message for a wrong one."""
    (folder / "my_layers.py").write_text(
        "import keras\nMyPool2D = keras.layers.MaxPool2D\n"
        "class Wrong(MyPool2D):\n"
        "    def call(self, x):\n        return super().call(x) + x[:, :1, :1] * 2**-9\n"
    )
    names = run_section("Parity")
    names["test_my_pool"]("same")
    names["MyPool2D"] = sys.modules["my_layers"].Wrong
    with pytest.raises(AssertionError) as caught:
        names["test_my_pool"]("same")
    shown = section("Parity").partition("\n```\nAssertionError: ")[2]
    wanted, told = (NUMBER.sub("0", text).splitlines() for text in (shown, str(caught.value)))
    assert told[0] == wanted[0].replace("gradient", "output").replace("graph", "eager")
    assert told[1].startswith(wanted[1].removesuffix("(...)"))


def test_commands(folder):
    """Those in blocks and in the text are commands, and so is each option in the section of one."""
    (folder / "model.keras").touch()
    files = {"IN": "model.keras", "MODEL": "model.keras", "OUT": "out.keras", "FILE": "told"}
    required = {"convert": ["IN", "OUT"], "report": ["MODEL"]}
    found = re.findall(r"`keras-maxpool ([^`]+)`", PAGE)
    found += re.findall(r"keras-maxpool (\w+)", "".join(blocks(PAGE, "sh")))
    assert {text.split()[0] for text in found} == {"demo", "convert", "report", "parity", "bench"}
    for name, title in (
        ("convert", "From an existing model"),
        ("report", "What a model's pooling does"),
        ("parity", "Parity"),
        ("bench", "Speed"),
    ):
        options = re.findall(r"`(--[a-z]+(?: [a-zA-Z]+)?)`", section(title))
        assert options, name
        found += [f"{name} {option}" for option in options]
    for text in found:
        name, *words = text.split()
        words += [word for word in required.get(name, ()) if word not in words]
        command_line().parse_args([name, *(files.get(word, word) for word in words)])
