"""Files: whether one is whole, and writing several at once or none."""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from reproductions.report.errors import ReportError

PNG_HEAD, PNG_TAIL = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"


def check_whole(path: Path) -> None:
    """Check that a CSV, PNG or SVG was written to its end.

    Raises
    ------
    ReportError
        If it cannot be read or is cut off.
    """
    try:
        problem = {".csv": _csv_problem, ".png": _png_problem, ".svg": _svg_problem}[path.suffix](path)
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
    return ""


def _png_problem(path: Path) -> str:
    data = path.read_bytes()
    return "" if data.startswith(PNG_HEAD) and data.endswith(PNG_TAIL) else "it is no whole PNG"


def _svg_problem(path: Path) -> str:
    text = path.read_text().rstrip()
    return "" if "<svg" in text and text.endswith("</svg>") else "it is no whole SVG"


def png_size(path: Path) -> tuple[int, int]:
    """Return width and height of a whole PNG in pixels."""
    head = path.read_bytes()[16:24]  # after the signature and the name of the first chunk
    return int.from_bytes(head[:4]), int.from_bytes(head[4:])


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
