"""Merging: several results folders as one, with all evidence on a claim side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from reproductions.harness.runs.settings import SCALES
from reproductions.harness.verdicts.claims import Claim
from reproductions.harness.verdicts.record import Verdict
from reproductions.report.errors import ReportError
from reproductions.report.papers import Paper
from reproductions.report.results import Evidence, Folder, Plot

UNDECIDED = ("not run", "crashed", "inconclusive")  # from what says least to what says most


@dataclass(frozen=True)
class Finding:
    """A claim and what was found about it.

    Parameters
    ----------
    claim
        The claim.
    headline
        The evidence that stands for it: that of the largest scale that decided it, or else that came closest.
    others
        All other evidence, that of the largest scale first.
    """

    claim: Claim
    headline: Evidence
    others: tuple[Evidence, ...] = ()

    @property
    def verdict(self) -> str:
        """The headline's verdict."""
        return self.headline.verdict.verdict

    @property
    def short(self) -> str:
        """The id of the claim without its paper."""
        return self.claim.id.removeprefix(f"{self.claim.paper}-")

    @property
    def reduced(self) -> bool:
        """Whether the claim is about the paper's own setting and the headline of a smaller one."""
        return self.claim.scale == "paper" and self.headline.verdict.scale != "paper"


@dataclass(frozen=True)
class Results:
    """Everything that a report shows.

    Parameters
    ----------
    papers
        All papers, those without results too.
    scales
        Scales with at least one verdict.
    findings
        Each claim once, by paper in the order of its claims file.
    plots
        By paper, scale and name.
    unknown
        Claims with verdicts that no claims file has; they are left out.
    """

    papers: tuple[Paper, ...]
    scales: tuple[str, ...]
    findings: tuple[Finding, ...]
    plots: tuple[Plot, ...]
    unknown: tuple[str, ...] = ()

    def of(self, paper: str) -> list[Finding]:
        """Return the findings of a paper."""
        return [finding for finding in self.findings if finding.claim.paper == paper]


def merge(folders: Sequence[Folder], papers: Sequence[Paper], prefer_newest: bool = False) -> Results:
    """Merge results folders.

    The newer of two verdicts on a claim at a scale wins if both come from one commit or say the same. A decided claim
    wins over one that was not run. Evidence of a baseline counts where there is no other of its claim and scale.

    Parameters
    ----------
    folders, papers
        What was read.
    prefer_newest
        Let the newer of two verdicts win if they contradict each other.

    Raises
    ------
    ReportError
        If verdicts on a claim at one scale and on the same data contradict each other.
    """
    groups: dict[tuple[str, str], list[Evidence]] = {}
    for evidence in _by_time(each for folder in folders for each in folder.evidence):
        _add(groups.setdefault(_key(evidence), []), evidence, prefer_newest)
    for evidence in _by_time(each for folder in folders for each in folder.kept):
        group = groups.setdefault(_key(evidence), [])
        if all(other.verdict.verdict == "not run" for other in group if other.verdict.scale == evidence.verdict.scale):
            _add(group, evidence, prefer_newest)
    claims = [claim for paper in papers for claim in paper.claims.values()]
    unknown = groups.keys() - {(claim.paper, claim.id) for claim in claims}
    findings = [finding(claim, groups.get((claim.paper, claim.id), [])) for claim in claims]
    found = {evidence.verdict.scale for key, group in groups.items() if key not in unknown for evidence in group}
    return Results(
        tuple(papers),
        tuple(scale for scale in SCALES if scale in found),
        tuple(findings),
        _newest_plots(folders),
        tuple(sorted(name for _, name in unknown)),
    )


def finding(claim: Claim, evidence: Iterable[Evidence]) -> Finding:
    """Choose the headline of a claim; what was not run is no evidence, unless there is nothing else."""
    first, *others = sorted(evidence, key=_rank, reverse=True) or [_nothing(claim)]
    return Finding(claim, first, tuple(other for other in others if other.verdict.verdict != "not run"))


def _rank(evidence: Evidence) -> tuple[int, int, str]:
    """Order what decided a claim by scale, then by time; after it what decided nothing."""
    verdict = evidence.verdict
    decided = UNDECIDED.index(verdict.verdict) if verdict.verdict in UNDECIDED else len(UNDECIDED)
    return decided, SCALES.index(verdict.scale), verdict.time


def _nothing(claim: Claim) -> Evidence:
    scale = "paper" if claim.scale == "paper" else SCALES[0]
    return Evidence(Verdict(claim.id, claim.paper, scale, "", "not run", reason="no session has tried it yet"))


def _key(evidence: Evidence) -> tuple[str, str]:
    return evidence.verdict.paper, evidence.verdict.id


def _by_time(evidence: Iterable[Evidence]) -> list[Evidence]:
    return sorted(evidence, key=lambda each: each.verdict.time)


def _add(group: list[Evidence], new: Evidence, prefer_newest: bool) -> None:
    """Add the next newer evidence to what is kept of its claim so far: one for each scale and workload."""
    rivals = [old for old in group if _rivals(old.verdict, new.verdict)]
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


def _rivals(old: Verdict, new: Verdict) -> bool:
    same_data = old.workload == new.workload or not (old.decided and new.decided)
    return old.scale == new.scale and same_data


def _agree(old: Verdict, new: Verdict) -> bool:
    return old.verdict == new.verdict or (old.commit is not None and old.commit == new.commit)


def _contradiction(old: Evidence, new: Evidence) -> str:
    first, second = (f"{e.verdict.verdict} in {e.file} (commit {_short(e.verdict)})" for e in (old, new))
    verdict = new.verdict
    return (
        f"two runs contradict each other: {verdict.id} at scale {verdict.scale} on {verdict.workload} is {first} "
        f"but {second}; --prefer newest takes the later one"
    )


def _short(verdict: Verdict) -> str:
    return verdict.commit[:7] if verdict.commit else "unknown"


def _newest_plots(folders: Sequence[Folder]) -> tuple[Plot, ...]:
    """Take a plot from the folder in which a test was decided last at its scale, and from a baseline if none has it."""
    plots: dict[tuple[str, int, str], tuple[str, Plot]] = {}
    for folder in folders:
        for plot in folder.plots:
            times = [each.verdict.time for each in folder.evidence if each.verdict.scale == plot.scale]
            key = (plot.paper, SCALES.index(plot.scale), plot.name)
            plots[key] = max(plots.get(key, ("", plot)), (max(times, default=""), plot), key=lambda pair: pair[0])
    for plot in (plot for folder in folders for plot in folder.kept_plots):
        plots.setdefault((plot.paper, SCALES.index(plot.scale), plot.name), ("", plot))
    return tuple(plots[key][1] for key in sorted(plots))
