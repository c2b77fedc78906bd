"""--nice: ranks compute at the lowest priority, within their session and against others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import os
from pathlib import Path
from reproductions.harness.runs.ranks import give_way
give_way()
group = Path("/proc/self/autogroup")
print(os.nice(0), group.read_text().split()[-1] if group.exists() else "none")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no nice values")
def test_a_rank_gives_way_to_its_session_and_to_others() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, start_new_session=True
    )
    grouped = Path("/proc/self/autogroup").exists()
    assert done.stdout.split() == ["19", "19" if grouped else "none"]
    assert os.nice(0) < 19
