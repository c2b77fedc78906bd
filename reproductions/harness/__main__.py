"""``python -m mpi4py -m reproductions.harness FOLDER``: one MPI rank of a launch."""

import sys
from pathlib import Path

from reproductions.harness.ranks import main

if __name__ == "__main__":
    main(Path(sys.argv[1]))
