"""Sessions with a time limit: what stops, what is said, and that the same command comes to an end."""

import json
import math
import pickle
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reproductions.harness import runner
from reproductions.harness.checkpoints import Checkpoints
from reproductions.harness.claims import load_claims
from reproductions.harness.deadline import Deadline, OutOfTime, parsed, written
from reproductions.harness.launcher import LimitReached, RanksFailed, launch
from reproductions.harness.ranks import Job
from reproductions.harness.runner import Runner
from reproductions.harness.settings import Settings
from reproductions.harness.store import RunStore
from reproductions.harness.tally import START
from reproductions.harness.verdicts import open_verdict, write
from tests.harness.toy_experiments import Toy
from tests.harness.toy_session import ROOT, TOY, Session

GRID = [Toy("", 1.0, seed) for seed in range(5)]


@pytest.mark.parametrize(
    ("text", "seconds", "again"),
    [
        ("540", 540, "9m"), ("540s", 540, "9m"), ("9m", 540, "9m"), ("1h30m", 5400, "1h30m"), ("2h", 7200, "2h"),
        ("1h5s", 3605, "1h5s"), ("0.5s", 0.5, "0.5s"), ("90m", 5400, "1h30m"),
    ],
)  # fmt: skip
def test_times_are_read_and_written(text: str, seconds: float, again: str) -> None:
    assert parsed(text) == seconds
    assert written(parsed(text)) == again


@pytest.mark.parametrize("text", ["", "0", "0m", "m", "9x", "-5", "1m1h", "1h30", "inf", "nan", "9 m"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"is {text!r}, but must be a time above 0, such as 540, 540s, 9m")):
        parsed(text)


# ------------------------------------------------------------------------------- sessions whose launches are scripted


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


Script = Callable[[Job, Path, float], None]


