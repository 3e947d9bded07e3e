"""The command line: arguments in, one tool called, an exit code out.

Exit codes: 0 when all is well, 1 when a comparison failed, 2 for a wrong argument or a missing
extra, 130 after Ctrl-C. Tools are imported inside their own command, so that help stays fast.
"""

import argparse
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence

from keras_maxpool import __version__

# What each extra of pyproject.toml brings: the module to import and the name pip knows it by.
EXTRAS = {"demo": {"rich": "rich", "sklearn": "scikit-learn"}}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    args = _parser().parse_args(argv)
    missing = _missing(args.extra)
    if missing:
        _complain(f"needs {' and '.join(missing)}: pip install 'keras_maxpool[{args.extra}]'")
        return 2
    # TensorFlow reads this once, at its import. Its errors still arrive, as Python's exceptions.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        code: int = args.command(args)
    except KeyboardInterrupt:
        _complain("stopped")
        return 130
    return code


def _demo(args: argparse.Namespace) -> int:
    from keras_maxpool.tools import demo

    return demo.main(args.epochs, args.seed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keras-maxpool",
        description="Max pooling for Keras: see it work, on this machine.",
        epilog="keras-maxpool COMMAND --help explains one command.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    demo = commands.add_parser(
        "demo",
        help="train a digit classifier and its built-in twin, and compare them bit for bit",
        description=(
            "Train a small classifier of scanned digits with keras_maxpool.MaxPool2D and "
            "keras_maxpool.MaxPooling2D, and its twin with the layers of the same names in "
            "keras.layers, from the same seed. Compare the loss of every training step and the "
            "predictions, save the model, load it in a fresh process, and compare its "
            "predictions again: every value must be equal, bit for bit."
        ),
        epilog=(
            "The 1,797 digits ship inside scikit-learn: nothing is downloaded. The result goes "
            "to stdout, the progress to stderr. Exit code: 0 if every comparison is equal, 1 if "
            "one is not, 2 for a wrong argument or a missing extra, 130 after Ctrl-C. "
            "Needs: pip install 'keras_maxpool[demo]'"
        ),
    )
    demo.add_argument(
        "--epochs",
        type=_whole_number(1),
        default=20,
        metavar="N",
        help="how often each twin sees the training digits (default: %(default)s)",
    )
    demo.add_argument(
        "--seed",
        type=_whole_number(0, 2**32 - 1),
        default=0,
        metavar="N",
        help="where both twins start from (default: %(default)s)",
    )
    demo.set_defaults(command=_demo, extra="demo")
    return parser


def _whole_number(low: int, high: int | None = None) -> Callable[[str], int]:
    """An argparse type: an int from low to high, both included."""
    wanted = f"a whole number from {low}" + (" up" if high is None else f" to {high}")

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if number < low or (high is not None and number > high):
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
        return number

    return parse


def _missing(extra: str) -> list[str]:
    """What pip calls those packages of an extra that are not installed."""
    return [pip for name, pip in EXTRAS[extra].items() if importlib.util.find_spec(name) is None]


def _complain(message: str) -> None:
    print(f"keras-maxpool: {message}", file=sys.stderr)
