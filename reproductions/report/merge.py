"""Merging: several results folders as one, and the claims that none of them has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from reproductions.harness.claims import Claim
from reproductions.harness.settings import SCALES
from reproductions.harness.verdicts import Verdict, open_verdict
from reproductions.report.errors import ReportError
from reproductions.report.papers import Paper
from reproductions.report.results import UNDECIDED, Folder, Plot, Record


@dataclass(frozen=True)
class Results:
    """Everything that a report shows.

    Parameters
    ----------
    papers
        All papers, those without results too.
    scales
        Scales with at least one verdict.
    records
        By paper, in the order of its claims file, then by scale; a claim without a verdict at a scale is "not run".
    plots
        By paper, scale and name.
    """

    papers: tuple[Paper, ...]
    scales: tuple[str, ...]
    records: tuple[Record, ...]
    plots: tuple[Plot, ...]

    def of(self, paper: str, scale: str | None = None) -> list[Record]:
        """Return the records of a paper, at one scale or at all."""
        return [r for r in self.records if r.verdict.paper == paper and scale in (None, r.verdict.scale)]


def merge(folders: Sequence[Folder], papers: Sequence[Paper], prefer_newest: bool = False) -> Results:
    """Merge results folders.

    The newer of two records of a claim at a scale wins if both come from one commit or say the same. A decided claim
    wins over one that was not run.

    Parameters
    ----------
    folders, papers
        What was read.
    prefer_newest
        Let the newer of two records win if they contradict each other.

    Raises
    ------
    ReportError
        If records of a claim at one scale and on the same data contradict each other.
    """
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in sorted((r for folder in folders for r in folder.records), key=lambda record: record.verdict.time):
        verdict = record.verdict
        group = groups.setdefault((verdict.paper, verdict.id, verdict.scale), [])
        _add(group, record, prefer_newest)
    records = [record for group in groups.values() for record in group]
    scales = tuple(scale for scale in SCALES if any(record.verdict.scale == scale for record in records))
    papers = [*papers, *_unknown(records, papers)]
    missing = [
        _missing(c, s) for p in papers for c in p.claims.values() for s in scales if (p.name, c.id, s) not in groups
    ]
    return Results(tuple(papers), scales, _in_order([*records, *missing], papers), _newest_plots(folders))


def _add(group: list[Record], new: Record, prefer_newest: bool) -> None:
    """Add the next newer record to those of its claim and scale that are kept so far, one for each workload."""
    rivals = [old for old in group if _same_data(old.verdict, new.verdict)]
    if new.verdict.verdict == "not run" and any(old.verdict.verdict != "not run" for old in rivals):
        return
    replaced = ""
    for old in rivals:
        if old.verdict.verdict != "not run" and not _agree(old.verdict, new.verdict):
            if not prefer_newest:
                raise ReportError(_contradiction(old, new))
            replaced = f"{old.verdict.verdict} at commit {_short(old.verdict)}"
        group.remove(old)
    group.append(replace(new, replaced=replaced))


def _same_data(old: Verdict, new: Verdict) -> bool:
    return old.workload == new.workload or bool({old.verdict, new.verdict} & UNDECIDED)


def _agree(old: Verdict, new: Verdict) -> bool:
    return old.verdict == new.verdict or (old.commit is not None and old.commit == new.commit)


def _contradiction(old: Record, new: Record) -> str:
    first, second = (f"{r.verdict.verdict} in {r.file} (commit {_short(r.verdict)})" for r in (old, new))
    verdict = new.verdict
    return (
        f"two runs contradict each other: {verdict.id} at scale {verdict.scale} on {verdict.workload} is {first} "
        f"but {second}; --prefer newest takes the later one"
    )


def _short(verdict: Verdict) -> str:
    return verdict.commit[:7] if verdict.commit else "unknown"


def _unknown(records: Iterable[Record], papers: Sequence[Paper]) -> list[Paper]:
    known = {paper.name for paper in papers}
    return [Paper(name, name) for name in dict.fromkeys(r.verdict.paper for r in records) if name not in known]


def blank(claim: Claim, scale: str) -> Verdict:
    """Return the record of a claim that was not run at a scale."""
    opened = open_verdict(claim, scale, "")
    return replace(opened, verdict="not run", reason="no record at this scale", hardware="", commit=None, time="")


def _missing(claim: Claim, scale: str) -> Record:
    return Record(blank(claim, scale))


def _in_order(records: Iterable[Record], papers: Sequence[Paper]) -> tuple[Record, ...]:
    claims = [(paper.name, name) for paper in papers for name in paper.claims]
    order = {key: position for position, key in enumerate(claims)}
    names = [paper.name for paper in papers]

    def key(record: Record) -> tuple[int, int, str, int, str]:
        verdict = record.verdict
        position = order.get((verdict.paper, verdict.id), len(order))
        return names.index(verdict.paper), position, verdict.id, SCALES.index(verdict.scale), verdict.workload

    return tuple(sorted(records, key=key))


def _newest_plots(folders: Sequence[Folder]) -> tuple[Plot, ...]:
    """Take a plot that several folders have from the one in which a test was decided last at its scale."""
    plots: dict[tuple[str, int, str], tuple[str, Plot]] = {}
    for folder in folders:
        for plot in folder.plots:
            times = [record.verdict.time for record in folder.records if record.verdict.scale == plot.scale]
            key = (plot.paper, SCALES.index(plot.scale), plot.name)
            plots[key] = max(plots.get(key, ("", plot)), (max(times, default=""), plot), key=lambda pair: pair[0])
    return tuple(plots[key][1] for key in sorted(plots))
