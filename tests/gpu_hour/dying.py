"""``python -m tests.gpu_hour.dying gpu-hour ...``: the command, killed while it writes the n-th file of a copy."""

import itertools
import os
import signal
import sys
from pathlib import Path

from reproductions.__main__ import main
from reproductions.gpu_hour import copies, state

CALLS = itertools.count(1)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file and die if it is its turn: when half of it is written, or before it is in its place."""
    draft, last = path.with_suffix(".draft"), next(CALLS) == int(os.environ["TOY_DIES"])
    draft.write_bytes(content[: len(content) // 2] if last and len(content) % 2 else content)
    if last:
        os.kill(os.getpid(), signal.SIGKILL)
    draft.replace(path)


if __name__ == "__main__":
    copies.replace_file = state.replace_file = replace_file  # type: ignore[attr-defined]
    sys.exit(main())
