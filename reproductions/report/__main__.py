"""``python -m reproductions.report``: the same as ``tabulate``."""

import sys

from reproductions.report.cli import main

if __name__ == "__main__":
    sys.exit(main())
