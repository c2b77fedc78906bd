"""The part of the pytest plugin that puts an algorithm of one's own beside those of the papers: ``--algorithm``.

A test that reads runs is called once more when it has ended, with the same runs made by one's own algorithm. What it
draws then becomes dashed curves in a copy of its figure. What it decides then says whether the statement holds of that
algorithm: only where all runs of the test are of one algorithm, so that the statement is about it alone. Verdicts,
figures and frames of the paper stay as they are: what is found here has a folder of its own.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from reproductions.harness.figures import FigureFolder
from reproductions.harness.overlay import Sketch, Sketchbook, differences, overlay, written
from reproductions.harness.runs.experiment import Experiment
from reproductions.harness.runs.labelled import Runs
from reproductions.harness.session import Grid, Session, data_error, flat
from reproductions.harness.terminal import Forecast, wrapped
from reproductions.harness.verdicts.record import Verdict, open_verdict
from reproductions.harness.verdicts.verdict import Decider

if TYPE_CHECKING:
    import pandas as pd

CLAIMS = "claims.csv"  # what the claims say of one's own algorithm


class Beside:
    """What is known of one's own algorithm while pytest runs.

    Parameters
    ----------
    session
        A session whose settings have the algorithm.
    """

    def __init__(self, session: Session) -> None:
        assert session.settings.algorithm is not None
        self.session, self.own = session, session.settings.algorithm
        self.lines: list[str] = []
        self.faults: list[str] = []
        self.claims: dict[str, Verdict] = {}
        self.lost: dict[str, str] = {}  # by claim, which of one's own runs diverged
        self.modules: list[ModuleType] = []
        self.made: dict[str, Runs] = {}
        self.without: set[str] = set()  # test modules whose runs could not be made

    # ----------------------------------------------------------------------------------------------------- hooks

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Find the tests that the algorithm has a place in, after -k has selected some; one is needed."""
        found = [item.module for item in items if isinstance(item, pytest.Function) and self._reads(item)]
        self.modules = [module for module in dict.fromkeys(found) if self._grid(module)]
        joined = any(getattr(module, "OWN_JOINS", False) for module in found)  # which takes it into its own grid
        if items and not self.modules and not joined:
            raise pytest.UsageError(
                f"--algorithm is {self.own.spec!r}, but no selected test runs an algorithm that it can replace: "
                "select a figure whose experiments have one as their field `algorithm`, such as -k 'rps and figure4b'"
            )

    def pytest_report_collectionfinish(self, config: pytest.Config) -> list[str]:
        """Say how many runs there are to make."""
        line = f"{self.own.spec}: {Forecast(self.session.runner).module(self._all())}"
        return wrapped(config, [line] if self.modules else [])

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Iterator[None]:
        """After a test has ended, however it did, call it once more."""
        goes_on = True
        try:
            return (yield)
        except (KeyboardInterrupt, SystemExit, pytest.exit.Exception):
            goes_on = False
            raise
        finally:
            if goes_on and pyfuncitem.module in self.modules and self._reads(pyfuncitem):
                self._again(pyfuncitem)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print what was found."""
        if not self.lines and not self.faults and not self.claims:
            return
        terminalreporter.section(f"{self.own.spec} beside the papers' algorithms")
        for line in [*self.lines, *self._verdicts()]:
            terminalreporter.write_line(line)
        for fault in dict.fromkeys(self.faults):
            terminalreporter.write_line(fault, red=True)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a session whose own runs failed."""
        if self.faults and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    # ------------------------------------------------------------------------------------------------------ runs

    def _reads(self, item: pytest.Function) -> bool:
        """Whether a test draws or decides something from runs."""
        names = item._fixtureinfo.argnames
        return "runs" in names and ("figures" in names or "claim" in names)

    def _grid(self, module: ModuleType) -> Grid:
        """Return the runs with one's own algorithm by label; none if data are not here."""
        try:
            return self.session.own_grid(module)
        except data_error():
            return {}

    def _all(self) -> list[Experiment]:
        return [each for module in self.modules for each in flat(self._grid(module))]

    def _runs(self, module: ModuleType) -> Runs:
        """Return the runs with one's own algorithm by label; the first launch also makes those of the other modules."""
        if module.__name__ not in self.made:
            if self.session.settings.scale == "smoke" and not self.made:
                self.session.runner.upcoming += self._all()
            self.made[module.__name__] = self.session.runs(self._grid(module))
        return self.made[module.__name__]

    # ----------------------------------------------------------------------------------------------------- again

    def _again(self, item: pytest.Function) -> None:
        place = f"{item.path.parent.name}/{item.path.stem}"
        if place in self.without:
            return
        try:
            self._compare(item, place, self._runs(item.module))
        except pytest.skip.Exception as error:
            self.without.add(place)
            self.lines.append(f"{place}: not run with {self.own.name}: {error}")
        except pytest.fail.Exception as error:
            self.without.add(place)
            self.faults.append(f"{self.own.name} failed in its runs, those of the papers did not need it:\n{error}")
        except Exception as error:  # such as a full disk: the test of the paper has ended, and ends as it did
            self.faults.append(f"{place}: nothing was found with {self.own.name}: {type(error).__name__}: {error}")

    def _compare(self, item: pytest.Function, place: str, own: Runs) -> None:
        paper: Any = item.funcargs["runs"]
        replaced = Runs({label: own.get(label, group) for label, group in paper.items()})
        if "claim" in item._fixtureinfo.argnames and _of_one_algorithm(paper):
            self._decide(item, replaced, own)
        if "figures" in item._fixtureinfo.argnames:
            try:
                sketches = [self._sketches(item, runs) for runs in (paper, replaced)]
                for theirs, ours in zip(*sketches, strict=True):
                    self._draw(item, overlay(theirs, ours, self.own.name, set(own) == set(paper)), paper, own)
            except Exception as error:  # a drawing may ask more of an algorithm than runs do
                self.lines.append(f"{place}: its figure cannot be drawn with {self.own.name} ({_why(error)})")
                self._tell(self._folder(item) / f"{item.path.stem}.differences.csv", differences(paper, own))

    def _decide(self, item: pytest.Function, runs: Runs, own: Runs) -> None:
        claim: Any = item.funcargs["claim"]
        verdict = self.claims[claim.claim.id] = self._called(item, runs, Sketchbook(Path(), item.nodeid))
        lost = [label for label, group in own.items() for run in group if run.diverged]
        if lost:
            said = f"{self.own.folder} diverged in {len(lost)} of {len(own.all)} runs, first at {written(lost[0])}"
            self.lost[verdict.id], verdict.reason = said, f"{said}: {verdict.reason}"
        _keep(self._folder(item) / CLAIMS, verdict)

    def _sketches(self, item: pytest.Function, runs: Runs) -> list[Sketch]:
        book = Sketchbook(Path(), item.nodeid)
        verdict = self._called(item, runs, book)
        if verdict and not book.sketches:
            raise _NotDrawn(verdict.reason)
        return book.sketches

    def _called(self, item: pytest.Function, runs: Runs, book: Sketchbook) -> Any:
        """Call a test with other runs; return what it says of its claim, if it has one, in a record of its own."""
        arguments = {name: item.funcargs[name] for name in item._fixtureinfo.argnames}
        arguments |= {"runs": runs} | ({"figures": book} if "figures" in arguments else {})
        if "claim" not in arguments:
            try:
                item.obj(**arguments)
            except (pytest.fail.Exception, pytest.skip.Exception) as error:
                raise _NotDrawn(f"the test ends with {error}") from None
            return None
        paper: Any = arguments["claim"]
        verdict = open_verdict(paper.claim, self.session.settings.scale, item.nodeid)
        try:
            item.obj(**arguments | {"claim": Decider(paper.claim, verdict, paper.family)})
        except (pytest.fail.Exception, pytest.skip.Exception):  # it deviates, or cannot be decided: the record says so
            pass
        except Exception as error:
            verdict.reason = _why(error)
        return verdict

    # ---------------------------------------------------------------------------------------------------- output

    def _folder(self, item: pytest.Function) -> Path:
        figures: Any = item.funcargs.get("figures") or item._request.getfixturevalue("figures")
        return Path(figures.folder) / self.own.folder

    def _draw(self, item: pytest.Function, both: Sketch, paper: Runs, own: Runs) -> None:
        folder = self._folder(item)
        path = FigureFolder(folder, item.nodeid).save(both.name, both.figure, both.frame)
        metrics = list(dict.fromkeys(both.frame["metric"])) if "metric" in both.frame else []
        self.lines.append(f"{folder.parent.name}/{both.name}: {path}")
        self._tell(folder / f"{both.name}.differences.csv", differences(paper, own, metrics))

    def _tell(self, path: Path, frame: pd.DataFrame) -> None:
        """Write differences and print them."""
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(path, index=False, float_format="%.6g")
        seeds = "" if frame.empty else f" over {frame['seeds'].max()} seeds"
        self.lines.append(f"  ends above the paper's by, with 95 % intervals{seeds} ({path.name}):")
        for row in frame.itertuples():
            self.lines.append(f"  {row.metric:20} {row.label:16} {_interval(row)}")

    def _verdicts(self) -> Iterator[str]:
        """Say what the tests of claims say of one's own algorithm."""
        if self.claims:
            yield f"claims of the paper, decided of {self.own.name} in place of its algorithm; why: {CLAIMS}"
        for name, verdict in self.claims.items():
            paper = self.session.verdicts.get(name)
            words = f"{verdict.verdict} (the paper's: {paper.verdict if paper else 'crashed'})"
            yield "  ".join(filter(None, (f"  {name:32} {words}", verdict.found, self.lost.get(name))))


