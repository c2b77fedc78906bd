"""What ranks check first: that their job is the one that was handed over, and that they are what was asked for."""

import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from reproductions.harness.runs import launcher, runner
from reproductions.harness.runs.launcher import RanksFailed
from reproductions.harness.runs.runner import Runner
from reproductions.harness.runs.settings import Settings
from tests.harness.runs.test_dedicated import Dedicated, Shared

MPIEXEC = Path(sys.executable).with_name("mpiexec")


class Hostile:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.fault("ranks that are not what was asked for")
def test_a_job_that_was_swapped_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launch, mark = runner.launch, tmp_path / "mark"

    def swapped(module: str, folder: Path, *rest: Any, **more: Any) -> None:
        (folder / "job.pickle").write_bytes(pickle.dumps(Hostile(mark)))
        launch(module, folder, *rest, **more)

    monkeypatch.setattr(runner, "launch", swapped)
    with pytest.raises(RanksFailed, match=r"rank [01] of 2 raised:\nthe job of this launch was changed") as caught:
        Runner(Settings(ranks=2, device="cpu", results=tmp_path)).run([Shared(2)])
    assert "Traceback" not in str(caught.value)
    assert not mark.exists()


@pytest.mark.parametrize("experiment", [Shared(3), Dedicated(3)])
@pytest.mark.parametrize(
    "command",
    [
        "{python} {{ranks}} one",  # one of the ranks that were asked for
        "{python} {{ranks}} alone",  # each a job of its own
        "{mpiexec} -n 4",  # more than were asked for
    ],
)
@pytest.mark.fault("ranks that are not what was asked for")
def test_ranks_that_are_not_what_was_asked_for_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, experiment: Shared
) -> None:
    script = tmp_path / "launcher"
    script.write_text(STARTER)
    script.chmod(0o755)
    for name, value in launcher.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    line = command.format(python=script, mpiexec=MPIEXEC)
    settings = Settings(ranks=3, device="cpu", results=tmp_path / "results", launcher=line, run_timeout=60)
    with pytest.raises(RanksFailed, match=r"3 ranks were asked for, but this one is of [14]: the launcher") as caught:
        Runner(settings).run([experiment])
    assert "Traceback" not in str(caught.value)
    assert not list((tmp_path / "results" / "runs").glob("*/run.json"))


STARTER = f"""#!{sys.executable}
import subprocess, sys
ranks, how, *command = sys.argv[1:]
started = [subprocess.Popen(command) for _ in range(int(ranks) if how == "alone" else 1)]
sys.exit(max(process.wait() for process in started))
"""
