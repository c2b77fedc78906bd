"""Owned folders: where a launching process and its ranks meet, removed also if that process was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

LAUNCH = ".launch-"  # prefix of the folders of a run store
OWNER = "owner"  # locked by the launching process as long as it lives


@contextlib.contextmanager
def owned_folder(root: Path, prefix: str = LAUNCH) -> Iterator[Path]:
    """Give a new folder in `root`, which only this user can read, and remove it at the end.

    Folders of this prefix whose launching process is dead are removed first.
    """
    root.mkdir(parents=True, exist_ok=True)
    remove_left(root, prefix)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
    handle = os.open(folder / f".{OWNER}", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with contextlib.suppress(OSError):  # of a file system that locks nothing: then nothing that is left is removed
            fcntl.flock(handle, fcntl.LOCK_EX)
            (folder / f".{OWNER}").rename(folder / OWNER)  # it is locked as soon as it has its name
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def remove_left(root: Path, prefix: str = LAUNCH) -> None:
    """Remove what this user's processes left in `root` that were killed; what says no owner stays."""
    for folder in root.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            if folder.lstat().st_uid == os.geteuid():
                _remove_if_left(folder)


def _remove_if_left(folder: Path) -> None:
    handle = os.open(folder / OWNER, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails if its owner lives
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)
