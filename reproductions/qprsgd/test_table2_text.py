"""Table II against itself, and what the text quotes of it: arithmetic of printed cells, as far as they are rounded."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from math import floor

from reproductions.paper import Decider, Decision, all_of, decides, exactly, point, rounding, searched
from reproductions.qprsgd import table2
from reproductions.qprsgd.recipes import PARADIGMS, methods
from reproductions.qprsgd.table2 import BANDWIDTHS, printed

BLOCKS = tuple(product(PARADIGMS, BANDWIDTHS))
HOUR = 0.01  # the last printed digit of a time


def _ratio(paradigm: str, slow: tuple[int, str], fast: tuple[int, str]) -> tuple[float, float, float]:
    """Return a ratio of two printed times, and the smallest and largest that their rounding allows."""
    (b1, m1), (b2, m2) = slow, fast
    above, below = printed(paradigm, b1, "time")[m1], printed(paradigm, b2, "time")[m2]
    (a, b), (c, d) = rounding(above, HOUR), rounding(below, HOUR)
    return above / below, a / d, b / c


def _largest(over: str) -> tuple[float, float, float]:
    """Return the largest printed ratio of a time of a method to that of QPRSGD, and between what its rounding lies."""
    ratios = [_ratio(p, (b, over), (b, "QPRSGD")) for p, b in BLOCKS]
    return max(r[0] for r in ratios), max(r[1] for r in ratios), max(r[2] for r in ratios)


def _held(quoted: Mapping[str, float]) -> tuple[list[bool], str]:
    """Return which quoted ratios the table may hold, by the rounding of both, and its largest ones as text."""
    found = {name: _largest(name) for name in quoted}
    overlaps = []
    for name, value in quoted.items():
        (_, low, high), (first, last) = found[name], rounding(value, 0.1)
        overlaps.append(min(high, last) >= max(low, first))
    text = ", ".join(f"{ratio:.2f} [{low:.2f}, {high:.2f}] over {name}" for name, (ratio, low, high) in found.items())
    return overlaps, text


@decides("qprsgd-sec5c-5.3x")
def test_quoted_speedup_of_the_table(claim: Decider) -> None:
    held, text = _held({"PSGD": float(claim.claim.value)})
    by_hand = exactly([_largest("PSGD")[0]], [4.79 / 0.74])
    claim.decide_erratum(exactly(held, [True]), by_hand, text)


@decides("qprsgd-abstract-18.6x", "qprsgd-intro-3.8x-4.7x")
def test_quoted_speedups_of_the_paper(claim: Decider) -> None:
    """Look for them in the table: they may be of figure 3, whose curves the text has lost."""
    value = claim.claim.value
    quoted: dict[str, float] = value if isinstance(value, dict) else {"PSGD": float(value)}
    held, text = _held(quoted)
    largest = point(max(_largest(name)[0] for name in quoted))
    if all(held):
        claim.decide(Decision("holds", largest, "a ratio of two cells of table II"), text)
    else:
        claim.decide(Decision("inconclusive", largest, "no cells of table II give it, and figure 3 is lost"), text)


@decides("qprsgd-table2-robust")
def test_time_hardly_depends_on_bandwidth(claim: Decider) -> None:
    growth = {p: {m: _ratio(p, (5, m), (100, m)) for m in methods(p)} for p in PARADIGMS}
    least = searched([growth[p]["QPRSGD"][1] / 1.25 for p in PARADIGMS], "smallest growth by rounding, over 1.25")
    others = [growth[p]["QPRSGD"][2] / growth[p][m][1] for p in PARADIGMS for m in ("PSGD", "QSGD", "PR-SGD")]
    slow, fast = ({p: table2.round_time(methods(p)["QPRSGD"], b) for p in PARADIGMS} for b in (5, 100))
    text = ", ".join(f"{p} {growth[p]['QPRSGD'][0] - 1:+.0%} (model {slow[p] / fast[p] - 1:+.0%})" for p in PARADIGMS)
    claim.decide(least, f"{text}; at most {max(others):.2f} times that of any other method, by the worst rounding")


@decides("qprsgd-sec5c-prsgd-60min")
def test_prsgd_within_the_hour(claim: Decider) -> None:
    minutes = 60 * printed("RAR", 5, "time")["PR-SGD"]
    claim.decide(exactly([minutes < 60], [True]), f"{minutes:.0f} minutes in the table")


@decides("qprsgd-sec5c-psgd-1-to-4h")
def test_gossip_psgd_in_the_table(claim: Decider) -> None:
    hours = [printed(paradigm, 5, "time")["PSGD"] for paradigm in PARADIGMS]
    bands = [rounding(value, 1) for value in claim.claim.value]
    rounded = [low <= time <= high for time, (low, high) in zip(hours, bands, strict=True)]
    cut = exactly([floor(time) for time in hours], claim.claim.value)
    text = f"{hours[0]} h on the ring, {hours[1]} h by gossip"
    claim.decide(all_of(cut, exactly(rounded, [True, False])), text)


@decides("qprsgd-table2-physical")
def test_times_are_not_compute_plus_volume_over_bandwidth(claim: Decider) -> None:
    """Fit compute >= 0 and volume >= 0 to 100 and 20 Mbit/s and predict 5; a second way bounds the growth alone."""
    off, growths = [], []
    for paradigm in PARADIGMS:
        for name in methods(paradigm):
            fast, middle, slow = (printed(paradigm, bandwidth, "time")[name] for bandwidth in BANDWIDTHS)
            predicted = middle + (middle - fast) / (1 / 20 - 1 / 100) * (1 / 5 - 1 / 20)
            off.append(predicted / slow)
            growths.append(_ratio(paradigm, (20, name), (100, name))[1])
    # a fifth of the bandwidth makes the volume take five times as long: no sum with compute grows by more
    decision = exactly([max(off) > 1.1, max(growths) > 5], [True, True])
    text = f"up to {max(off):.1f} times the printed cell; from 100 to 20 Mbit/s grows up to {max(growths):.1f}-fold"
    claim.decide(decision, text)
