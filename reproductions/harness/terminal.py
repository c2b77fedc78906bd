"""What a session writes to the terminal while it runs."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import pytest

from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment, Placement
from reproductions.harness.runs.progress import duration
from reproductions.harness.runs.runner import Runner
from reproductions.harness.runs.settings import Settings

START = 6.0  # seconds until the ranks of a launch begin

# control sequences of a terminal: make room below and come back, remember the place, erase to the end of the line
BELOW, SAVE, DOWN, ERASE, RESTORE = "\033D\033M", "\0337", "\033[1B\r", "\033[K", "\0338"


def wrapped(config: pytest.Config, lines: Iterable[str]) -> list[str]:
    """Break lines that are wider than the terminal."""
    width = config.get_terminal_writer().fullwidth
    options: dict[str, Any] = {"subsequent_indent": "  ", "break_long_words": False, "break_on_hyphens": False}
    return [part for line in lines for part in textwrap.wrap(line, width, **options)]


class Forecast:
    """What a session will run, module by module, and about how long it takes; the session wants these runs.

    Beyond smoke scale, where it is hours, the time is that of a two-second trial of each network on this machine.
    """

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.todo: dict[Experiment, str] = {}
        self.context = Context(data=runner.settings.data, precision=runner.settings.precision)

    def module(self, grid: Sequence[Experiment]) -> str:
        """Say what the runs of a module are."""
        experiments = list(dict.fromkeys(grid))
        self.runner.want(experiments)
        missing = dict(self.runner.missing(experiments))
        if not all(map(self.runner.reaches, missing)):
            return f"{len(experiments)} runs, for --network real only"
        self.todo |= missing
        return f"{len(experiments)} runs, {len(missing)} to make{self._samples(missing)}{self._on(missing)}"

    def total(self) -> str:
        """Say how much there is to do in all, each run once, with the starts of ranks."""
        launches = {each.placement if each.placement.rank_each else Placement.SHARED for each in self.todo}
        return f"in all: {len(self.todo)} runs to make{self._on(self.todo, START * len(launches))}"

    def _samples(self, missing: Collection[Experiment]) -> str:
        """Say how many samples there are to compute, and how fast one core is at it."""
        tried = {each: self._speed(each) for each in missing if self._speed(each)}
        if not tried:
            return ""
        speeds = sorted({round(speed) for speed in tried.values()})
        pace = f"{speeds[0]}" if len(speeds) == 1 else f"{speeds[0]} to {speeds[-1]}"
        return f", {sum(each.samples for each in tried) / 1e6:.3g} million samples at {pace} a second and core"

    def _speed(self, experiment: Experiment) -> float:
        """Return the samples that one core was seen to compute in a second; 0 where that was not tried."""
        settings = self.runner.settings
        tried = settings.scale != "smoke" and settings.resolved_device == "cpu" and experiment.samples
        return experiment.speed(self.context) if tried else 0.0

    def _on(self, missing: Collection[Experiment], starts: float = 0.0) -> str:
        """Say where experiments run, and how long by what a CPU needs; of a GPU, that is seen as they run."""
        settings = self.runner.settings
        if not missing or settings.resolved_device != "cpu":
            return f" on {settings.resolved_device}" if missing else ""
        alone = sum(each.placement is Placement.ALONE for each in missing)
        seconds = sum(self._seconds(each) / _cores(settings, each, alone) for each in missing)
        return f", about {duration(seconds + starts)} on cpu"

    def _seconds(self, experiment: Experiment) -> float:
        """Return the seconds of one core: by its speed, or by the estimate of the experiment."""
        speed = self._speed(experiment)
        return experiment.samples / speed if speed else experiment.cost


def _cores(settings: Settings, experiment: Experiment, alone: int) -> int:
    """Return how many cores work on an experiment, or on one of so many that run alone."""
    if experiment.placement.rank_each:
        return 1
    return settings.processes(alone if experiment.placement is Placement.ALONE else experiment.workers)


class ProgressLine:
    """Shows progress below the line of pytest on a terminal, and now and then as a line elsewhere."""

    def __init__(self, config: pytest.Config, every: float = 30.0) -> None:
        self.config, self.every, self.last = config, every, time.monotonic()

    def __call__(self, line: str) -> None:
        """Show a line, unless one was shown a moment ago; an empty one takes away what a terminal shows."""
        if line and time.monotonic() - self.last < (0.5 if self._tty else self.every):
            return
        self.last = time.monotonic()
        if self._tty:
            self._write(f"{BELOW}{SAVE}{DOWN}{line[: self._reporter._tw.fullwidth - 1]}{ERASE}{RESTORE}")
        elif line:
            self._write(f"\n{line}\n")

    def announce(self, line: str) -> None:
        """Show a line that stays."""
        self("") if self._tty else None
        self._write(f"\n{line}\n")

    @property
    def _reporter(self) -> Any:
        return self.config.pluginmanager.get_plugin("terminalreporter")

    @property
    def _tty(self) -> bool:
        return self._reporter is not None and self._reporter.isatty

    def _write(self, text: str) -> None:
        """Write past the capture; pytest counts the columns of what it writes itself, so it is told of whole lines."""
        capture: Any = self.config.pluginmanager.get_plugin("capturemanager")
        if self._reporter is not None:
            with capture.global_and_fixture_disabled():
                self._reporter.write(text, flush=True) if "\n" in text else print(text, end="", flush=True)
