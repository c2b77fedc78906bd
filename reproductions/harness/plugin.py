"""The pytest plugin: options, claims of every test, runs of every figure, and the table at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from reproductions.harness.claims import ClaimsError, load_claims
from reproductions.harness.deadline import OutOfTime
from reproductions.harness.experiment import Experiment
from reproductions.harness.figures import FigureFolder
from reproductions.harness.memory import DoesNotFit
from reproductions.harness.runner import NetworkError, Runner
from reproductions.harness.settings import Settings, add_options, read_settings
from reproductions.harness.store import Run
from reproductions.harness.terminal import ProgressLine, plan
from reproductions.harness.verdicts import Decider, Verdict, open_verdict, table, write
from reproductions.workloads.base import DataError

pytest_plugins = ["reproductions.harness.time_limit"]

SETTINGS = pytest.StashKey[Settings]()
RUNNER = pytest.StashKey[Runner]()
VERDICTS = pytest.StashKey[dict[str, Verdict]]()
LATE = pytest.StashKey[set[str]]()  # claims that the time limit left undecided
ORDER = pytest.StashKey[dict[str, int]]()  # position of every claim in its file


def decides(*ids: str) -> pytest.MarkDecorator:
    """Parametrize a test over the claims that it decides, one after the other, through its fixture ``claim``."""
    cases = [pytest.param(name, id=name, marks=pytest.mark.claim(name)) for name in ids]
    return pytest.mark.parametrize("claim", cases, indirect=True)


# ------------------------------------------------------------------------------------------------------ session


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the suite."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Read the options, before anything is collected."""
    config.addinivalue_line("markers", "claim(id): the claim of the claims file beside the test that it decides")
    config.stash[SETTINGS] = read_settings(config)
    line = ProgressLine(config)
    config.stash[RUNNER] = Runner(config.stash[SETTINGS], line, line.announce)
    config.stash[VERDICTS], config.stash[ORDER], config.stash[LATE] = {}, {}, set()


def pytest_report_header(config: pytest.Config) -> str:
    """Say at which scale the session runs, and on what."""
    s = config.stash[SETTINGS]
    ranks = s.ranks or "automatic"
    data = s.data or "embedded"
    on = f"ranks {ranks}, device {s.device}, network {s.network}"
    limit = f", time limit {deadline}" if (deadline := config.stash[RUNNER].deadline).limited else ""
    return f"reproductions: scale {s.scale}, seeds {s.seeds}, {on}, data {data}{limit}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check that every claim has a test and every test a claim, before -k deselects anything."""
    decided: dict[Path, set[str]] = {}
    for item in items:
        marker = item.get_closest_marker("claim")
        if marker is None:
            continue
        path = _claims_file(item)
        known = _load(path)
        if marker.args[0] not in known:
            raise pytest.UsageError(f"{item.nodeid} decides the claim {marker.args[0]!r}, which {path} does not have")
        decided.setdefault(path, set()).add(marker.args[0])
        config.stash[ORDER].update({name: position for position, name in enumerate(known)})
    whole = not any("::" in argument for argument in config.args)
    collected = {item.path for item in items}
    for path, ids in decided.items():
        undecided = set(_load(path)) - ids
        if whole and undecided and collected >= set(path.parent.glob("test_*.py")):
            raise pytest.UsageError(f"no test decides these claims of {path}: {', '.join(sorted(undecided))}")


def pytest_report_collectionfinish(config: pytest.Config, items: Sequence[pytest.Item]) -> list[str]:
    """Say what will be run, on what, and about how long it takes."""
    lines = []
    runner, short = config.stash[RUNNER], config.stash[SETTINGS].scale == "smoke"
    for module in dict.fromkeys(item.getparent(pytest.Module) for item in items):
        grid = getattr(module.obj, "experiments", None) if module else None
        if module is None or grid is None:
            continue
        try:
            lines.append(f"{module.path.parent.name}/{module.path.stem}: {plan(runner, grid)}")
            runner.planned += grid(config.stash[SETTINGS]) if short else []
        except DataError as error:
            lines.append(f"{module.path.parent.name}/{module.path.stem}: not run, {error}")
    return lines


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table of reproduced against reported."""
    verdicts = sorted(config.stash[VERDICTS].values(), key=lambda verdict: config.stash[ORDER][verdict.id])
    if not verdicts:
        return
    terminalreporter.section("reproduced against reported")
    for line in table(verdicts, terminalreporter._tw.fullwidth):
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"verdicts: {_verdicts_file(config)}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the verdicts; a test that was interrupted, or had no time, leaves an earlier verdict as it was."""
    config = session.config
    verdicts, late = list(config.stash.get(VERDICTS, {}).values()), config.stash.get(LATE, set())
    if exitstatus == pytest.ExitCode.INTERRUPTED:
        verdicts = [verdict for verdict in verdicts if verdict.verdict != "crashed"]
    if not verdicts:
        return
    write(_verdicts_file(config), verdicts, keep=True, late=late)
    if asked := config.stash[SETTINGS].verdicts:
        write(asked, verdicts)