class Sessions:
    """Sessions of ten minutes on one results folder, whose ranks do what a script says."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.scripts, self.limits = folder, list[Script](), list[float]()
        monkeypatch.setattr(runner, "launch", self._launch)

    def _launch(self, module: str, folder: Path, ranks: int, limit: float, *rest: Any) -> None:
        self.limits.append(limit)
        self.scripts.pop(0)(pickle.loads((folder / "job.pickle").read_bytes()), folder, limit)

    def new(self, rerun: bool = False, **settings: Any) -> Runner:
        self.clock = Clock()
        options = Settings(ranks=2, device="cpu", results=self.folder, rerun=rerun, **settings)
        made = Runner(options, deadline=Deadline(600.0, 0.0, self.clock))
        made.want(GRID)
        return made

    def stop_after(self, count: int) -> Script:
        """Return what makes so many runs and stops in the next."""

        def script(job: Job, folder: Path, limit: float) -> None:
            for key in job.keys[:count]:
                store(job, key)
            if count < len(job.keys):
                (folder / f"begun-{job.keys[count]}").touch()
                (folder / "stopped").touch()

        return script

    def killed_after(self, count: int) -> Script:
        """Return what makes so many runs and is ended at its limit in the next."""

        def script(job: Job, folder: Path, limit: float) -> None:
            self.stop_after(count)(job, folder, limit)
            self.clock.now += limit
            raise LimitReached("did not finish within the limit")

        return script


def store(job: Job, key: str) -> None:
    RunStore(job.store).save(key, pd.DataFrame({"step": [1], "metric": ["loss"], "value": [1.0]}), {"ranks": 2})


@pytest.fixture
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    return Sessions(tmp_path, monkeypatch)


def test_a_stopped_session_says_how_far_it_is_and_the_next_goes_on(sessions: Sessions) -> None:
    sessions.scripts = [sessions.stop_after(2), sessions.stop_after(2), sessions.stop_after(1)]
    for made in (2, 4):
        session = sessions.new()
        for _ in range(2):  # a second figure does not start ranks again
            with pytest.raises(
                OutOfTime, match=f"of 10m was reached with {made} of 5 runs made; the same command goes"
            ):
                session.run(GRID)
    session = sessions.new()
    assert len(session.run(GRID)) == 5
    assert not session.tally.reached
    assert sessions.scripts == []


def test_what_is_stored_is_there_after_a_stop(sessions: Sessions) -> None:
    sessions.scripts = [sessions.stop_after(2)]
    session = sessions.new()
    with pytest.raises(OutOfTime):
        session.run(GRID)
    assert len(session.run(GRID[:2])) == 2


def test_planned_runs_that_are_not_made_leave_those_asked_for(sessions: Sessions) -> None:
    sessions.scripts = [sessions.stop_after(2)]
    session = sessions.new()
    session.planned = list(GRID)
    assert len(session.run(GRID[:2])) == 2
    assert session.tally.reached


def test_a_session_that_added_nothing_names_the_run_and_does_not_go_on(sessions: Sessions) -> None:
    sessions.scripts = [sessions.killed_after(2), sessions.killed_after(0)]
    with pytest.raises(OutOfTime, match="the same command goes on"):
        sessions.new().run(GRID)
    session = sessions.new()
    with pytest.raises(OutOfTime, match=r"added nothing: it was too short for Toy\(.*seed=2.*\); raise --time-limit"):
        session.run(GRID)
    assert not session.tally.progressed


def test_a_checkpoint_is_progress_until_it_stays_where_it_is(sessions: Sessions) -> None:
    def script(step: int) -> Script:
        def save(job: Job, folder: Path, limit: float) -> None:
            Checkpoints(RunStore(job.store).checkpoint(job.keys[0])).save(step, 8, range(2), {}, None)
            sessions.killed_after(0)(job, folder, limit)

        return save

    sessions.scripts = [script(1), script(2), script(2)]
    for part in ("12%", "25%"):
        with pytest.raises(OutOfTime, match=rf"0 of 5 runs made and 1 begun \({part}\); the same command goes on"):
            sessions.new().run(GRID)
    with pytest.raises(OutOfTime, match="raise --time-limit"):
        sessions.new().run(GRID)


def test_ranks_are_not_started_without_the_time_to_start_them(sessions: Sessions) -> None:
    session = sessions.new()
    sessions.clock.now = 590 - START + 0.1
    with pytest.raises(OutOfTime, match="with 0 of 5 runs made, but this session added nothing; raise --time-limit"):
        session.run(GRID)
    assert not sessions.limits


def test_ranks_are_ended_at_the_limit_or_at_that_of_their_launch(sessions: Sessions) -> None:
    sessions.scripts = [sessions.killed_after(0), sessions.killed_after(0)]
    session = sessions.new()
    sessions.clock.now = 500.0
    with pytest.raises(OutOfTime):
        session.run(GRID)
    with pytest.raises(LimitReached):  # a deadlock, and there was time
        sessions.new(run_timeout=60.0).run(GRID)
    assert sessions.limits == [95.0, 60.0]
    assert Deadline(600.0, 0.0).stop == 590


def test_ranks_that_end_late_but_made_everything_stop_nothing(sessions: Sessions) -> None:
    sessions.scripts = [sessions.killed_after(5)]
    session = sessions.new()
    assert len(session.run(GRID)) == 5
    assert not session.tally.reached


def test_a_failure_is_a_failure_although_the_limit_is_reached(sessions: Sessions) -> None:
    def fail(job: Job, folder: Path, limit: float) -> None:
        sessions.clock.now += limit
        raise RanksFailed("rank 1 raised")

    sessions.scripts = [fail]
    with pytest.raises(RanksFailed, match="rank 1 raised"):
        sessions.new().run(GRID)


def test_warnings_of_ranks_reach_the_user(sessions: Sessions) -> None:
    def warn(job: Job, folder: Path, limit: float) -> None:
        (folder / f"warning-{job.keys[0]}").write_text("the checkpoint is damaged")
        sessions.stop_after(5)(job, folder, limit)

    sessions.scripts = [warn]
    with pytest.warns(UserWarning, match="the checkpoint is damaged"):
        sessions.new().run(GRID)


def test_asking_again_to_make_every_run_again_comes_to_an_end(sessions: Sessions) -> None:
    sessions.scripts = [sessions.stop_after(5), *(sessions.stop_after(2) for _ in range(3)), sessions.stop_after(5)]
    sessions.new().run(GRID)
    for made in (2, 4):
        session = sessions.new(rerun=True)
        with pytest.raises(OutOfTime, match=f"with {made} of 5 runs made; the same command goes on"):
            session.run(GRID)
        session.tally.end(complete=False)
    session = sessions.new(rerun=True)
    assert len(session.run(GRID)) == 5
    session.tally.end(complete=True)
    session = sessions.new(rerun=True)  # begins anew
    assert len(session.missing(GRID)) == 5
    session.run(GRID)
    assert not sessions.scripts


def test_a_run_that_fails_when_made_again_is_not_taken_for_made(sessions: Sessions) -> None:
    def fail(job: Job, folder: Path, limit: float) -> None:
        raise RanksFailed("rank 1 raised")

    sessions.scripts = [sessions.stop_after(5), fail]
    sessions.new().run(GRID)
    session = sessions.new(rerun=True)
    with pytest.raises(RanksFailed):
        session.run(GRID)
    assert len(session.missing(GRID)) == 5


def test_without_a_limit_nothing_is_remembered(tmp_path: Path) -> None:
    session = Runner(Settings(ranks=1, device="cpu", results=tmp_path, rerun=True))
    assert session.deadline.stop == session.deadline.left == math.inf
    session.tally.end(complete=False)
    assert not list(tmp_path.rglob(".rerun.json"))


def test_a_verdict_that_had_no_time_replaces_only_one_of_its_kind(tmp_path: Path) -> None:
    path, claims = tmp_path / "verdicts.json", list(load_claims(TOY / "claims.yaml").values())[:4]
    earlier = [open_verdict(claim, "smoke", "test") for claim in claims[:3]]
    for verdict, outcome in zip(earlier, ("reproduced", "not run", "crashed"), strict=True):
        verdict.verdict = outcome
    write(path, earlier, keep=True)
    late = [open_verdict(claim, "smoke", "test") for claim in claims]
    for verdict in late:
        verdict.verdict, verdict.reason = "not run", "time"
    write(path, late, keep=True, late={verdict.id for verdict in late})
    rows = json.loads(path.read_text())["claims"]
    assert [row["verdict"] for row in rows] == ["reproduced", "not run", "crashed", "not run"]
    assert [row["reason"] == "time" for row in rows] == [False, True, False, True]


# ------------------------------------------------------------------------------------------------ ranks and sessions


def test_ranks_begin_nothing_after_a_stop_and_keep_what_they_made(tmp_path: Path) -> None:
    (tmp_path / "what").write_text("launches")
    launch("tests.harness.resume_ranks", tmp_path, 2, 60.0)
    assert json.loads((tmp_path / "found.json").read_text()) == {
        "too late": [[], True],
        "together": [["0"], True],
        "alone": [["0", "2", "4"], True],  # rank 1 has no reason to stop
        "in time": [["0", "1"], False],
    }


HALTING = """
import os
from reproductions.harness.plugin import decides
from reproductions.harness.statistics import within
from tests.harness.toy_experiments import Halting, Toy

