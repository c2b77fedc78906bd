"""Views: what the page of a paper on the site shows, in the order in which it shows it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reproductions.harness.runs.provenance import CHECKOUT
from reproductions.harness.runs.settings import SCALES
from reproductions.report.merge import Finding, Results
from reproductions.report.papers import HERE, Paper
from reproductions.report.results import Plot
from reproductions.report.sections import GROUPS, Section, function, module, natural, place, section_of

EMBEDDED = {"exact", "simulation"}  # workloads that read nothing
SIDE = re.compile(r"bits|drift|sensitivity|sweep|tuning|workers")  # in names of plots of which no paper has a figure
PANELS = ("left", "middle", "right")  # of a figure, as claims name them


@dataclass(frozen=True)
class Part:
    """A section of a paper with its plots and claims."""

    section: Section
    plots: tuple[Plot, ...]
    findings: tuple[Finding, ...]

    @property
    def main(self) -> list[Plot]:
        """The plots of what the paper shows."""
        return [plot for plot in self.plots if not SIDE.search(plot.name)]

    @property
    def side(self) -> list[Plot]:
        """The plots of what else was tried, which stand folded after the others."""
        return [plot for plot in self.plots if SIDE.search(plot.name)]

    @property
    def decided(self) -> list[Finding]:
        """The claims that a session has tried."""
        return [finding for finding in self.findings if finding.verdict != "not run"]

    @property
    def waiting(self) -> list[Finding]:
        """The claims that no session has run."""
        return [finding for finding in self.findings if finding.verdict == "not run"]

    @property
    def drawn(self) -> bool:
        """Whether it is a figure or a table of the paper."""
        return self.section.group == GROUPS[0]


@dataclass(frozen=True)
class Page:
    """A paper: its sections, the plots that belong to none, and the sessions that decided its claims."""

    paper: Paper
    parts: tuple[Part, ...]
    elsewhere: tuple[Plot, ...]
    sessions: tuple[Mapping[str, Any], ...]

    def of_group(self, group: str) -> list[Part]:
        """Return the sections of one column of the overview that have claims."""
        return [part for part in self.parts if part.section.group == group and part.findings]


def page_of(results: Results, paper: Paper) -> Page:
    """Return the view of a paper."""
    findings = results.of(paper.name)
    plots = [(place(plot, findings), plot) for plot in best(results.plots) if plot.paper == paper.name]
    sections = {section_of(finding.claim.source) for finding in findings} | {where for where, _ in plots if where}
    sessions = {each.headline.session["time"]: each.headline.session for each in findings if each.headline.session}
    return Page(
        paper,
        tuple(_part(section, findings, plots) for section in sorted(sections)),
        tuple(plot for where, plot in plots if where is None),
        tuple(sessions.values()),
    )


def best(plots: Iterable[Plot]) -> list[Plot]:
    """Return each plot of each paper at the largest scale that has it, figure 4 before figure 10."""
    found = {(plot.paper, plot.name): plot for plot in sorted(plots, key=lambda plot: SCALES.index(plot.scale))}
    return sorted(found.values(), key=lambda plot: (plot.paper, natural(plot.name)))


def _part(section: Section, findings: Sequence[Finding], plots: Iterable[tuple[Section | None, Plot]]) -> Part:
    mine = tuple(finding for finding in findings if section_of(finding.claim.source) == section)
    here = [plot for where, plot in plots if where == section]
    return Part(section, tuple(sorted(here, key=lambda plot: _panel(section, plot, mine))), mine)


def _panel(section: Section, plot: Plot, findings: Iterable[Finding]) -> tuple[bool, int]:
    """Return where a plot stands among those of its section: named after it or not, and left or right in the paper."""
    tests = ((finding.claim.source, finding.headline.verdict.test) for finding in findings)
    source = next((source for source, test in tests if plot.test and function(test) == function(plot.test)), "")
    spots = [spot for spot, panel in enumerate(PANELS) if panel in source]
    return not plot.name.startswith(section.title.split()[0].lower()), min(spots, default=0)


def data_of(plot: Plot, findings: Iterable[Finding]) -> str:
    """Return the labels of the data behind a plot: those of the claims that its test file decides at its scale."""
    home = module(plot.test) or f"/test_{plot.name}.py"  # an older plot does not say who drew it
    evidence = [each for finding in findings for each in (finding.headline, *finding.others)]
    found = {e.data for e in evidence if e.verdict.scale == plot.scale and module(e.verdict.test).endswith(home)}
    return ", ".join(sorted(found - {""}))


def elsewhere(plot: Plot, findings: Iterable[Finding]) -> bool:
    """Whether a plot of claims about the paper's own setting was made in another one."""
    return plot.scale != "paper" and any(finding.claim.scale == "paper" for finding in findings)


def cost(finding: Finding) -> str:
    """Say where the cost of a claim stands that was not run in the paper's own setting."""
    waits = finding.verdict == "not run" and finding.claim.scale == "paper" and not finding.claim.needs
    return "docs/costs.md" if waits and (HERE / finding.claim.paper).is_dir() else ""


def rerun(finding: Finding) -> str:
    """Return the command that decides a claim again, or the first time: then in the setting that can decide it.

    There is none for what nothing here can decide.
    """
    claim, verdict = finding.claim, finding.headline.verdict
    if claim.needs and finding.verdict == "not run":
        return ""
    where = _where(claim.paper, module(verdict.test))
    scale = claim.scale if claim.scale == "paper" and finding.verdict == "not run" else verdict.scale
    embedded = scale == "smoke" or finding.headline.data in EMBEDDED
    data = "" if embedded else " --data DATA"
    seeds = f" --seeds {verdict.seeds}" if verdict.seeds > 1 else ""  # else another number may be planned
    options = f" {claim.options}" if claim.options else ""
    return f"pytest {where} -k {claim.id} --scale {scale}{data}{seeds}{options}"


def _where(paper: str, file: str) -> str:
    """Return where pytest finds the tests of a paper: their file, if one is known, or its folder or package."""
    suite = (HERE / paper).is_dir()
    if suite and "/" not in file and not CHECKOUT:
        return f"--pyargs reproductions.{paper}"
    return file or (f"reproductions/{paper}" if suite else paper)


def redraw(plot: Plot) -> str:
    """Return the command that makes a plot again."""
    where = function(plot.test) or f"reproductions/{plot.paper} -k {plot.name}"
    return f"pytest {where} --scale {plot.scale}{'' if plot.scale == 'smoke' else ' --data DATA'}"
