"""Pages: ``reproductions/<paper>/README.md`` and the summary in the README, from the evidence that is kept."""

from __future__ import annotations

import os
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reproductions.harness.runs.settings import SCALES
from reproductions.harness.verdicts.claims import Claim
from reproductions.report import forest
from reproductions.report.merge import Finding, Results
from reproductions.report.papers import HERE, Paper
from reproductions.report.render import Filter, around, cell, templates
from reproductions.report.results import Evidence, Folder
from reproductions.report.standings import advice, heats
from reproductions.report.summary import HALVES, LEGEND, Summary, sentence, summarize, total
from reproductions.report.views import elsewhere, page_of
from reproductions.report.vocabulary import EXPLAINED, MEANINGS

LISTED = ("deviates",)  # verdicts whose claims are named at the head of a page
BEGIN, END = "<!-- summary: begin -->", "<!-- summary: end -->"


def committed(folder: Folder) -> Folder:
    """Leave out what a checkout does not keep: your own sessions at smoke scale."""
    own = SCALES[0]
    evidence = tuple(each for each in folder.evidence if each.verdict.scale != own)
    return replace(folder, evidence=evidence, plots=tuple(plot for plot in folder.plots if plot.scale != own))


def pages(results: Results, root: Path) -> dict[Path, str]:
    """Return a page and a forest plot for each paper with claims, by their paths in the folder of the papers."""
    texts: dict[Path, str] = {}
    for row in summarize(results):
        folder = root / row.paper.name
        texts[folder / "README.md"] = page(results, row, folder)
        texts[folder / "verdicts.svg"] = forest.draw(row.paper.title, results.of(row.paper.name))
    return texts


def page(results: Results, row: Summary, folder: Path) -> str:
    """Return the page of a paper; links to plots are relative to the folder that it goes to."""
    filters: dict[str, Filter] = {"cell": cell, "brief": brief, "why": why, "elsewhere": elsewhere}
    filters["link"] = lambda path: relative(path, folder)
    findings = results.of(row.paper.name)
    view = page_of(results, row.paper)
    plots = [*(plot for part in view.parts for plot in part.plots), *view.elsewhere]
    return (
        templates(filters)
        .get_template("page.md")
        .render(
            paper=row.paper,
            suite=folder.parent == HERE,
            sentence=sentence([row]),
            page=view,
            caption=forest.CAPTION,
            counts=Counter(finding.verdict for finding in findings),
            meanings=MEANINGS,
            findings=findings,
            listed=LISTED,
            advice=advice(heats(plots)),
        )
    )


def brief(evidence: Evidence, claim: Claim) -> str:
    """Say in a line what was found, and on what; what is exact needs no scale."""
    v = evidence.verdict
    if v.verdict == "not run":
        return f"nothing here can decide it: it would take {claim.needs}" if claim.needs else v.reason
    scale = "" if claim.scale == "any" and v.scale == SCALES[0] else f"scale {v.scale}"
    seeds = f"{v.seeds} seed{'s' * (v.seeds > 1)}" if v.seeds else ""
    facts = (scale, v.basis, "" if v.workload == v.basis else evidence.data, v.samples or seeds)
    return f"{v.found_with_interval} ({', '.join(filter(None, facts))})".strip()


def why(finding: Finding) -> str:
    """Say why a claim is not simply reproduced: what is wrong in print, what stands in the way, or another reading."""
    claim, v = finding.claim, finding.headline.verdict
    if v.verdict == "erratum":
        return claim.erratum
    if v.verdict == "misprint":
        return claim.misprint
    explained = v.verdict in EXPLAINED and v.verdict != "not run"  # whose reason is what was found
    return v.why if explained else v.otherwise


# ------------------------------------------------------------------------------------------------------------- README


def readme(text: str, results: Results, path: Path, root: Path) -> str:
    """Return a README whose summary, between two markers, is made anew.

    Parameters
    ----------
    text, path
        The README as it is and where it lies.
    results
        What the summary is made from.
    root
        Folder of the papers, whose pages it links to.

    Raises
    ------
    ReportError
        If the README does not have the two markers, once and in this order.
    """
    before, after = around(text, BEGIN, END, path)
    return f"{before}\n{summary(results, path.parent, root)}\n{after}"


def summary(results: Results, folder: Path, root: Path) -> str:
    """Return the summary as Markdown, with links that are relative to the folder of its page."""
    rows = summarize(results)
    names = [f"{title}: {name}" for title, half in HALVES.items() for name in half]
    table = [("paper", *names), ("---", *("---:" for _ in names))]
    table += [(f"`{row.paper.name}` {_linked(row.paper, folder, root)}", *map(str, row.numbers)) for row in rows]
    table += [("**in all**", *(f"**{number}**" for number in total(rows).numbers))]
    prose = textwrap.wrap(f"{sentence(rows)} {LEGEND}", 120, break_on_hyphens=False)
    failed = [finding.claim for finding in results.findings if finding.verdict in LISTED]
    links = [f"[{c.id}]({relative(root / c.paper / 'README.md', folder)}#{c.id})" for c in failed]
    named = ["", f"Does not hold, each with its cause: {', '.join(links)}."] if failed else []
    return "\n".join(
        [*(f"| {' | '.join(cells)} |" for cells in table), "", *prose, *named, "", *_forests(rows, folder, root)]
    )


def _forests(rows: Sequence[Summary], folder: Path, root: Path) -> list[str]:
    """Return the forest plots of all papers, folded."""
    said = "Each paper in one picture: what is printed, where a number has to lie, and what was found"
    pictures = [
        f"{_linked(row.paper, folder, root)}\n\n![Every verdict of {row.paper.name}]"
        f"({relative(root / row.paper.name / 'verdicts.svg', folder)})\n"
        for row in rows
    ]
    return ["<details>", f"<summary>{said}</summary>", "", *pictures, "</details>"]


def _linked(paper: Paper, folder: Path, root: Path) -> str:
    return f"[{cell(paper.title)}]({relative(root / paper.name / 'README.md', folder)})"


def relative(path: Path, folder: Path) -> str:
    """Return a link from a page in a folder to a file."""
    return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()