MARKS = os.environ["TOY_MARKS"]

def experiments(settings):
    return [Toy(MARKS, 1.0, 0), Halting(MARKS, 1.0, 1), Toy(MARKS, 1.0, 2), Toy(MARKS, 1.0, 3)]

@decides("toy-number")
def test_number(claim, runs):
    claim.decide(within([run.final("loss") for run in runs], 0.9, 1.1), runs=runs)
"""


def test_the_loop_of_the_readme_ends_with_the_last_session(session: Session) -> None:
    session.write_test(HALTING)
    readme = (ROOT / "README.md").read_text()
    loop = re.search(r"^while (pytest .*?) --time-limit 9m.*\n", readme, re.MULTILINE)
    assert loop, "the README has no loop"
    script = loop[0].replace(loop[1], '"$@"')
    command = ["sh", "-c", f"{script}\nexit $code", "sh", *session.command(str(session.paper))]
    done = subprocess.run(
        command, cwd=session.folder, env=session.environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = done.stdout.split("test session starts")[1:]
    sentence = "the time limit of 9m was reached with 1 of 4 runs made and 1 begun (50%); the same command goes on"
    last = first.split("\n=====")[-2].strip().splitlines()[-1]
    assert last.startswith(f"{sentence}: pytest -p reproductions.harness.plugin")
    assert last.endswith("--time-limit 9m")
    assert "1 skipped" in first
    assert "1 reproduced" in second
    assert session.executed() == ["1.0 0", "1.0 1", "1.0 2", "1.0 3"]


def test_a_limit_shorter_than_the_start_of_ranks_fails_at_once(session: Session) -> None:
    verdicts = session.results / "smoke" / "verdicts.json"
    decided = open_verdict(load_claims(TOY / "claims.yaml")["toy-number"], "smoke", "earlier")
    decided.verdict = "reproduced"
    write(verdicts, [decided])
    result = session.run(str(session.paper), "--time-limit", "1s", "-k", "number")
    assert result.returncode == 1
    assert "with 0 of 5 runs made, but this session added nothing; raise --time-limit" in result.stdout.splitlines()[-1]
    assert "5 skipped" in result.stdout
    found = {name: row["verdict"] for name, row in session.verdicts().items()}
    assert found.pop("toy-number") == "reproduced"
    assert list(found.values()) == ["not run"] * 4
