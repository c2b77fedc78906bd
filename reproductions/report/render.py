"""Templates: text with the values of the report in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reproductions.report.errors import ReportError

if TYPE_CHECKING:
    from jinja2 import Environment

Filter = Callable[..., Any]


def templates(filters: Mapping[str, Filter], markup: bool = False) -> Environment:
    """Return the templates of the report with these filters; with `markup`, values are escaped for HTML.

    A name that a template uses and nobody gives is an error.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=markup,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= filters
    return environment


def around(text: str, begin: str, end: str, path: Path) -> tuple[str, str]:
    """Return a page up to the marker where a part of it begins, and from the one where it ends.

    A `ReportError` that names the path if the page does not have both markers, once and in this order.
    """
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ReportError(
            f"{path} needs the lines {begin} and {end}, once and in this order: what is made goes between"
        )
    return text[: text.index(begin)] + begin, text[text.index(end) :]


def cell(text: str) -> str:
    """Escape plain text for a cell of a Markdown table."""
    return re.sub(r"([\\`*_\[\]<>|$])", r"\\\1", " ".join(text.split()))
