"""Session: what the plugin knows while pytest runs, and why a test was not run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from _pytest.outcomes import Failed  # pytest.fail.Exception, as a type

from reproductions.harness.runs.deadline import OutOfTime
from reproductions.harness.runs.experiment import Experiment
from reproductions.harness.runs.free_memory import DoesNotFit
from reproductions.harness.runs.labelled import Label, Runs
from reproductions.harness.runs.launcher import RanksFailed
from reproductions.harness.runs.own import exchanged
from reproductions.harness.runs.provenance import provenance
from reproductions.harness.runs.runner import NetworkError, Runner
from reproductions.harness.runs.settings import Settings
from reproductions.harness.runs.store import Run
from reproductions.harness.verdicts.claims import Claim, ClaimsError, find_claims, of_folder
from reproductions.harness.verdicts.plans import Plan
from reproductions.harness.verdicts.record import Verdict
from reproductions.harness.verdicts.verdict import Decider, diverged

Grid = Mapping[Label, Sequence[Experiment]]
"""Experiments by label, one for each seed."""


@dataclass
class Session:
    """What the plugin knows.

    Attributes
    ----------
    settings, runner
        Options of the session, and what makes its runs.
    deciders
        What decides each claim whose test began.
    verdicts
        Verdict of every claim whose test ended.
    claims
        Claims of every file of which a test decides something, in the order of the file.
    here
        Provenance of the session.
    notes, faults
        What is said at the end about evidence that was kept, and about what fails the session.
    unwritten
        By file, why it could not be written so far, and the verdicts that it lacks, by claim.
    plans
        By name of a test module, how many seeds its claims need.
    grids
        What the function ``experiments`` of a test module returned: it is called once.
    """

    settings: Settings
    runner: Runner
    deciders: dict[str, Decider] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    here: dict[str, Any] = field(default_factory=provenance)
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    unwritten: dict[Path, tuple[str, dict[str, Verdict]]] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    grids: dict[str, Grid] = field(default_factory=dict)

    def settings_of(self, module: ModuleType) -> Settings:
        """Return the settings of a test module: those of the session, with the seeds that are planned for it."""
        plan = self.plans.get(module.__name__)
        return replace(self.settings, seeds=plan.seeds, seeds_given=True) if plan else self.settings

    def grid(self, module: ModuleType) -> Grid:
        """Return the experiments of a test module by label."""
        if module.__name__ not in self.grids:
            self.grids[module.__name__] = module.experiments(self.settings_of(module))
        return self.grids[module.__name__]

    def own_grid(self, module: ModuleType) -> Grid:
        """Return the labels of a test module whose algorithm that of one's own can replace, with it in its place."""
        if not self.settings.algorithm:
            return {}
        own = self.settings.algorithm
        made = {label: [exchanged(each, own) for each in group] for label, group in self.grid(module).items()}
        return {label: [each for each in group if each] for label, group in made.items() if all(group)}

    def runs(self, grid: Grid) -> Runs[Experiment]:
        """Return the runs of a grid by label; see `make`."""
        each = iter(self.make(flat(grid)))
        return Runs({label: [next(each) for _ in group] for label, group in grid.items()})

    def make(self, experiments: Sequence[Experiment]) -> list[Run[Experiment]]:
        """Run experiments; where they cannot be, end the test that asks for them: a skip, `Refused` or `LaunchFailed`.

        How many diverged is said at the end of the session.
        """
        try:
            made = self.runner.run(experiments)
        except (data_error(), NetworkError, OutOfTime) as error:
            pytest.skip(str(error))
        except DoesNotFit as error:
            raise Refused(str(error)) from None
        except RanksFailed as error:
            raise LaunchFailed(str(error)) from None
        self.name_diverged(made)
        return made

    def name_diverged(self, runs: Sequence[Run]) -> None:
        """Take note of how many runs have a loss that left all bounds, and of the settings of the first."""
        note = diverged(runs)
        self.notes += [note] if note and note not in self.notes else []


SESSION = pytest.StashKey[Session]()


def flat(grid: Grid) -> list[Experiment]:
    """Return all experiments of a grid, in order."""
    return list(chain.from_iterable(grid.values()))


def claims_of(test: pytest.Item | pytest.Module) -> tuple[Path, dict[str, Claim]]:
    """Return the claims file that belongs to a test and its claims; a UsageError if there is none or it is wrong."""
    try:
        path = find_claims(test.path)
        return path, of_folder(path)
    except ClaimsError as error:
        raise pytest.UsageError(str(error)) from None


def claim_of(test: pytest.Item) -> Claim | None:
    """Return the claim that a test decides, None if it decides none; a UsageError if its claims file lacks it."""
    marker = test.get_closest_marker("claim")
    if marker is None:
        return None
    path, claims = claims_of(test)
    if marker.args[0] not in claims:
        raise pytest.UsageError(f"{test.nodeid} decides the claim {marker.args[0]!r}, which {path} does not have")
    return claims[marker.args[0]]


def data_error() -> type[Exception]:
    """Return what workloads raise whose data are not here; it is asked for when something was raised.

    Workloads need torch, which takes two seconds to load: a session loads it if its experiments do.
    """
    from reproductions.workloads.base import DataError

    return DataError


def plans_only(config: pytest.Config) -> bool:
    """Whether the options of pytest say that no test is run."""
    return any(config.getoption(name, False) for name in ("collectonly", "setupplan", "setuponly"))


class LaunchFailed(Failed):
    """A test whose ranks did not end well: it fails with what they said, not with where they were waited for."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, pytrace=False)


class Refused(LaunchFailed):
    """A test whose runs do not fit into memory, which an option changes: it fails, and its claim is not run."""
