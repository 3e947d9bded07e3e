"""The command line: parses the arguments, calls one tool, returns an exit code.

Exit codes: 0 when all is well, 1 when a comparison failed or a layer cannot be converted, 2 for a wrong argument, a bad
file or a missing package, 130 after Ctrl-C.
"""

import importlib
import importlib.util
import inspect
from argparse import ArgumentParser
from collections.abc import Sequence

from keras_maxpool import __version__
from keras_maxpool.tools.commands import COMMANDS, NEEDED, WITHOUT_KERAS, refuse
from keras_maxpool.tools.quiet import quiet, quiet_import


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    args = command_line().parse_args(argv)
    needed = NEEDED.get(args.name, {})
    missing = [pip for module, pip in needed.items() if importlib.util.find_spec(module) is None]
    if missing:
        return refuse(f"needs {' and '.join(missing)}: pip install {' '.join(missing)}")
    if args.name not in WITHOUT_KERAS:
        try:
            with quiet_import():
                importlib.import_module("keras_maxpool.tools.on_keras_3")
        except ImportError as error:
            return refuse(str(error))
    try:
        with quiet():
            code: int = args.run(args)
    except KeyboardInterrupt:
        return refuse("stopped", code=130)
    return code


def command_line() -> ArgumentParser:
    """Returns the parser of all commands and their options."""
    parser = ArgumentParser(
        prog="keras-maxpool",
        description="Max pooling for Keras: see it work, on this machine.",
        epilog="keras-maxpool COMMAND --help explains one command.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="name", metavar="COMMAND", required=True)
    for run, add_options, summary in COMMANDS:
        name = run.__name__.removeprefix("_")
        above, _, below = inspect.cleandoc(run.__doc__ or "").partition("\n\n")
        command = commands.add_parser(name, help=summary, description=above, epilog=below)
        command.set_defaults(run=run)
        add_options(command)
    return parser
