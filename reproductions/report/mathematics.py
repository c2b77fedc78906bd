"""Formulas: LaTeX in quotes as MathML, which browsers show without a script or a font from elsewhere."""

from __future__ import annotations

import html
import re
from xml.etree.ElementTree import tostring

from latex2mathml.converter import convert_to_element
from markupsafe import Markup, escape

FORMULA = re.compile(r"\$([^$]+)\$")
STRETCH = re.compile(r"\\(?:left|right)\b\s*")


def with_formulas(text: str) -> Markup:
    """Return text as HTML with its formulas set.

    Formulas stand between dollar signs; a text without any that has LaTeX commands is one formula. What is no valid
    LaTeX is shown as it stands.
    """
    if "$" not in text and "\\" in text:
        return _set(text)
    pieces = FORMULA.split(text)  # text and formulas in turn
    return Markup("").join(_set(piece) if i % 2 else escape(piece) for i, piece in enumerate(pieces))


def _set(formula: str) -> Markup:
    try:
        tree = convert_to_element(_balanced(formula).replace("&", ""))
    except Exception:  # whatever a parser of half a formula raises: the formula is then shown as it is written
        return Markup("<code>{}</code>").format(formula)
    for element in tree.iter():
        element.text = html.unescape(
            element.text or ""
        )  # entities become characters, which are escaped once on the way out
    return Markup('<span class="formula">{}</span>').format(Markup(tostring(tree, encoding="unicode")))


def _balanced(formula: str) -> str:
    r"""Drop ``\left`` and ``\right`` where a quote has cut their partner off."""
    lefts, rights = (len(re.findall(rf"\\{side}\b", formula)) for side in ("left", "right"))
    return formula if lefts == rights else STRETCH.sub("", formula)
