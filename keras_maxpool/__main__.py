"""The command keras-maxpool, and `python -m keras_maxpool`: the command line, or one line about why it cannot run."""

import sys

try:
    from keras_maxpool.tools.cli import main
except ImportError as error:
    sys.exit(f"keras-maxpool: {error}")

if __name__ == "__main__":
    sys.exit(main())
