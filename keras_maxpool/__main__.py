"""python -m keras_maxpool: the same as the command keras-maxpool."""

import sys

from keras_maxpool.tools.cli import main

if __name__ == "__main__":
    sys.exit(main())