# --------------------------------------------------------------------------------------------------------- tests


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Open a pessimistic record for the claim of a test."""
    if marker := item.get_closest_marker("claim"):
        claim = _load(_claims_file(item))[marker.args[0]]
        item.config.stash[VERDICTS][claim.id] = open_verdict(claim, item.config.stash[SETTINGS].scale, item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Keep the reason when a test ends before it decides, and fail a test that never decides its claim."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    marker = item.get_closest_marker("claim")
    verdict = item.config.stash[VERDICTS].get(marker.args[0]) if marker else None
    if verdict is None or verdict.verdict != "crashed":
        return report  # type: ignore[return-value]
    refused = call.excinfo is not None and isinstance(call.excinfo.value.__cause__, DoesNotFit)
    if call.excinfo is not None and (report.skipped or refused):
        verdict.verdict, verdict.reason = "not run", str(call.excinfo.value)
        if isinstance(call.excinfo.value.__cause__, OutOfTime):
            item.config.stash[LATE].add(verdict.id)
    elif call.excinfo is not None:
        verdict.reason = f"{call.excinfo.typename}: {call.excinfo.value}"
    elif call.when == "call":
        report.outcome = "failed"
        report.longrepr = verdict.reason = f"the test passed without deciding the claim {verdict.id}"
    return report  # type: ignore[return-value]


@pytest.fixture(scope="session")
def settings(request: pytest.FixtureRequest) -> Settings:
    """Options of this session."""
    return request.config.stash[SETTINGS]


@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest) -> Callable[[Sequence[Experiment]], list[Run]]:
    """Run a grid of experiments in one launch of ranks; skip the test if their data, network or time are not here.

    If they do not fit into memory, which an option changes, the test fails with the sentence that names it.
    """

    def run_or_skip(experiments: Sequence[Experiment]) -> list[Run]:
        try:
            return request.config.stash[RUNNER].run(experiments)
        except (DataError, NetworkError, OutOfTime) as error:
            raise pytest.skip.Exception(str(error)) from error
        except DoesNotFit as error:
            raise pytest.fail.Exception(str(error), pytrace=False) from error

    return run_or_skip


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, settings: Settings, run: Callable[[Sequence[Experiment]], list[Run]]
) -> list[Run]:
    """Runs of the grid that the test module names in its function ``experiments(settings)``."""
    return run(request.module.experiments(settings))


@pytest.fixture
def claim(request: pytest.FixtureRequest) -> Decider:
    """Decide the claim of the test; see `decides`."""
    claim_id = request.node.get_closest_marker("claim").args[0]
    claims = _load(_claims_file(request.node))
    return Decider(claims[claim_id], request.config.stash[VERDICTS][claim_id])


@pytest.fixture
def figures(request: pytest.FixtureRequest, settings: Settings) -> FigureFolder:
    """Folder of the figures and frames of the paper that the test belongs to."""
    return FigureFolder(settings.results / settings.scale / request.path.parent.name, request.node.nodeid)


# ------------------------------------------------------------------------------------------------------- details


def _claims_file(item: pytest.Item) -> Path:
    return item.path.with_name("claims.yaml")


def _load(path: Path) -> dict[str, Any]:
    try:
        return load_claims(path)
    except ClaimsError as error:
        raise pytest.UsageError(str(error)) from None


def _verdicts_file(config: pytest.Config) -> Path:
    settings = config.stash[SETTINGS]
    return settings.results / settings.scale / "verdicts.json"
