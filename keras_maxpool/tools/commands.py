"""The commands: what runs each one, and its options.

Each command imports its own tool, so that help stays fast: here are the standard library and plain data alone. The
docstring of a command is its help: the first paragraph is shown above the options, the second one below.
"""

import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from keras_maxpool.tools import argument_types as types
from keras_maxpool.tools.bench.cases import DIRECTIONS, MODES

NEEDED: dict[str, dict[str, str]] = {
    "bench": {"rich": "rich", "matplotlib": "matplotlib"},
    "demo": {"rich": "rich", "sklearn": "scikit-learn"},
}
"""The packages that a command needs besides keras_maxpool's own, by module, with the names that pip knows them by."""

WITHOUT_KERAS = ("explain",)
"""The commands that run without Keras, and so at once."""

MODEL_HELP = "the model to read: a .keras, .h5 or .hdf5 file"


def refuse(message: str, code: int = 2) -> int:
    """Says why the command stops; returns its exit code."""
    print(f"keras-maxpool: {message}", file=sys.stderr)
    return code


def _demo(args: Namespace) -> int:
    """Train a small classifier of scanned digits with keras_maxpool.MaxPool2D and MaxPooling2D, and its twin with the
    layers of the same names in keras.layers, from the same seed. Compare the loss of every training step and the
    predictions, save the model, load it in a fresh process, and compare its predictions again: every value must be
    equal, bit for bit. It ends with what Keras's layers lack: padding=1 as in PyTorch, unpooling to an odd size, and a
    mask. All of it runs on the backend that Keras runs on.

    The 1,797 digits ship inside scikit-learn: nothing is downloaded. The result goes to stdout, the progress to stderr.
    Exit code: 0 if every comparison is equal, 1 if one is not, 2 for a wrong argument or a missing package, 130 after
    Ctrl-C. Needs: pip install rich scikit-learn
    """
    from keras_maxpool.tools import demo

    return demo.main(args.epochs, args.seed)


def _demo_options(command: ArgumentParser) -> None:
    command.add_argument(
        "--epochs",
        type=types.integer(1),
        default=20,
        metavar="N",
        help="how often each twin sees the training digits (default: %(default)s)",
    )
    command.add_argument(
        "--seed",
        type=types.integer(0, 2**32 - 1),
        default=0,
        metavar="N",
        help="the seed that both twins start from (default: %(default)s)",
    )


def _bench(args: Namespace) -> int:
    """Time keras_maxpool's layers against keras.layers, on the backend that Keras runs on, in turn, in one process, on
    the CPU; and against PyTorch and OpenCV where they are installed, and a plain copy of as many bytes, which is the
    floor. Both sides must return equal outputs and gradients before they are timed. A ratio is the peer's time over
    ours, round by round, as a median with its quartiles: above 1, ours is faster.

    The tables go to stdout, the progress to stderr: for each peer, by mode and direction, how many
    cases are clearly slower (three of four rounds have a ratio below 0.9, in a second, longer measurement, too), the
    geometric mean of the ratios, and the worst of them. Times mean little where other work runs at the same time;
    ratios are less affected. Exit code: 0 if every comparison is equal, 1 if one is not, 2 for a wrong argument or a
    missing package, 130 after Ctrl-C. Needs: pip install rich matplotlib; for the other peers, pip install torch
    opencv-python-headless
    """
    from keras_maxpool.tools.bench import command

    try:
        settings = command.choose(
            args.cases,
            args.modes,
            args.directions,
            quick=args.quick,
            growth=args.growth,
            drawn=args.sample,
            seed=args.seed,
            whole_networks=args.networks,
            kernels=args.kernels,
        )
    except ValueError as error:
        return refuse(str(error))
    return command.main(
        settings,
        quick=args.quick,
        sampled=args.sample is not None,
        every_row=args.all,
        json_file=args.json,
        plot_file=args.plot,
    )


