"""Files: whether one is whole, and writing several at once or none."""

from __future__ import annotations

import contextlib
import csv
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from xml.parsers import expat

from reproductions.report.errors import ReportError

# what matplotlib draws with, and what describes a drawing; nothing of it runs or loads anything
DRAWING = (
    *("svg", "g", "defs", "use", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan"),
    *("style", "clipPath", "mask", "pattern", "marker", "image", "linearGradient", "radialGradient", "stop"),
    *("title", "desc", "metadata", "RDF", "Work", "type", "format", "creator", "Agent", "date"),
)
# in a style: anything that is loaded, and escapes, which could spell it
LOADS = re.compile(r"url\(\s*['\"]?(?!#)|@import|\\|(?:image|image-set|src|expression)\(", re.IGNORECASE)
INSIDE = re.compile(r"#|data:image/png;base64,")  # what a link in a drawing may lead to
SIZE = {name: re.compile(rf'<svg[^>]*\s{name}="([\d.]+)(pt)?(?:px)?"') for name in ("width", "height")}


def check_whole(path: Path) -> None:
    """Check that a CSV or an SVG was written to its end, and holds nothing that a reader's program would run.

    Raises
    ------
    ReportError
        If it cannot be read, is cut off, or holds a script, a link to elsewhere or a formula.
    """
    try:
        problem = {".csv": _csv_problem, ".svg": _svg_problem}[path.suffix](path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        problem = str(error)
    if problem:
        raise ReportError(f"{path} is damaged: {problem}; make it again or remove it")


def _csv_problem(path: Path) -> str:
    with path.open(newline="") as lines:
        rows = csv.reader(lines, strict=True)
        header = next(rows, [])
        if not header:
            return "it has no header"
        for row in rows:
            if len(row) != len(header):
                return f"line {rows.line_num} has {len(row)} of {len(header)} values"
            if computed := next((value for value in row if is_formula(value)), None):
                return f"line {rows.line_num} holds {computed[:40]!r}, which a spreadsheet computes"
    return ""


def is_formula(text: str) -> bool:
    """Whether a spreadsheet takes the text of a cell for something to compute."""
    try:
        float(text)
    except ValueError:
        return text.startswith(("=", "+", "-", "@", "\t", "\r"))
    return False


def _svg_problem(path: Path) -> str:
    parser, names, problems, texts = expat.ParserCreate(), list[str](), list[str](), list[str]()

    def element(name: str, attributes: dict[str, str]) -> None:
        names.append(name.rpartition(":")[2])
        if names[-1] not in DRAWING:
            problems.append(f"it holds <{name}>, which is no part of a drawing")
        problems.extend(f"it holds {key}={value[:40]!r}" for key, value in attributes.items() if _acts(key, value))

    def other(*_: object) -> None:
        problems.append("it holds a processing instruction or an entity")

    parser.StartElementHandler, parser.CharacterDataHandler = element, texts.append
    parser.ProcessingInstructionHandler = parser.EntityDeclHandler = other
    try:
        parser.Parse(path.read_bytes(), True)
    except (expat.ExpatError, ValueError) as error:  # a ValueError for an encoding that Python does not have
        return f"it is no whole SVG ({error})"
    if found := LOADS.search("".join(texts)):
        problems.append(f"its style holds {found[0]!r}")
    return problems[0] if problems else "" if names[:1] == ["svg"] else "it is no SVG"


def _acts(name: str, value: str) -> bool:
    """Whether an attribute of a drawing runs something or leads out of it."""
    name = name.rpartition(":")[2].lower()
    return name.startswith("on") or (name in ("href", "src") and not INSIDE.match(value)) or bool(LOADS.search(value))


def svg_size(path: Path) -> tuple[int, int] | None:
    """Return width and height of an SVG in pixels of a page, if its head says them in points or pixels."""
    sizes = [SIZE[name].search(path.read_text()[:2000]) for name in ("width", "height")]
    width, height = (round(float(found[1]) * (4 / 3 if found[2] else 1)) if found else 0 for found in sizes)
    return (width, height) if width and height else None


def publish(texts: Mapping[Path, str], folders: Mapping[Path, Path]) -> None:
    """Move finished outputs into place; until all of them are written beside it, nothing is replaced.

    Parameters
    ----------
    texts
        Contents of files by path.
    folders
        Drafts of folders by the path that they replace.

    Raises
    ------
    ReportError
        If something cannot be written there.
    """
    for path in texts:
        if path.is_dir():
            raise ReportError(f"cannot write {path}: it is a folder")
    drafts = {path: path.with_name(f".{path.name}.{os.getpid()}") for path in texts}
    try:
        for path, draft in drafts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(texts[path], encoding="utf-8", newline="\n")
        for path, draft in drafts.items():
            draft.replace(path)
        for path, draft in folders.items():
            _replace_folder(path, draft)
    except OSError as error:
        raise ReportError(f"cannot write {error.filename}: {error.strerror}") from None
    finally:
        for draft in drafts.values():
            with contextlib.suppress(OSError):
                draft.unlink()


def _replace_folder(path: Path, draft: Path) -> None:
    old = path.with_name(f".{path.name}.old.{os.getpid()}")
    if path.exists():
        path.rename(old)
    draft.rename(path)
    shutil.rmtree(old, ignore_errors=True)
