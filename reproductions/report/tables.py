"""Tables: each claim with its headline, for a terminal and a paper, and all evidence for a spreadsheet."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict

from reproductions.harness.verdicts.table import plain, table
from reproductions.report.files import is_formula
from reproductions.report.merge import Finding, Results
from reproductions.report.results import Evidence
from reproductions.report.summary import LEGEND, lines, sentence, summarize
from reproductions.report.vocabulary import MEANINGS

STATEMENT = ("source", "quote", "kind", "metric", "unit", "reported", "tolerance", "erratum", "misprint")


def terminal(results: Results, width: int, verdicts: Sequence[str] | None = None) -> str:
    """Return the table of reproduced against reported, of some verdicts or all, and the summary of all under it."""
    rows = summarize(results)
    shown = [finding for finding in results.findings if not verdicts or finding.verdict in verdicts]
    claims = table([(finding.claim, finding.headline.verdict) for finding in shown], width)
    return "\n".join([*claims, "", *lines(rows), "", *textwrap.wrap(f"{sentence(rows)} {LEGEND}", min(width, 100))])


def as_csv(results: Results) -> str:
    """Return a CSV with one row for each verdict and all of its fields, beside those of the claim.

    A text that a spreadsheet would compute has an apostrophe before it.
    """
    import pandas as pd

    rows = [
        _csv_row(finding, evidence) for finding in results.findings for evidence in (finding.headline, *finding.others)
    ]
    return pd.DataFrame(rows).to_csv(index=False)


def _csv_row(finding: Finding, evidence: Evidence) -> dict[str, object]:
    row = asdict(evidence.verdict)
    low, high = row.pop("interval") or (None, None)  # of the estimate, which may be another number than is found
    if not evidence.verdict.decided:
        row |= dict.fromkeys(("basis", "workload", "hardware"), "")
    stated = {name: getattr(finding.claim, name) for name in STATEMENT}
    readings = "; ".join(f"{name}: {outcome}" for name, outcome in evidence.verdict.by_reading.items())
    row |= {"reason": evidence.verdict.why, "by_reading": readings, "estimate_low": low, "estimate_high": high}
    row |= {"headline": evidence is finding.headline} | stated
    return {name: f"'{value}" if is_formula(str(value)) else value for name, value in row.items()}


def as_latex(results: Results) -> str:
    """Return a longtable with one row a claim."""
    import pandas as pd

    rows = pd.DataFrame([_latex_row(finding) for finding in results.findings])
    widths = "".join(rf"p{{{share}\linewidth}}" for share in (0.14, 0.2, 0.22, 0.16, 0.12, 0.1))
    needs = r"% made by reproductions table; needs booktabs, longtable, \usepackage[T1]{fontenc} and a wide page"
    return f"{needs}\n{rows.to_latex(index=False, escape=True, longtable=True, column_format=widths)}"


def _latex_row(finding: Finding) -> dict[str, str]:
    claim, v = finding.claim, finding.headline.verdict
    cells = {
        "source": f"{claim.paper}: {claim.source}",
        "reported": claim.reported,
        "found, and tested": v.found_with_interval,
        "tolerance": claim.tolerance,
        "data, scale": ", ".join(filter(None, (finding.headline.data, v.scale))),
        "verdict": MEANINGS[v.verdict].name,
    }
    return {name: plain(text) for name, text in cells.items()}
