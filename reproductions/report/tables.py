"""Tables: every record as a row, for a terminal, a spreadsheet and a paper."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, fields

from reproductions.harness.verdicts import VERDICTS, Verdict, table
from reproductions.report.merge import Results
from reproductions.report.results import Record, data_of


def counts(records: Iterable[Record]) -> dict[str, int]:
    """Count records by verdict, in the order of `VERDICTS`; a verdict that does not occur counts 0."""
    found = Counter(record.verdict.verdict for record in records)
    return {name: found[name] for name in VERDICTS}


def reproduced(verdict: Verdict) -> str:
    """Return what was found with the interval that decided it."""
    if verdict.interval is None:
        return verdict.reproduced
    low, high = verdict.interval
    return f"{verdict.reproduced} [{low:.3g}, {high:.3g}]".strip()


def terminal(results: Results, width: int) -> str:
    """Return the table of reproduced against reported, as the test session prints it."""
    return "\n".join(table([record.verdict for record in results.records], width))


def as_csv(results: Results) -> str:
    """Return a CSV with one row a record and all of its fields."""
    names = [field.name for field in fields(Verdict) if field.name not in ("interval", "merges")]
    text = io.StringIO()
    rows = csv.DictWriter(text, [*names, "low", "high", "merges"], lineterminator="\n", extrasaction="ignore")
    rows.writeheader()
    for record in results.records:
        low, high = record.verdict.interval or ("", "")
        merges = " ".join(record.verdict.merges)
        rows.writerow(asdict(record.verdict) | {"low": low, "high": high, "merges": merges})
    return text.getvalue()


LATEX_HEAD = r"""% made by tabulate; needs \usepackage{booktabs,longtable,array} and room, such as pdflscape
\begin{longtable}{@{}>{\raggedright\arraybackslash}p{0.17\linewidth}
  >{\raggedright\arraybackslash}p{0.22\linewidth}>{\raggedright\arraybackslash}p{0.22\linewidth}
  >{\raggedright\arraybackslash}p{0.16\linewidth}>{\raggedright\arraybackslash}p{0.11\linewidth}l@{}}
\toprule
source & reported & reproduced & tolerance & data, scale & verdict \\
\midrule
\endhead
\bottomrule
\endfoot
"""


def as_latex(results: Results) -> str:
    """Return a booktabs longtable with one row a record and a heading for each paper."""
    lines = []
    for paper in results.papers:
        records = results.of(paper.name)
        if records:
            lines.append(rf"\multicolumn{{6}}{{@{{}}l}}{{\textit{{{latex(paper.title)}}}}} \\")
        lines += [_latex_row(record.verdict) for record in records]
    return LATEX_HEAD + "\n".join(lines) + "\n\\end{longtable}\n"


def _latex_row(v: Verdict) -> str:
    cells = (
        v.source,
        v.reported,
        reproduced(v),
        v.tolerance,
        ", ".join(filter(None, (data_of(v), v.scale))),
        v.verdict,
    )
    return " & ".join(latex(cell) for cell in cells) + r" \\"


SPECIAL = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "[": "{[}", "]": "{]}", "\n": " "}
)


def latex(text: str) -> str:
    """Escape plain text for LaTeX."""
    return text.translate(SPECIAL)
