"""The part of the pytest plugin that lets one session at a time work in a results folder: the others wait."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from pathlib import Path

import pytest

from reproductions.harness.runs import exchange, launcher
from reproductions.harness.session import SESSION, Session, plans_only
from reproductions.harness.verdicts.kept import UNLOCKED

TURN = ".session"  # in the folder of runs, where it stays; locked by the session that is at work
POLL = 0.2
HELD = pytest.StashKey[int]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Wait until no other session works in the results folder, and remove what killed ones left."""
    ours, config = session.config.stash[SESSION], session.config
    if plans_only(config) or not any(map(_works, session.items)):
        return
    root = ours.runner.store.root
    try:
        root.mkdir(parents=True, exist_ok=True)
        handle = _wait(ours, root / TURN)
    except OSError as error:
        if error.errno not in UNLOCKED:
            ours.runner.announce(f"sessions do not wait for each other in {root.parent}: {error}")
        return
    if handle is not None:
        config.stash[HELD] = handle
        exchange.remove_left(root)
        launcher.remove_scratch()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let the next session begin."""
    if (handle := config.stash.get(HELD, None)) is not None:
        os.close(handle)


def _works(item: pytest.Item) -> bool:
    """Whether a test decides a claim or draws runs."""
    module = item.getparent(pytest.Module)
    return item.get_closest_marker("claim") is not None or hasattr(module and module.obj, "experiments")


def _wait(ours: Session, path: Path) -> int | None:
    """Return the handle of the locked file; None if the session has no time left."""
    said = False
    while ours.runner.deadline.left > 0:
        if (handle := _taken(path)) is not None:
            return handle
        if not said:
            ours.runner.announce(_sentence(path))
        said = True
        time.sleep(POLL)
    return None


def _taken(path: Path) -> int | None:
    """Return the handle of the file, locked; None if another session has it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            return None
        raise
    os.ftruncate(handle, 0)
    os.write(handle, f"process {os.getpid()} on {socket.gethostname()}".encode())
    return handle


def _sentence(path: Path) -> str:
    who = path.read_text(errors="replace")[:100].strip() if path.exists() else ""
    return (
        f"another session ({who or 'unknown'}) is at work in {path.parent.parent}: this one waits for its end; "
        "Ctrl-C ends it, and --results names another folder"
    )
