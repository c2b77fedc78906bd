"""What a session writes to the terminal while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from reproductions.harness.experiment import Experiment
from reproductions.harness.links import OnHosts
from reproductions.harness.runner import Runner, duration
from reproductions.harness.settings import Settings


def plan(runner: Runner, grid: Callable[[Settings], Sequence[Experiment]]) -> str:
    """Say what will be run, on what, and about how long it takes; the session wants these runs from now on."""
    settings, experiments = runner.settings, list(dict.fromkeys(grid(runner.settings)))
    runner.want(experiments)
    missing = [experiment for experiment, _ in runner.missing(experiments)]
    if settings.network != "real" and any(isinstance(experiment, OnHosts) for experiment in missing):
        return f"{len(experiments)} runs, for --network real only"
    return f"{len(experiments)} runs, {len(missing)} to make{_estimate(settings, missing)}"


def _estimate(settings: Settings, missing: Sequence[Experiment]) -> str:
    """Say how long experiments take, by what a CPU needs; of a GPU, that is seen as they run."""
    if not missing or settings.resolved_device != "cpu":
        return f" on {settings.resolved_device}" if missing else ""
    seconds = sum(experiment.cost / settings.processes(experiment.workers) for experiment in missing)
    return f", about {duration(seconds + 6)} on cpu"


class ProgressLine:
    """Shows progress in place on a terminal, and now and then as a line elsewhere."""

    def __init__(self, config: pytest.Config, every: float = 30.0) -> None:
        self.config, self.every, self.last = config, every, time.monotonic()

    def __call__(self, line: str) -> None:
        """Show a line, unless one was shown a moment ago."""
        if time.monotonic() - self.last < (0.5 if self._tty else self.every):
            return
        self.last = time.monotonic()
        self._write(f"\r{line}\033[K" if self._tty else f"\n{line}")

    def announce(self, line: str) -> None:
        """Show a line that stays."""
        self._write(f"\r{line}\033[K\n" if self._tty else f"\n{line}\n")

    @property
    def _reporter(self) -> Any:
        return self.config.pluginmanager.get_plugin("terminalreporter")

    @property
    def _tty(self) -> bool:
        return self._reporter is not None and self._reporter.isatty

    def _write(self, text: str) -> None:
        capture: Any = self.config.pluginmanager.get_plugin("capturemanager")
        if self._reporter is not None:
            with capture.global_and_fixture_disabled():
                self._reporter.write(text, flush=True)
