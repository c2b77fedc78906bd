"""Exchange folders are removed: at the end, and at the next start if their owner was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reproductions.harness.runs.exchange import OWNER, owned_folder
from tests.harness.toy_session import ROOT

HOLDS = """
import sys, time
from pathlib import Path
from reproductions.harness.runs.exchange import owned_folder
with owned_folder(Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.fault("what killed sessions left")
def test_what_a_killed_process_left_is_removed_at_the_next_start(tmp_path: Path, number: signal.Signals) -> None:
    command, environment = [sys.executable, "-c", HOLDS, str(tmp_path)], os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        (left,) = tmp_path.iterdir()
        with owned_folder(tmp_path):
            assert left.exists(), "the folder of a process that lives was removed"
        owner.send_signal(number)
        owner.wait(30)
    assert left.exists()
    with owned_folder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault("what killed sessions left")
def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / ".launch-of-an-earlier-version").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / OWNER).touch()
    (tmp_path / ".launch-link").mkdir()
    (tmp_path / ".launch-link" / OWNER).symlink_to(tmp_path / "elsewhere" / OWNER)
    before = sorted(tmp_path.rglob("*"))
    with owned_folder(tmp_path):
        pass
    assert sorted(tmp_path.rglob("*")) == before