def _bench_options(command: ArgumentParser) -> None:
    command.add_argument(
        "--cases",
        type=types.regular_expression,
        metavar="PATTERN",
        help="only the cases whose names match this regular expression, such as '^3D' or 'x3 5/1'",
    )
    command.add_argument(
        "--modes",
        nargs="+",
        # Which backend Keras runs on, Keras alone knows.
        choices=sorted({mode for modes in MODES.values() for mode in modes}),
        metavar="MODE",
        help="only these: eager, graph, xla, fit, fit-xla on TensorFlow, eager, jit, fit on JAX, eager, fit on PyTorch "
        "(fit is a step of training, fit-xla one under XLA)",
    )
    command.add_argument(
        "--directions",
        nargs="+",
        choices=DIRECTIONS,
        default=DIRECTIONS,
        metavar="DIRECTION",
        help="only these: forward, gradient (forward and gradient together)",
    )
    command.add_argument(
        "--quick",
        action="store_true",
        help="a tenth of the time for each row, and a few cases unless --cases names them",
    )
    what = command.add_mutually_exclusive_group()
    what.add_argument(
        "--sample",
        type=types.integer(2),
        metavar="N",
        help="N cases that are drawn in place of the listed ones, half from known networks and half at random, in "
        "all modes but fit and fit-xla: how many are clearly slower, and the ten worst and best",
    )
    command.add_argument(
        "--seed",
        type=types.integer(0),
        default=0,
        metavar="S",
        help="which sample is drawn (default: %(default)s)",
    )
    what.add_argument(
        "--networks",
        action="store_true",
        help="whole training steps of seven networks in place of single layers, in the modes fit and fit-xla",
    )
    what.add_argument(
        "--growth",
        action="store_true",
        help="a second table: how cost grows with batch, channels and window, ours and the built-in's",
    )
    command.add_argument(
        "--kernels",
        action="store_true",
        help="on TensorFlow: keras_maxpool's own kernels as the peers, to see whether the one that it chooses is the "
        "fastest",
    )
    command.add_argument(
        "--all",
        action="store_true",
        help="the row of every case, too, the worst ratio first; from 120 columns on with quartiles",
    )
    _add_file(command, "--json", "write all figures to this file, too")
    _add_file(command, "--plot", "draw the ratios into this file", types.png_file, "FILE.png")


def _parity(args: Namespace) -> int:
    """Compare keras_maxpool's layers with keras.layers.MaxPooling1D/2D/3D, under both spellings, on this machine and
    the backend that Keras runs on: ranks, windows, strides, paddings, data formats, dtypes and modes (on TensorFlow
    eager, graph, graph with any batch, XLA; on JAX eager and jit; on PyTorch eager). Outputs, gradients, shapes and
    configs must be equal to the last bit, and saved models must load and predict what the built-in's predict. The
    faults of the built-in that are known on this backend are tested on both sides in processes of their own, as some
    end the process.

    The tables go to stdout, one row for each group of comparisons, then the known faults that were found; the progress
    goes to stderr. Each difference is shown with a line of Python that reproduces it. All of it takes about 5 minutes
    on two cores, --quick about one. On a GPU, where the gradients of ties may follow other rules, no comparison has
    ties. On JAX, float64 and int64 are compared where JAX_ENABLE_X64=1 is set. Exit code: 0 if all is equal; 1 if there
    is a difference that is no known fault, or ours has a known one; 2 for a wrong argument or a file that cannot be
    written; 130 after Ctrl-C. For a layer of your own, in a test: keras_maxpool.tools.parity.assert_parity.
    """
    if args.junit and args.json and args.junit.resolve() == args.json.resolve():
        return refuse(f"--junit and --json are the same file, {args.junit}: name two")
    from keras_maxpool.tools.parity import command

    return command.main(quick=args.quick, junit_file=args.junit, json_file=args.json)


def _parity_options(command: ArgumentParser) -> None:
    command.add_argument(
        "--quick", action="store_true", help="a sample of the comparisons, and all known faults"
    )
    _add_file(command, "--junit", "write each comparison to this file too, as JUnit XML for CI")
    _add_file(command, "--json", "write counts, differences and known faults to this file too")


def _convert(args: Namespace) -> int:
    """Read a saved Keras model, replace its built-in max pooling layers (MaxPooling1D/2D/3D and
    GlobalMaxPooling1D/2D/3D, at any depth) by keras_maxpool's, and write it to another file. Names, weights, compile
    settings and the optimizer's state stay, and predictions are equal bit for bit; where a mask that fits reaches a
    pooling layer they change, and a note says so.

    The table of layers goes to stdout, the progress to stderr. Code inside a file, such as a Lambda layer's, is never
    run: such a file is refused, and so are files with layers of your own; convert these in Python, with
    keras_maxpool.tools.convert. With a loss, metric or optimizer of your own the compile settings are left out, and a
    line says which it is: compile the new model again. To continue training, use .keras: with .h5 Keras itself loses
    the optimizer's state and, with losses or metrics compiled by short names, the compile settings; a line says so too.
    Exit code: 0 if OUT is written; 1 if some layer cannot be converted, and then all such layers are listed and OUT is
    not changed; 2 for a wrong argument or a file that cannot be read or written; 130 after Ctrl-C.
    """
    if args.source.resolve() == args.target.resolve():
        return refuse(f"IN and OUT are the same file, {args.source}: name another one for OUT")
    from keras_maxpool.tools.convert import command

    return command.main(args.source, args.target, args.to)


