"""Markdown: a page a paper, and the table of all papers in the README."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from reproductions.harness.verdicts import VERDICTS
from reproductions.report.errors import ReportError
from reproductions.report.merge import Results
from reproductions.report.papers import Paper
from reproductions.report.results import Plot, Record, data_of
from reproductions.report.tables import counts, reproduced
from reproductions.report.vocabulary import MEANINGS, SCALES

BEGIN, END = "<!-- tabulate: begin -->", "<!-- tabulate: end -->"
EXPLAINED = ("deviates", "erratum", "inconclusive", "crashed")  # verdicts whose reason the page spells out


def pages(results: Results, folder: Path) -> dict[Path, str]:
    """Return a page for each paper with claims, by its path in a folder."""
    return {
        folder / f"{paper.name}.md": page(results, paper, folder) for paper in results.papers if results.of(paper.name)
    }


def page(results: Results, paper: Paper, folder: Path) -> str:
    """Return the page of a paper; links to plots are relative to the folder that it goes to."""
    parts = [f"# {escape(paper.title)}", "Made by `tabulate` from the verdicts; nothing here is typed by hand."]
    for scale in results.scales:
        records = results.of(paper.name, scale)
        plots = [plot for plot in results.plots if (plot.paper, plot.scale) == (paper.name, scale)]
        parts += [f"## Scale {scale}: {SCALES[scale]}", _sum(records), _rows(records)]
        parts += [_links(plots, folder)] if plots else []
        parts += _reasons(records)
    return "\n\n".join(parts) + "\n"


def _sum(records: Iterable[Record]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in counts(records).items() if count) + "."


def _rows(records: Iterable[Record]) -> str:
    head = ("claim", "source", "reported", "reproduced", "tolerance", "verdict", "data")
    rows = [
        (
            f"`{v.id}`",
            *map(escape, (v.source, v.reported, reproduced(v), v.tolerance)),
            _verdict(v.verdict),
            escape(data_of(v)),
        )
        for v in (record.verdict for record in records)
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))


def _verdict(name: str) -> str:
    return f"{MEANINGS[name].symbol} {name}"


def _links(plots: Iterable[Plot], folder: Path) -> str:
    items = []
    for plot in plots:
        links = {suffix: relative(path, folder) for suffix, path in plot.files.items()}
        items.append(f"`{plot.name}` ({', '.join(f'[{s[1:].upper()}]({link})' for s, link in links.items())})")
    return "Plots and the numbers behind them: " + ", ".join(items) + "."


def _reasons(records: Iterable[Record]) -> list[str]:
    found = [record.verdict for record in records if record.verdict.verdict in EXPLAINED]
    lines = [f"- `{v.id}` {_verdict(v.verdict)}: {escape(v.reason)}" for v in found]
    return ["Why:", "\n".join(lines)] if lines else []


def readme(text: str, results: Results, path: Path, linked: Path) -> str:
    """Return a README whose table of papers, between two markers, is made anew.

    Parameters
    ----------
    text, path
        The README as it is and where it lies.
    results
        What the table is made from.
    linked
        Folder of the pages that it links to.

    Raises
    ------
    ReportError
        If the README does not have the two markers, once and in this order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ReportError(
            f"{path} needs the lines {BEGIN} and {END}, once and in this order: the table goes between them"
        )
    before, rest = text.split(BEGIN)
    head = ("paper", "name", "scale", *VERDICTS)
    rows = [row for paper in results.papers for row in _readme_rows(results, paper, path, linked)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * 3 + ("---:",) * len(VERDICTS), *rows))
    return f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}"


def _readme_rows(results: Results, paper: Paper, path: Path, linked: Path) -> list[tuple[str, ...]]:
    title, name = escape(paper.title), f"`{paper.name}`"
    if not results.of(paper.name):
        return [(title, name, "not built yet", *("" for _ in VERDICTS))]
    title = f"[{title}]({relative(linked / f'{paper.name}.md', path.parent)})"
    return [
        (title, name, scale, *(str(count or "") for count in counts(results.of(paper.name, scale)).values()))
        for scale in results.scales
    ]


def relative(path: Path, folder: Path) -> str:
    """Return a link from a page in a folder to a file."""
    return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()


def escape(text: str) -> str:
    """Escape plain text for a cell of a Markdown table."""
    return re.sub(r"([\\`*_{}\[\]<>|$~#])", r"\\\1", " ".join(text.split()))
