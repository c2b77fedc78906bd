"""Papers: their titles and all of their claims, whether or not anything was run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reproductions.harness.runs.provenance import CHECKOUT
from reproductions.harness.verdicts.claims import Claim, ClaimsError, of_folder
from reproductions.harness.verdicts.faults import read_yaml
from reproductions.report.errors import ReportError

HERE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Paper:
    """A paper.

    Parameters
    ----------
    name, title
        Name of its folder, and authors and title.
    claims
        Claims by id in the order of the claims file; none if the paper is not built yet.
    """

    name: str
    title: str
    claims: Mapping[str, Claim] = field(default_factory=dict)


def root_of(results: Path) -> Path:
    """Return the folder with the papers of a results folder: the one that it lies in, else this suite's."""
    beside = results.absolute().parent
    return beside if any(beside.glob("*/claims.yaml")) else HERE


def in_checkout(root: Path) -> Path:
    """Return the folder of papers if something may be written there.

    Raises
    ------
    ReportError
        If it is that of a suite that was installed.
    """
    if root == HERE and not CHECKOUT:
        raise ReportError("this writes into a checkout of the suite, and the one that runs was installed")
    return root


def load_all(roots: Iterable[Path]) -> tuple[Paper, ...]:
    """Read the papers of several folders, see `load_papers`; a `ReportError` names a paper that two of them have."""
    found: dict[str, Path] = {}
    papers = []
    for root in dict.fromkeys(path.resolve() for path in roots):
        for paper in load_papers(root):
            if paper.name in found:
                raise ReportError(f"there are two papers {paper.name!r}: in {found[paper.name]} and in {root}")
            found[paper.name] = root
            papers.append(paper)
    return tuple(papers)


def load_papers(root: Path = HERE) -> tuple[Paper, ...]:
    """Read the titles in ``papers.yaml`` and the claims in ``<paper>/claims.yaml``.

    Papers come in the order of ``papers.yaml``, then those that it does not name, with their name as the title.

    Raises
    ------
    ReportError
        If one of the files is damaged.
    """
    titles = _titles(root / "papers.yaml")
    names = dict.fromkeys([*titles, *sorted(path.parent.name for path in root.glob("*/claims.yaml"))])
    return tuple(Paper(name, titles.get(name, name), _claims(root / name / "claims.yaml")) for name in names)


def _titles(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        document = read_yaml(path)
    except (OSError, ValueError) as error:
        raise ReportError(f"{path} is damaged: {error}") from None
    if not isinstance(document, dict):
        raise ReportError(f"{path} should map names of papers to titles, but holds {type(document).__name__}")
    for name in document:
        if not re.fullmatch("[a-z0-9][a-z0-9_-]*", str(name)):
            raise ReportError(f"{path} names the paper {str(name)[:80]!r}, but a name is of a-z, 0-9, _ and -")
    return {str(name): str(title) for name, title in document.items()}


def _claims(path: Path) -> dict[str, Claim]:
    try:
        return of_folder(path) if os.path.lexists(path) else {}
    except ClaimsError as error:
        raise ReportError(" ".join(str(error).split())) from None
