"""The toy paper is a paper to run in sessions of its own, not a test of this one."""

from pathlib import Path

import pytest

from tests.harness.toy_session import Session

collect_ignore = ["toy_paper"]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path)
