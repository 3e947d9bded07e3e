"""SavedModels of every option predict where neither this package nor Keras can be imported, bit for bit."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from export.export_cases import BY_ROAD, Case
from harness.keras_version import LEGACY, keras

CHILD = """
import sys
from pathlib import Path

sys.modules["keras"] = sys.modules["keras_maxpool"] = sys.modules["tf_keras"] = None

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

for saved in Path(sys.argv[1]).glob("*/*/saved_model.pb"):
    serve = tf.saved_model.load(saved.parent).signatures["serving_default"]
    frozen = convert_variables_to_constants_v2(serve)
    for file in saved.parents[1].glob("*.npz"):
        x, mask = (tf.constant(np.load(file)[name]) for name in ("x", "mask"))
        given = {name: mask if "mask" in name else x for name in serve.structured_input_signature[1]}
        np.savez(saved.with_name(f"{file.stem}-served"), **serve(**given))
        flat = frozen(*(mask if "mask" in tensor.name else x for tensor in frozen.inputs))
        named = dict(zip(sorted(serve.structured_outputs), tf.nest.flatten(flat), strict=True))
        np.savez(saved.with_name(f"{file.stem}-frozen"), **named)
"""


def fan_of(case: Case) -> str:
    """The name of the model that a case shares with others of equal inputs."""
    return f"{case.rank}d-{case.data_format}-{case.dtype}-{case.masked}"


FANS: dict[str, list[Case]] = {}
for one in BY_ROAD:
    FANS.setdefault(fan_of(one), []).append(one)
FIRST, *OTHERS = FANS


def model_of(cases: list[Case]) -> keras.Model:
    """One model with unknown sizes for all these cases, whose outputs are named by case and place."""
    inputs = cases[0].model(known=False).inputs
    outputs = {}
    for case in cases:
        given = tuple(inputs) if case.masked else inputs[0]
        for place, output in enumerate(tf.nest.flatten(case.build(given, case.rank))):
            outputs[f"{case.option}_{place}"] = output
    return keras.Model({tensor.name: tensor for tensor in inputs}, outputs)


@pytest.mark.slow
@pytest.mark.parametrize("fans", [[FIRST], OTHERS], ids=["1d", "others"])
def test_predicts_without_keras(fans: list[str], tmp_path: Path) -> None:
    """Exported or saved, and frozen, with inputs of usual and of smaller sizes."""
    wanted = {}
    for fan in fans:
        case, model = FANS[fan][0], model_of(FANS[fan])
        model.export(str(tmp_path / fan / "export"))
        # Each takes seconds; and Keras 2 calls its outputs otherwise.
        if fan == FIRST and not LEGACY:
            tf.saved_model.save(model, str(tmp_path / fan / "saved_model"))
        for size, arrays in [("usual", case.inputs()), ("smaller", case.inputs(1, -2))]:
            inputs = dict(zip(("x", "mask"), arrays, strict=False))
            np.savez(tmp_path / fan / size, **{"mask": False} | inputs)
            outputs = {name: np.asarray(y) for name, y in model(inputs).items()}
            wanted |= dict.fromkeys(
                [(fan, f"{size}-{how}") for how in ("served", "frozen")], outputs
            )
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert child.returncode == 0, child.stderr[-4000:]
    found = [*tmp_path.glob("*/*/*.npz")]
    assert len(found) == len(wanted) + 4 * (FIRST in fans and not LEGACY)
    for file in found:
        got, expected = dict(np.load(file)), wanted[file.parts[-3], file.stem]
        assert got.keys() == expected.keys()
        for name, y in expected.items():
            assert (got[name].dtype, got[name].shape) == (y.dtype, y.shape), (file, name)
            assert got[name].tobytes() == y.tobytes(), (file, name)
