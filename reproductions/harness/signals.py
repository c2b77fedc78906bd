"""The part of the pytest plugin that lets a session be ended: SIGTERM and SIGHUP are like Ctrl-C."""

from __future__ import annotations

import signal
import threading
from typing import Any

import pytest

ENDS = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
BEFORE = pytest.StashKey[dict[signal.Signals, Any]]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Stop ranks and remove what they exchange also if a scheduler or a closed terminal ends the session."""
    if threading.current_thread() is threading.main_thread():
        kept = {number: signal.getsignal(number) for number in ENDS}
        session.config.stash[BEFORE] = {number: old for number, old in kept.items() if old is signal.SIG_DFL}
        for number in session.config.stash[BEFORE]:
            signal.signal(number, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let them end the process again."""
    for number, old in config.stash.get(BEFORE, {}).items():
        signal.signal(number, old)
