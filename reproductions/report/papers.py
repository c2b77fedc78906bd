"""Papers: their titles and all of their claims, whether or not anything was run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reproductions.harness.claims import Claim, ClaimsError, load_claims
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
    import yaml

    if not path.exists():
        return {}
    try:
        document: Any = yaml.safe_load(path.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ReportError(f"{path} is damaged: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise ReportError(f"{path} should map names of papers to titles, but holds {type(document).__name__}")
    return {str(name): str(title) for name, title in document.items()}


def _claims(path: Path) -> dict[str, Claim]:
    try:
        return load_claims(path) if path.exists() else {}
    except ClaimsError as error:
        raise ReportError(" ".join(str(error).split())) from None