class _NotDrawn(Exception):
    """A test ended without its figure; the message says why."""


def _why(error: Exception) -> str:
    if isinstance(error, _NotDrawn):
        return str(error)
    said = " ".join(str(error).split())
    # such as the bound of a theorem, which is known for one family of algorithms
    if isinstance(error, AssertionError) and (not said or "isinstance" in said):
        return "its test takes no algorithms but those of its paper"
    return f"{type(error).__name__}: {said}"


def _interval(row: Any) -> str:
    if row.difference != row.difference:
        return "no number: a run diverged"
    return f"{row.difference:+.4g} [{row.low:+.4g}, {row.high:+.4g}]"


def _of_one_algorithm(runs: Runs) -> bool:
    """Whether all runs are of one algorithm."""
    return len({getattr(run.experiment, "algorithm", None) for run in runs.all}) == 1


def _keep(path: Path, verdict: Verdict) -> None:
    """Write what was found about a claim into a file with a row for each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows: dict[str, dict[str, Any]] = {}
    if path.exists():
        with path.open(newline="") as file:
            rows = {row["id"]: row for row in csv.DictReader(file)}
    low, high = verdict.interval or ("", "")
    rows[verdict.id] = {
        "id": verdict.id, "verdict": verdict.verdict, "found": verdict.found, "low": low, "high": high,
        "seeds": verdict.seeds, "reason": verdict.reason,
    }  # fmt: skip
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[verdict.id]))
        writer.writeheader()
        writer.writerows(rows.values())