def _convert_options(command: ArgumentParser) -> None:
    _add_file(command, "source", MODEL_HELP, types.model_to_read, "IN")
    target = "where to write: a .keras, .h5 or .hdf5 file, which is replaced if it exists"
    _add_file(command, "target", target, types.model_to_write, "OUT")
    command.add_argument(
        "--to",
        choices=types.TARGETS,
        default=types.TARGETS[0],
        help="whose layers the model gets: keras_maxpool's, or Keras's own (default: %(default)s)",
    )


def _report(args: Namespace) -> int:
    """Read a saved Keras model and show, for each of its pooling layers (max and average, global, adaptive and
    fractional, 1D to 3D, Keras's and keras_maxpool's, at any depth), the window, the shapes, the share of positions
    kept, what is dropped at the edge, how windows overlap, the receptive field and the step in elements of the model's
    input, and the bytes saved for each sample. Then what looks wrong, and what to do: data in the other data format or
    of another rank, cropped edges, gaps between windows, early pooling that throws much away, layers that do nothing,
    padding="same" that differs from PyTorch's, masks that stop at a built-in layer.

    The table and the findings go to stdout, the progress to stderr; ? stands for what is not known, and a line says
    why. Code inside a file, such as a Lambda layer's, is never run: such a file is refused, and so are files with
    layers of your own; report on these in Python, with keras_maxpool.tools.report. Compile settings are not read. Exit
    code: 0 whatever is found, 2 for a wrong argument or a file that cannot be read or written, 130 after Ctrl-C.
    """
    for file in filter(None, (args.html, args.json)):
        if file.resolve() == args.model.resolve():
            return refuse(f"MODEL and the file to write are the same, {file}: name another one")
    if args.html and args.json and args.html.resolve() == args.json.resolve():
        return refuse(f"--html and --json are the same file, {args.html}: name two")
    from keras_maxpool.tools.report import command

    return command.main(args.model, args.html, args.json)


def _report_options(command: ArgumentParser) -> None:
    _add_file(command, "model", MODEL_HELP, types.model_to_read, "MODEL")
    _add_file(
        command,
        "--html",
        "write a page to this file, too: the table, the findings, a picture of the receptive field as it grows, and a "
        "panel to try windows on; it needs no network",
    )
    _add_file(command, "--json", "write all of it to this file, too")


def _explain(args: Namespace) -> int:
    """Answer "MaxPool or MaxPooling?" in a few lines. With --html, write a page instead: the answer, and a panel to try
    windows, strides, padding, dilation and ceil mode on, with indices, gradients, and common pitfalls.

    The page is one file and needs no network. Exit code: 0, or 2 for a wrong argument or a file that cannot be written.
    """
    from keras_maxpool.tools import explain

    return explain.main(args.html)


def _explain_options(command: ArgumentParser) -> None:
    _add_file(command, "--html", "write the page to this file: open it in a browser")


def _add_file(
    command: Any, name: str, text: str, kind: Any = types.output_file, metavar: str = "FILE"
) -> None:
    command.add_argument(name, type=kind, metavar=metavar, help=text)


COMMANDS = (
    (_demo, _demo_options, "train a digit classifier and its built-in twin, and compare them bit for bit"),
    (_bench, _bench_options, "time the layers against the built-in ones, PyTorch, OpenCV and a plain copy"),
    (_parity, _parity_options, "compare the layers with the built-in ones, and list the built-in's known faults"),
    (_convert, _convert_options, "replace the pooling layers in a saved model by keras_maxpool's, or back"),
    (_report, _report_options, "what the pooling layers of a saved model do to its data, and what looks wrong"),
    (_explain, _explain_options, "MaxPool or MaxPooling? The answer, and a page to try windows and pitfalls on"),
)  # fmt: skip
"""What runs each command, what adds its options, and its line in the list of commands."""
