"""``python -m mpi4py -m reproductions.harness FOLDER DIGEST``: one MPI rank of a launch."""

import sys
from pathlib import Path

from reproductions.harness.runs.ranks import main

if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
