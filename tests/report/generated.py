"""Results folders and claims files that were never run, to make reports from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import yaml

from reproductions.harness.verdicts.claims import load_claims
from reproductions.harness.verdicts.record import SCHEMA, VERDICTS, Verdict

SOURCES = (
    "Figure 1; Sec 2",
    "Figure 2(a)",
    "Table 1",
    "Theorem 1, Eq (3)",
    "Lemma 2",
    "Algorithm 1",
    "Sec 4.1",
    "Abstract",
)
QUOTE = r"we choose $\tau = \frac{1}{n} \sum_{i=1}^n x_i$ and see <that> the loss & the accuracy agree"
LONG = (
    "A sentence of the length that reasons have in claims files, so that pages get the size that they have in earnest. "
)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="200"><circle r="99" fill="#ccc"/></svg>\n'
SESSION: dict[str, Any] = {
    "commit": "a" * 40, "clean": True, "python": "3.12.1", "versions": {"torch": "2.7"}, "cpu": "a processor",
    "cores": 2, "gpu": None, "argv": ["reproductions/", "-k", "one or two"], "time": "2030-01-01T00:00:00+00:00",
}  # fmt: skip


def write_papers(root: Path, papers: int = 2, claims: int = len(VERDICTS)) -> Path:
    """Write papers with claims over all kinds of sources."""
    root.mkdir(parents=True, exist_ok=True)
    names = [f"paper{i}" for i in range(papers)]
    titles = {name: f"Author & Other, “On {name}”" for name in names}
    (root / "papers.yaml").write_text(
        yaml.dump(titles | {"unbuilt": "Nobody, “Later”"}, sort_keys=False, allow_unicode=True)
    )
    for name in names:
        (root / name).mkdir(exist_ok=True)
        entries = [_claim(f"{name}-claim{i}", source) for i, source in zip(range(claims), cycle(SOURCES), strict=False)]
        (root / name / "claims.yaml").write_text(yaml.dump({"paper": name, "claims": entries}))
    return root


def _claim(name: str, source: str) -> dict[str, Any]:
    texts = {"quote": QUOTE, "metric": "loss_T of the mean | worst", "tolerance": "+-0.1", "reason": LONG * 2}
    return texts | {"id": name, "source": source, "kind": "number", "scale": "paper", "value": 1.5, "note": LONG}


def verdicts(papers: Path, scale: str, commit: str = "a" * 40) -> list[Verdict]:
    """Return a record for every claim, with the verdicts in turn."""
    claims = [claim for path in sorted(papers.glob("*/claims.yaml")) for claim in load_claims(path).values()]
    rows = [Verdict(claim.id, claim.paper, scale, "") for claim in claims]
    return [_decided(row, verdict, commit) for row, verdict in zip(rows, cycle(VERDICTS), strict=False)]


def _decided(row: Verdict, verdict: str, commit: str) -> Verdict:
    test = f"reproductions/{row.paper}/test_figure1.py::test_it[{row.id}]"
    found: dict[str, Any] = {
        "found": "1.47, baseline 1.5",
        "interval": (1.4, 1.55),
        "workload": "digits",
        "seeds": 3,
    }
    found |= {"commit": commit, "time": SESSION["time"], "hardware": "2 CPU cores", "ranks": 2}
    return replace(row, verdict=verdict, reason=LONG, test=test, **found)


def write_verdicts(folder: Path, scale: str, rows: Iterable[Verdict], **session: Any) -> Path:
    """Write records as a session does; keywords change its provenance."""
    provenance = SESSION | session
    claims = [asdict(row) | {"session": provenance["time"]} for row in rows]
    document = {
        "schema": SCHEMA,
        "provenance": provenance,
        "sessions": {provenance["time"]: provenance},
        "claims": claims,
    }
    path = folder / scale / "verdicts.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def write_plot(folder: Path, scale: str, paper: str, name: str, test: str = "") -> Path:
    """Write a plot as `FigureFolder.save` does; return its path without a suffix."""
    stem = folder / scale / paper / name
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".csv").write_text("step,value\n1,0.5\n2,0.25\n")
    stem.with_suffix(".svg").write_text(SVG)
    stem.with_suffix(".json").write_text(json.dumps({"schema": 1, "test": test}))
    return stem


def write_results(folder: Path, papers: Path, scales: Iterable[str] = ("smoke",), plots: int = 2) -> Path:
    """Write a results folder with a record for every claim and some plots a paper, at each scale."""
    names = sorted(path.parent.name for path in papers.glob("*/claims.yaml"))
    for scale in scales:
        write_verdicts(folder, scale, verdicts(papers, scale))
        for name in names:
            for i in range(plots):
                write_plot(folder, scale, name, f"figure{i + 1}", f"reproductions/{name}/test_figure1.py::test_figure")
    return folder
