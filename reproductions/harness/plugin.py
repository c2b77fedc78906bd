"""The pytest plugin: options, claims of every test, runs of every figure, and the table at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from reproductions.harness import evidence, keywords, planning, reported, signals, time_limit, turns
from reproductions.harness.beside import Beside
from reproductions.harness.figures import FigureFolder
from reproductions.harness.options import add_options, read_settings
from reproductions.harness.runs.experiment import Experiment
from reproductions.harness.runs.labelled import Runs
from reproductions.harness.runs.provenance import REPOSITORY
from reproductions.harness.runs.runner import Runner
from reproductions.harness.runs.settings import Settings
from reproductions.harness.runs.store import Run
from reproductions.harness.session import SESSION, Refused, Session, claim_of, claims_of, data_error, flat
from reproductions.harness.terminal import Forecast, ProgressLine, wrapped
from reproductions.harness.verdicts import families
from reproductions.harness.verdicts.claims import ClaimsError, find_claims, of_folder
from reproductions.harness.verdicts.record import Verdict, open_verdict
from reproductions.harness.verdicts.table import table
from reproductions.harness.verdicts.verdict import Decider, diverged
from reproductions.harness.workers import refuse_workers
from reproductions.report.summary import of_session


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
    refuse_workers(config)
    before = REPOSITORY.set(config.rootpath)
    config.add_cleanup(lambda: REPOSITORY.reset(before))
    settings, line = read_settings(config), ProgressLine(config)
    session = config.stash[SESSION] = Session(settings, Runner(settings, line, line.announce))
    for part in (signals, time_limit, keywords, evidence, planning, turns):
        config.pluginmanager.register(part)
    if settings.algorithm:
        config.pluginmanager.register(Beside(session))


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say at which scale the session runs, and on what."""
    session = config.stash[SESSION]
    s = session.settings
    ranks = s.ranks or "automatic"
    data = s.data or "embedded"
    on = f"ranks {ranks}, device {s.device}, {s.precision}, network {s.network}"
    limit = f", time limit {deadline}" if (deadline := session.runner.deadline).limited else ""
    seeds = s.seeds if s.seeds_given else f"{s.seeds} where none are planned"
    return wrapped(config, [f"reproductions: scale {s.scale}, seeds {seeds}, {on}, data {data}{limit}"])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check that every claim has a test and every test a claim, before -k deselects anything."""
    decided: dict[Path, set[str]] = {}
    for item in items:
        if claim := claim_of(item):
            path, known = claims_of(item)
            decided.setdefault(path, set()).add(claim.id)
            config.stash[SESSION].claims.update(known)
    whole = not any("::" in argument for argument in config.args)
    collected = {item.path for item in items}
    for path, ids in decided.items():
        undecided = of_folder(path).keys() - ids
        if whole and undecided and collected >= set(path.parent.rglob("test_*.py")):
            raise pytest.UsageError(f"no test decides these claims of {path}: {', '.join(sorted(undecided))}")


def pytest_report_collectionfinish(config: pytest.Config, items: Sequence[pytest.Item]) -> list[str]:
    """Say what will be run, on what, and about how long it takes."""
    lines, session = [], config.stash[SESSION]
    plan = Forecast(session.runner)
    for module in dict.fromkeys(item.getparent(pytest.Module) for item in items):
        if module is None or not hasattr(module.obj, "experiments"):
            continue
        try:
            experiments = flat(session.grid(module.obj))
            lines.append(f"{module.path.parent.name}/{module.path.stem}: {plan.module(experiments)}")
            session.runner.upcoming += experiments if session.settings.scale == "smoke" else []
        except data_error() as error:
            lines.append(f"{module.path.parent.name}/{module.path.stem}: not run, {error}")
    return wrapped(config, [*lines, plan.total()] if lines else [])


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table of reproduced against reported, if something was decided, and what has to be known of it."""
    session = config.stash[SESSION]
    if session.verdicts:
        terminalreporter.section("reproduced against reported")
        for line in _decided(session, terminalreporter._tw.fullwidth):
            terminalreporter.write_line(line)
    for note in session.notes:
        terminalreporter.write_line(note, yellow=True)
    for fault in session.faults:
        terminalreporter.write_line(fault, red=True)


