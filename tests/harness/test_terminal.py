"""What a session shows on a terminal while its ranks run: progress, below the line of pytest."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyte
import pytest

from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment, Placement
from reproductions.harness.runs.runner import Runner
from reproductions.harness.runs.settings import Settings
from reproductions.harness.terminal import Forecast, ProgressLine, wrapped

COLUMNS, LINES = 40, 4
OWN = "reproductions/toy/test_toy.py ."


class Terminal:
    """A terminal, pytest's reporter and the plugins around it, as far as the progress line needs them."""

    fullwidth = COLUMNS

    def __init__(self, isatty: bool) -> None:
        self.screen = pyte.Screen(COLUMNS, LINES)
        self.screen.set_mode(pyte.modes.LNM)  # a new line begins on the left
        self.stream, self.isatty, self.text = pyte.Stream(self.screen), isatty, ""

    @property
    def pluginmanager(self) -> Terminal:
        return self

    @property
    def _tw(self) -> Terminal:
        return self

    def get_terminal_writer(self) -> Terminal:
        return self

    def get_plugin(self, name: str) -> Terminal:
        return self

    @contextlib.contextmanager
    def global_and_fixture_disabled(self) -> Iterator[None]:
        yield

    def write(self, text: str, flush: bool = False) -> None:
        self.text += text
        self.stream.feed(text)

    def shown(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display if line.strip()]


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(isatty=True)


def progress(terminal: Terminal, capsys: pytest.CaptureFixture[str], *lines: str) -> None:
    line = ProgressLine(terminal, every=0.0)  # type: ignore[arg-type]
    for text in lines:
        line.last = 0.0
        line(text)
        terminal.write(capsys.readouterr().out)


@pytest.mark.parametrize("before", range(LINES + 1))
def test_the_line_of_pytest_stays_and_goes_on(
    terminal: Terminal, capsys: pytest.CaptureFixture[str], before: int
) -> None:
    terminal.write("line\n" * before + OWN)
    progress(terminal, capsys, "run 1 of 5, 0:10 left", "run 2 of 5")
    assert terminal.shown()[-2:] == [OWN, "run 2 of 5"]
    progress(terminal, capsys, "")
    terminal.write("..")
    assert terminal.shown()[-1] == f"{OWN}.."


def test_a_long_line_is_cut(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.write(OWN)
    progress(terminal, capsys, "long " * 20)
    assert len(terminal.shown()) == 2
    assert terminal.shown()[0] == OWN


def test_a_line_that_stays_is_below_and_progress_is_gone(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.write(OWN)
    progress(terminal, capsys, "run 1 of 5")
    ProgressLine(terminal).announce("needs 3 GB")  # type: ignore[arg-type]
    assert terminal.shown() == [OWN, "needs 3 GB"]


def test_elsewhere_progress_is_lines(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(isatty=False)
    progress(terminal, capsys, "run 1 of 5", "")
    assert terminal.text == "\nrun 1 of 5\n"


def test_what_a_session_says_of_itself_fits_the_terminal(terminal: Terminal) -> None:
    path = "/a/path/of/more/than/forty/columns/that-stays-whole"
    lines = ["reproductions: scale smoke, seeds 8, ranks automatic", "short", f"data {path}"]
    assert wrapped(terminal, lines) == [  # type: ignore[arg-type]
        "reproductions: scale smoke, seeds 8,", "  ranks automatic", "short", "data", f"  {path}",
    ]  # fmt: skip


@dataclass(frozen=True)
class Timed(Experiment):
    """Needs a minute of one core."""

    seed: int
    cost: ClassVar[float] = 60.0
    placement: ClassVar[Placement] = Placement.ALONE

    @property
    def workers(self) -> int:
        return 4

    def execute(self, context: Context) -> None:
        raise NotImplementedError


def test_the_total_counts_every_run_once_and_the_start_of_ranks(tmp_path: Path) -> None:
    plan = Forecast(Runner(Settings(ranks=2, device="cpu", results=tmp_path)))
    assert plan.module([Timed(seed) for seed in range(4)]) == "4 runs, 4 to make, about 2:00 on cpu"
    assert plan.module([Timed(seed) for seed in range(3)]) == "3 runs, 3 to make, about 1:30 on cpu"
    assert plan.total() == "in all: 4 runs to make, about 2:06 on cpu"


@dataclass(frozen=True)
class Trained(Timed):
    """Computes so many samples, of which a core was seen to compute half a million a second."""

    samples: ClassVar[int] = 30_000_000  # type: ignore[misc]

    def speed(self, context: Context) -> float:
        return 5e5


@pytest.mark.parametrize(("scale", "ranks", "said"), [
    ("smoke", 2, "4 runs, 4 to make, about 2:00 on cpu"),
    ("small", 2, "4 runs, 4 to make, 120 million samples at 500000 a second and core, about 2:00 on cpu"),
    ("paper", 1, "4 runs, 4 to make, 120 million samples at 500000 a second and core, about 4:00 on cpu"),
])  # fmt: skip
def test_beyond_smoke_scale_the_time_is_that_of_a_trial(scale: str, ranks: int, said: str, tmp_path: Path) -> None:
    plan = Forecast(Runner(Settings(scale=scale, ranks=ranks, device="cpu", results=tmp_path)))
    assert plan.module([Trained(seed) for seed in range(4)]) == said
