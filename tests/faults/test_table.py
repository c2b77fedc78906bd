"""The table of faults: what it counts, and that it ends a session."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.toy_session import ROOT

FAULTY = """
import pytest

@pytest.mark.fault("cuts")
@pytest.mark.parametrize("i", range(3))
def test_cut(i):
    if i == 2:
        pytest.skip("not here")
    assert i == 0

@pytest.mark.fault
def test_many(request):
    request.node.user_properties.append(("faults", ["bends", 40, 40]))
"""


@pytest.mark.parametrize("processes", [(), ("-n", "1")])
def test_it_is_the_last_thing_that_a_session_says(tmp_path: Path, processes: tuple[str, ...]) -> None:
    hooks = "pytest_runtest_makereport, pytest_sessionfinish"
    (tmp_path / "conftest.py").write_text(f"from tests.conftest import {hooks}\n")
    (tmp_path / "test_faulty.py").write_text(FAULTY)
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(tmp_path), "-p", "no:cacheprovider"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, *processes, str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout.splitlines()[-3:] == [
        "bends      40 tried      40 survived",
        "cuts        2 tried       1 survived",
        "all        42 tried      41 survived",
    ]
