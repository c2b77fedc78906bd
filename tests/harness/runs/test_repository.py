"""The commit that runs record is that of the session's repository, and of this one again when a session has ended."""

from pathlib import Path

import pytest

from reproductions.harness.runs.provenance import REPOSITORY


def test_a_session_leaves_the_repository_as_it_found_it(tmp_path: Path) -> None:
    before, empty = REPOSITORY.get(), tmp_path / "empty"
    empty.mkdir()
    arguments = ["--collect-only", "-q", "-p", "reproductions.harness.plugin", "--rootdir", str(tmp_path)]
    code = pytest.main([*arguments, "-c", "/dev/null", "--results", str(tmp_path), str(empty)])
    assert code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    assert REPOSITORY.get() == before
