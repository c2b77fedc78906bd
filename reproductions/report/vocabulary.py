"""Words and signs that all forms of the report share."""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """How a verdict looks without colour, and what it means."""

    symbol: str
    text: str


MEANINGS = {
    "reproduced": Meaning("✓", "holds within its tolerance, at the scale the claim is about"),
    "trend": Meaning("~", "the order or direction holds at a reduced scale; the number itself was not decided"),
    "erratum": Meaning("†", "wrong as printed; the test shows a counter-example and decides the corrected statement"),
    "deviates": Meaning("✗", "decided, and it does not hold"),
    "inconclusive": Meaning("?", "too few seeds to decide; the reason says how many would"),
    "not run": Meaning("·", "needs data, scale or hardware that was not there, or was not asked for"),
    "crashed": Meaning("!", "the run failed"),
}
SCALES = {
    "smoke": "embedded data and tiny models: trends, and what is exact at any scale",
    "small": "real data, reduced networks and fewer epochs: trends, and what is exact at any scale",
    "paper": "the paper's own setting",
}
