"""The known faults of the built-in layers: ours have none of them in any mode, and each probe can tell."""

import pytest
from harness.keras_version import LEGACY, keras

if LEGACY:
    pytest.skip("the tools need Keras 3: unset TF_USE_LEGACY_KERAS", allow_module_level=True)

from keras_maxpool.tools.parity.faults import FAULTS, SIDES, Fault
from keras_maxpool.tools.parity.outcome import device
from keras_maxpool.tools.versions import BACKEND, backend_version

# The versions and the device of which the table speaks.
AS_IN_THE_TABLE = (
    backend_version().startswith({"tensorflow": "2.21.", "jax": "0.10.", "torch": "2.13."}[BACKEND])
    and keras.__version__.startswith("3.15.")
    and device() == "CPU"
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_ours_is_right(fault: Fault) -> None:
    assert fault.probe(SIDES["ours"]) == ""
    found = {mode: fault.probe(SIDES["ours"], mode) for mode in fault.further_modes}
    assert found == dict.fromkeys(fault.further_modes, "")


@pytest.mark.filterwarnings(
    "ignore:Layer '.*' .of type MaxPooling1D. was passed an input with a mask"
)
@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if not fault.ends_the_process], ids=lambda fault: fault.name
)
def test_the_builtin_has_the_fault(fault: Fault) -> None:
    """Those that end the process are probed by the parity command, in processes of their own."""
    try:
        found = fault.probe(SIDES["built-in"])
    except Exception as error:
        found = repr(error)
    if not found and not AS_IN_THE_TABLE:
        pytest.skip(f"this Keras does it right; once all do, take {fault.name!r} out of the table")
    assert found
