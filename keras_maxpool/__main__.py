"""The command keras-maxpool, and `python -m keras_maxpool`."""

import sys

from keras_maxpool.tools.cli import main

if __name__ == "__main__":
    sys.exit(main())
