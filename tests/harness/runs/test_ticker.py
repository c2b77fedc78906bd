"""How far a launch is, from the files of its ranks to the line with the time left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment
from reproductions.harness.runs.progress import Progress, Ticker, duration


@dataclass(frozen=True)
class Costly(Experiment):
    """Takes a known time."""

    seconds: float

    @property
    def workers(self) -> int:
        return 1

    @property
    def cost(self) -> float:
        return self.seconds

    def execute(self, context: Context) -> None:
        raise NotImplementedError


CHEAP, LONG = Costly(1.0), Costly(6.0)


class Launch:
    """A launch of one long and two cheap runs, with a clock that a test sets."""

    def __init__(self, folder: Path) -> None:
        self.now, self.said, self.stays = 0.0, list[str](), list[str]()
        runs = [CHEAP, CHEAP, LONG]
        self.tick = Ticker(folder, runs, 2, self.said.append, self.stays.append, clock=lambda: self.now)
        self.ranks = [Progress(folder, rank) for rank in range(2)]

    def at(self, now: float) -> str:
        self.now = now
        self.tick()
        return self.said[-1]


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    return Launch(tmp_path)


def test_time_left_is_weighted_by_cost(launch: Launch) -> None:
    assert launch.at(0) == "starting 2 ranks for 3 runs"
    launch.ranks[0].of(CHEAP)(0.0)
    assert launch.at(5) == "run 1 of 3 on 2 ranks"
    launch.ranks[0].finished(CHEAP)
    launch.ranks[1].finished(CHEAP)
    assert launch.at(7) == "run 3 of 3 on 2 ranks, 0:06 left"  # two of eight seconds took two


def test_a_part_of_a_run_counts(launch: Launch) -> None:
    launch.ranks[1].of(LONG)(0.0)
    launch.at(0)
    launch.ranks[0].finished(CHEAP)
    launch.ranks[1].written = 0.0
    launch.ranks[1].of(LONG)(0.5)
    assert launch.at(4) == "run 2 of 3 on 2 ranks, 0:04 left"


def test_what_a_checkpoint_held_took_no_time(launch: Launch) -> None:
    launch.ranks[0].of(LONG)(0.5)
    launch.at(0)
    launch.ranks[0].finished(LONG)
    assert launch.at(6) == "run 2 of 3 on 2 ranks, 0:04 left"


def test_announcements_of_the_first_rank_stay(launch: Launch) -> None:
    for rank in launch.ranks:
        rank.announce(f"from {rank.rank}")
    launch.at(0)
    assert launch.stays == ["from 0"]


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (65, "1:05"), (7380, "2:03:00")])
def test_a_duration_is_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text
