"""Templates: text with the values of the report in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

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


def cell(text: str) -> str:
    """Escape plain text for a cell of a Markdown table."""
    return re.sub(r"([\\`*_\[\]<>|$])", r"\\\1", " ".join(text.split()))
