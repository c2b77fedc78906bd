"""Show: all that is known about one claim, for a terminal; ``reproductions show CLAIM``."""

from __future__ import annotations

import difflib
import os
import textwrap
from collections.abc import Iterator

from reproductions.harness.verdicts.table import plain
from reproductions.report.errors import ReportError
from reproductions.report.merge import Finding, Results
from reproductions.report.regions import interval_name
from reproductions.report.results import Evidence, Plot
from reproductions.report.sections import module, place, section_of
from reproductions.report.views import best, cost, rerun
from reproductions.report.vocabulary import MEANINGS

INDENT = 16


def show(results: Results, name: str, width: int) -> str:
    """Return what the paper says, what was found, why, where it is drawn, and the command that decides it again.

    Raises
    ------
    ReportError
        If there is no claim of this name.
    """
    claims = {finding.claim.id: finding for finding in results.findings}
    if name not in claims:
        near = difflib.get_close_matches(name, claims, 3, 0.5)
        raise ReportError(f"there is no claim {name!r}" + (f"; did you mean {', '.join(near)}?" if near else ""))
    finding = claims[name]
    head = f"{name}: {MEANINGS[finding.verdict].name} ({MEANINGS[finding.verdict].text})"
    lines = textwrap.wrap(head, width)
    for title, text in _facts(results, finding):
        if text:
            shown = textwrap.wrap(plain(text), width - INDENT, break_long_words=False, break_on_hyphens=False)
            lines += [title.ljust(INDENT) + shown[0], *(" " * INDENT + line for line in shown[1:])]
    return "\n".join(lines)


def _facts(results: Results, finding: Finding) -> Iterator[tuple[str, str]]:
    claim, v = finding.claim, finding.headline.verdict
    yield "the paper says", f"“{claim.quote}”"
    yield "where", claim.source
    yield "printed", claim.reported
    yield "measured", claim.metric
    yield "tolerance", claim.tolerance
    yield "because", claim.reason
    yield "found", _found(finding.headline)
    tested = interval_name(claim, v) if v.interval else ""
    yield "tested", tested.removeprefix("Interval").removeprefix(" of ").removeprefix(", which ")
    yield "why", v.why
    yield "readings", v.otherwise
    yield "erratum", claim.erratum
    yield "misprint", claim.misprint
    yield "smaller scale", claim.reduced
    yield "reading", claim.note
    for other in finding.others:
        yield "evidence too", f"{MEANINGS[other.verdict.verdict].name}: {_found(other)}"
    for plot in _drawn(results, finding):
        yield "drawn in", ", ".join(os.path.relpath(path) for path in plot.files.values())
    yield "decide again", rerun(finding)
    yield "cost", cost(finding)
    if claim.needs and finding.verdict == "not run":
        yield "would take", f"{claim.needs}; nothing here can decide it"


def _drawn(results: Results, finding: Finding) -> list[Plot]:
    """Return the plots that the module of a claim's test drew; if there is none, those of its section."""
    claim, home = finding.claim, module(finding.headline.verdict.test)
    plots = [plot for plot in best(results.plots) if plot.paper == claim.paper]
    return [plot for plot in plots if plot.test and module(plot.test) == home] or [
        plot for plot in plots if place(plot, results.of(claim.paper)) == section_of(claim.source)
    ]


def _found(evidence: Evidence) -> str:
    v = evidence.verdict
    facts = (
        f"scale {v.scale}",
        f"data {evidence.data}" if evidence.data else "",
        v.samples or (f"{v.seeds} seeds" if v.seeds else ""),
        f"commit {v.commit[:10]}" if v.commit else "",
        v.time[:10],
    )
    return f"{v.found_with_interval} ({', '.join(filter(None, facts))})".strip()
