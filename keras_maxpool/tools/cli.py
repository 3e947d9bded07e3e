"""The command line: arguments in, one tool called, an exit code out.

Exit codes: 0 when all is well, 1 when a comparison failed or a layer cannot be converted, 2 for a
wrong argument, a bad file or a missing extra, 130 after Ctrl-C. Tools are imported inside their own
command, so that help stays fast.
"""

import argparse
import errno
import importlib.util
import os
import re
import stat
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from keras_maxpool import __version__

try:
    # Plain data, from modules that import nothing which the package does not.
    from keras_maxpool.tools.bench.cases import DIRECTIONS, MODES
    from keras_maxpool.tools.convert.swap import TARGETS
except ImportError as refusal:
    sys.exit(f"keras-maxpool: {refusal}")

# What each extra of pyproject.toml brings: the module to import and the name pip knows it by.
EXTRAS: dict[str, dict[str, str]] = {
    "bench": {"rich": "rich", "matplotlib": "matplotlib"},
    "demo": {"rich": "rich", "sklearn": "scikit-learn"},
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    args = command_line().parse_args(argv)
    # Those without one need rich alone, which comes with Keras.
    missing = _missing(args.extra) if args.extra else []
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


def _bench(args: argparse.Namespace) -> int:
    from keras_maxpool.tools.bench import command as bench

    return bench.main(
        args.cases,
        args.modes,
        args.directions,
        quick=args.quick,
        growth=args.growth,
        json_file=args.json,
        plot_file=args.plot,
    )


def _convert(args: argparse.Namespace) -> int:
    if args.source.resolve() == args.target.resolve():
        _complain(f"IN and OUT are the same file, {args.source}: name another one for OUT")
        return 2
    from keras_maxpool.tools.convert import command as convert_file

    return convert_file.main(args.source, args.target, args.to)


def _parity(args: argparse.Namespace) -> int:
    if args.junit and args.json and args.junit.resolve() == args.json.resolve():
        _complain(f"--junit and --json are the same file, {args.junit}: name two")
        return 2
    from keras_maxpool.tools.parity import command as parity

    return parity.main(quick=args.quick, junit_file=args.junit, json_file=args.json)


def _report(args: argparse.Namespace) -> int:
    file = args.html or args.json
    if file and file.resolve() == args.model.resolve():
        _complain(f"MODEL and the file to write are the same, {file}: name another one")
        return 2
    from keras_maxpool.tools.report import command as report_file

    return report_file.main(args.model, args.html, args.json)


def command_line() -> argparse.ArgumentParser:
    """All commands and their options."""
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

    bench = commands.add_parser(
        "bench",
        help="time the layers against the built-in ones, PyTorch, OpenCV and a plain copy",
        description=(
            "Time keras_maxpool's layers against keras.layers, in turn, in one process, on the CPU; "
            "and against PyTorch and OpenCV where they are installed, and a plain copy of as many "
            "bytes, which is the floor. Both sides must give equal outputs and gradients before "
            "they are timed. A ratio is the peer's time over ours, round by round, as a median "
            "with its quartiles: above 1, ours is faster."
        ),
        epilog=(
            "The tables go to stdout, the progress to stderr. Times mean little where other work "
            "runs beside; ratios bear it better. Exit code: 0 if every comparison is equal, 1 if one is "
            "not, 2 for a wrong argument or a missing extra, 130 after Ctrl-C. "
            "Needs: pip install 'keras_maxpool[bench]'; PyTorch and OpenCV: "
            "'keras_maxpool[bench,peers]'"
        ),
    )
    bench.add_argument(
        "--cases",
        type=_regular_expression,
        metavar="PATTERN",
        help="only the cases whose names hold this regular expression, such as '^3D' or 'x3 5/1'",
    )
    bench.add_argument(
        "--modes",
        nargs="+",
        choices=MODES,
        default=MODES,
        metavar="MODE",
        help=f"only these: {', '.join(MODES)} (a step of training, the last under XLA)",
    )
    bench.add_argument(
        "--directions",
        nargs="+",
        choices=DIRECTIONS,
        default=DIRECTIONS,
        metavar="DIRECTION",
        help="only these: forward, gradient (forward and gradient together)",
    )
    bench.add_argument(
        "--quick",
        action="store_true",
        help="a tenth of the time for each row, and a few cases unless --cases names them",
    )
    bench.add_argument(
        "--growth",
        action="store_true",
        help="a second table: how cost grows with batch, channels and window, ours and the built-in's",
    )
    bench.add_argument(
        "--json", type=_file, metavar="FILE", help="write all figures to this file, too"
    )
    bench.add_argument(
        "--plot", type=_png, metavar="FILE.png", help="draw the ratios into this file"
    )
    bench.set_defaults(command=_bench, extra="bench")

    parity = commands.add_parser(
        "parity",
        help="compare the layers with the built-in ones, and list the built-in's known faults",
        description=(
            "Compare keras_maxpool's layers with keras.layers.MaxPooling1D/2D/3D, under both spellings, on this "
            "machine, TensorFlow and Keras: ranks, windows, strides, paddings, data formats, dtypes and modes (eager, "
            "graph, graph with any batch, XLA). Outputs, gradients, shapes and configs must be equal to the last "
            "bit, and saved models must load and give what the built-in's give. The known faults of the built-in are "
            "put to both sides in processes of their own, as some end the process."
        ),
        epilog=(
            "The tables go to stdout, one row for each group of comparisons, then the known faults that were met; "
            "the progress goes to stderr. Each difference is shown with a line of Python that shows it again. "
            "All of it takes 5 minutes or so on two cores, --quick less than one. On a GPU, where TensorFlow "
            "says nothing of ties, they are left to the known faults. "
            "Exit code: 0 if all is equal; 1 if there is a difference that is no known fault, or ours has a "
            "known one; 2 for a wrong argument or a file that cannot be written; 130 after Ctrl-C. "
            "For a layer of your own, in a test: keras_maxpool.tools.parity.assert_parity."
        ),
    )
    parity.add_argument(
        "--quick", action="store_true", help="a sample of the comparisons, and all known faults"
    )
    parity.add_argument(
        "--junit",
        type=_file,
        metavar="FILE",
        help="write each comparison to this file too, as JUnit XML, which CI systems read",
    )
    parity.add_argument(
        "--json",
        type=_file,
        metavar="FILE",
        help="write counts, differences and known faults to this file too",
    )
    parity.set_defaults(command=_parity, extra=None)

    convert = commands.add_parser(
        "convert",
        help="swap the pooling layers in a saved model for keras_maxpool's, or back",
        description=(
            "Read a saved Keras model, swap its built-in max pooling layers (MaxPooling1D/2D/3D and "
            "GlobalMaxPooling1D/2D/3D, at any depth) for keras_maxpool's, and write it to another "
            "file. Names, weights, compile settings and the optimizer's state stay, and predictions are "
            "equal bit for bit; where a mask that fits reaches a pooling layer they change, and a note says so."
        ),
        epilog=(
            "The table of layers goes to stdout, the progress to stderr. Code inside a file, such as a "
            "Lambda layer's, is never run: such a file is refused, and so are files with layers of your "
            "own; convert these in Python, with keras_maxpool.tools.convert. With a loss, metric or optimizer of "
            "your own the compile settings are left behind, and a line tells which it is: compile the new model "
            "again. Where training is to go on, use .keras: with .h5 Keras itself loses the optimizer's state and, "
            "with losses or metrics compiled by short names, the compile settings, which a line tells, too. "
            "Exit code: 0 if OUT is written; 1 if some layer cannot be converted, and then all such layers are "
            "listed and OUT is left alone; 2 for a wrong argument or a file that cannot be read or "
            "written; 130 after Ctrl-C."
        ),
    )
    convert.add_argument(
        "source",
        type=_saved_model,
        metavar="IN",
        help="the model to read: a .keras, .h5 or .hdf5 file",
    )
    convert.add_argument(
        "target",
        type=_model_file,
        metavar="OUT",
        help="where to write: a .keras, .h5 or .hdf5 file, which is replaced if it exists",
    )
    convert.add_argument(
        "--to",
        choices=TARGETS,
        default=TARGETS[0],
        help="whose layers the model gets: keras_maxpool's, or Keras's own (default: %(default)s)",
    )
    convert.set_defaults(command=_convert, extra=None)

    report = commands.add_parser(
        "report",
        help="what the pooling layers of a saved model do to its data, and what looks wrong",
        description=(
            "Read a saved Keras model and show, for each of its pooling layers (max and average, global, "
            "adaptive and fractional, 1D to 3D, Keras's and keras_maxpool's, at any depth), the window, the "
            "shapes, the share of positions kept, what is dropped at the edge, how windows overlap, the receptive "
            "field and the step in elements of the model's input, and the bytes saved for each sample. Then what looks "
            "wrong, and what to do: data in the other data format or of another rank, cropped edges, "
            "gaps between windows, early pooling that throws much away, layers that do nothing, "
            'padding="same" that differs from PyTorch\'s, masks that stop at a built-in layer.'
        ),
        epilog=(
            "The table and the findings go to stdout, the progress to stderr; ? stands for what is not known, and a "
            "line says why. Code inside a file, such as a Lambda layer's, is never run: such a file is refused, "
            "and so are files with layers of your own; report on these in Python, with "
            "keras_maxpool.tools.report. Compile settings are not read. Exit code: 0 whatever is found, 2 for a wrong "
            "argument or a file that cannot be read or written, 130 after Ctrl-C."
        ),
    )
    report.add_argument(
        "model",
        type=_saved_model,
        metavar="MODEL",
        help="the model to read: a .keras, .h5 or .hdf5 file",
    )
    also = report.add_mutually_exclusive_group()
    also.add_argument(
        "--html",
        type=_file,
        metavar="FILE",
        help="write a page to this file, too: the table, the findings, a picture of the receptive field as it "
        "grows, and a panel to try windows on; it needs no network",
    )
    also.add_argument(
        "--json", type=_file, metavar="FILE", help="write all of it to this file, too"
    )
    report.set_defaults(command=_report, extra=None)
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


def _regular_expression(text: str) -> str:
    """An argparse type: a regular expression."""
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from None
    return text


def _file(text: str) -> Path:
    """An argparse type: a file that can be written when the work is done."""
    path = Path(text)
    try:
        if path.is_dir() or not path.parent.is_dir():
            raise argparse.ArgumentTypeError(f"{text!r} is not a file in a folder that exists")
        # Not with the file itself: another process may write it just now, and a pipe would wait for a reader.
        try:
            path.stat()
        except FileNotFoundError:
            tempfile.TemporaryFile(dir=path.resolve().parent).close()
        else:
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be written: {error.strerror}") from None
    return path


def _png(text: str) -> Path:
    """An argparse type: a PNG file to write."""
    path = _file(text)
    if path.suffix.lower() != ".png":
        raise argparse.ArgumentTypeError(f"{text!r} does not end in .png")
    return path


def _model_file(text: str) -> Path:
    """An argparse type: a file that Keras can write."""
    _check_suffix(text)
    path = _file(text)
    if path.exists() and not path.is_file():
        raise argparse.ArgumentTypeError(f"{text!r} is not a file")
    return path


def _saved_model(text: str) -> Path:
    """An argparse type: a file that is there, and may hold a model."""
    _check_suffix(text)
    path = Path(text)
    try:
        # Path.exists and Path.is_file hide some errors, and raise others.
        if not stat.S_ISREG(path.stat().st_mode):
            raise argparse.ArgumentTypeError(f"{text!r} is not a file")
    except FileNotFoundError:
        raise argparse.ArgumentTypeError(f"{text!r} does not exist") from None
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be read: {error.strerror}") from None
    return path


def _check_suffix(text: str) -> None:
    if Path(text).suffix.lower() not in (".keras", ".h5", ".hdf5"):
        raise argparse.ArgumentTypeError(f"{text!r} does not end in .keras, .h5 or .hdf5")


def _missing(extra: str) -> list[str]:
    """What pip calls those packages of an extra that are not installed."""
    return [pip for name, pip in EXTRAS[extra].items() if importlib.util.find_spec(name) is None]


def _complain(message: str) -> None:
    print(f"keras-maxpool: {message}", file=sys.stderr)