def _decided(session: Session, width: int) -> list[str]:
    """Return the table, the summary of the results folder, and where the verdicts are."""
    results, verdicts = session.settings.results, session.verdicts
    found = [(claim, verdicts[name]) for name, claim in session.claims.items() if name in verdicts]
    summary = ["", f"all verdicts in {results}", *of_session(results, session.claims.values()), ""]
    return [*table(found, width), *summary, f"verdicts: {evidence.verdicts_file(session)}"]


# --------------------------------------------------------------------------------------------------------- tests


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Open a pessimistic record for the claim of a test."""
    if claim := claim_of(item):
        session, (_, claims) = item.config.stash[SESSION], claims_of(item)
        verdict = open_verdict(claim, session.settings.scale, item.nodeid)
        session.deciders[claim.id] = Decider(claim, verdict, families.sizes(claims.values())[claim.id])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Keep the verdict of a test that ended, or why it ended before; fail a test that never decides its claim."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    marker, session = item.get_closest_marker("claim"), item.config.stash[SESSION]
    if marker and (call.when == "call" or call.excinfo):
        verdict = session.deciders[marker.args[0]].verdict
        if verdict.verdict == "crashed":
            _undecided(verdict, report, call)
            if call.excinfo and call.excinfo.errisinstance(ValueError) and (lost := _diverged(item)):
                report.longrepr = verdict.reason = f"{lost}: {verdict.reason}"
        evidence.conclude(session, verdict)
        item.user_properties += reported.properties(session.claims[verdict.id], verdict)
        reported.name_claim(report, verdict.id)
    if marker or hasattr(getattr(item, "module", None), "experiments"):
        reported.shorten(report, call)
    return report  # type: ignore[return-value]


def _undecided(verdict: Verdict, report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
    if call.excinfo is not None and (report.skipped or isinstance(call.excinfo.value, Refused)):
        verdict.verdict, verdict.reason = "not run", str(call.excinfo.value)
    elif call.excinfo is not None:
        verdict.reason = f"{call.excinfo.typename}: {call.excinfo.value}"
    elif call.when == "call":
        report.outcome = "failed"
        report.longrepr = verdict.reason = f"the test passed without deciding the claim {verdict.id}"


def _diverged(item: pytest.Item) -> str:
    """Say which of the runs of a test diverged, if some did."""
    runs = getattr(item, "funcargs", {}).get("runs")
    return diverged(runs.all) if isinstance(runs, Runs) else ""


@pytest.fixture(scope="module")
def settings(request: pytest.FixtureRequest) -> Settings:
    """Options of this session, with the number of seeds that is planned for the module."""
    return request.config.stash[SESSION].settings_of(request.module)


@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest) -> Callable[[Sequence[Experiment]], list[Run[Experiment]]]:
    """Run a grid of experiments in one launch of ranks; skip the test if their data, network or time are not here.

    If they do not fit into memory, which an option changes, the test fails with the sentence that names it.
    """
    return request.config.stash[SESSION].make


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest) -> Runs[Experiment]:
    """Runs, by label, of the experiments that the test module names in its function ``experiments(settings)``."""
    session = request.config.stash[SESSION]
    return session.runs(session.grid(request.module))


@pytest.fixture
def claim(request: pytest.FixtureRequest) -> Decider:
    """Decide the claim of the test; see `decides`."""
    return request.config.stash[SESSION].deciders[request.node.get_closest_marker("claim").args[0]]


@pytest.fixture
def figures(request: pytest.FixtureRequest, settings: Settings) -> FigureFolder:
    """Folder of the figures and frames of the paper that the test belongs to."""
    return FigureFolder(settings.results / settings.scale / _paper(request.path), request.node.nodeid)


def _paper(path: Path) -> str:
    """Return the paper that a test belongs to: the folder of its claims, or its own folder if there are none."""
    try:
        return find_claims(path).parent.name
    except ClaimsError:
        return path.parent.name
