"""Runs a notebook of notebooks/ in a fresh kernel, with this interpreter and this checkout.

By hand, from the root of the repository, to write the outputs (of all notebooks, or of those named):

    python tests/docs/notebooks_running.py [notebooks/01-maxpool-or-maxpooling.ipynb ...]
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import matplotlib.font_manager  # noqa: F401 - so that no kernel has to build its cache, and say so
import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
LIMIT = 300
"""Seconds that a cell may take."""


def read(path: Path) -> nbformat.NotebookNode:
    """The notebook in a file."""
    return nbformat.read(path, as_version=4)


def run(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Replaces the notebook's outputs by those of a run that starts in `folder`; fails where a cell does."""
    with tempfile.TemporaryDirectory() as scratch:
        specs = Path(scratch, "kernels")
        spec = Path(specs, "python3", "kernel.json")
        spec.parent.mkdir(parents=True)
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        options = [
            "--HistoryManager.enabled=False",
            # TensorFlow 2.21 greets on stderr whatever TF_CPP_MIN_LOG_LEVEL says. With this, what libraries in C++ log
            # goes to the terminal; Python's own warnings still go into the notebook.
            "--IPKernelApp.capture_fd_output=False",
        ]
        # This checkout before what is installed; and not what the user has set up for IPython.
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        env = {"PYTHONPATH": paths, "IPYTHONDIR": str(Path(scratch, "ipython"))}
        kernel = {"argv": [*command, *options], "display_name": "Python 3", "language": "python"}
        spec.write_text(json.dumps(kernel | {"env": env}), "utf-8")
        manager = AsyncKernelManager(
            kernel_name="python3",
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(specs)]),
            connection_file=str(Path(scratch, "connection.json")),
        )
        resources = {"metadata": {"path": str(folder)}}
        quiet = {"record_timing": False, "coalesce_streams": True}
        client = NotebookClient(notebook, timeout=LIMIT, resources=resources, **quiet)
        client.km = manager  # here, and not above, so that the client ends the kernel too
        client.execute()


def main(paths: list[Path]) -> None:
    for path in paths:
        notebook = read(path)
        run(notebook, FOLDER)
        notebook.metadata["language_info"] = {"name": "python"}  # without the version that ran
        nbformat.write(notebook, path)
        print(f"{path.stat().st_size // 1024} kB: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)  # the notebooks set what they need
    main([Path(path).resolve() for path in sys.argv[1:]] or sorted(FOLDER.glob("*.ipynb")))
