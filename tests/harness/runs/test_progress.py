"""How sessions with a time limit go on, with launches that do what a script says."""

import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reproductions.harness.runs import runner
from reproductions.harness.runs.checkpoints import Checkpoints
from reproductions.harness.runs.deadline import Deadline, OutOfTime
from reproductions.harness.runs.launcher import LimitReached, RanksFailed
from reproductions.harness.runs.progress import START
from reproductions.harness.runs.runner import Runner
from reproductions.harness.runs.settings import Settings
from reproductions.harness.runs.store import RunStore
from reproductions.harness.runs.work import Job
from tests.harness.toy_experiments import Toy

GRID = [Toy("", 1.0, seed) for seed in range(5)]


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

    def _launch(self, module: str, folder: Path, ranks: int, limit: float, *rest: Any, **more: Any) -> None:
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
    session.upcoming = list(GRID)
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
