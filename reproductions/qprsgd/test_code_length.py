"""Appendix G: Elias' gamma code, Lemma 13 and Theorem 3."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from math import log2

import numpy as np
import pandas as pd
import torch

from algorithms.qprsgd.quantize import Quantizer
from algorithms.streams import stream
from reproductions.paper import (
    COLOURS,
    Decider,
    FigureFolder,
    agree,
    all_of,
    close,
    decides,
    exactly,
    panels,
    searched,
)
from reproductions.qprsgd.code_length import NORM_BITS, expected_bits, gamma_bits, gamma_code, lemma13, theorem3
from reproductions.qprsgd.rounding import Array, Outcomes, outcomes, rounding
from reproductions.qprsgd.vectors import structured

SIZES = ((2, 1), (4, 1), (4, 3), (64, 1), (64, 4), (64, 62), (1000, 1), (1000, 16), (1000, 62), (1000, 2047))  # d, s
ENUMERATED = ((2, 1), (4, 1), (4, 3), (8, 2))
RESNET34 = 21_282_122


@decides("qprsgd-elias-length")
def test_elias(claim: Decider) -> None:
    numbers = [*range(1, 5000), 2**20 - 1, 2**20]
    built = [len(gamma_code(k)) for k in numbers]
    floors = [2 * int(log2(k)) + 1 for k in numbers]
    at_one = exactly([2 * log2(1) - 1], [built[0]])  # 2 log k - 1, as printed
    added = exactly([2 * len(f"{k:b}") for k in numbers], built)  # "len of zeros added before bin(k)"
    lemma = searched(np.array(built) / (2 * np.log2(numbers) + 1), "length / (2 log2 k + 1), k < 5000")
    # a prefix code uses up the space of all codes, sum 2^-length = 1; with one zero more half of it is wasted
    kraft = [sum((2**b) * Fraction(1, 2 ** (2 * b + 1 + zeros)) for b in range(60)) for zeros in (0, 1)]
    space = close([float(share) for share in kraft], [1.0, 0.5], rtol=1e-12, atol=0)
    back = exactly([k for _, k in zip(numbers, _decoded(numbers), strict=True)], numbers)
    used = all_of(exactly(built, floors), exactly(gamma_bits(numbers), built), lemma, space, back)
    lengths = ", ".join(f"{len(gamma_code(k))} bits for {k}" for k in (1, 2, 4, 2**20))
    claim.decide_misprint(
        all_of(added, at_one), used, f"{lengths}; with one zero more {float(kraft[1]):.2f} of the code space is used"
    )


@decides("qprsgd-lemma13-elias")
def test_lemma13(claim: Decider) -> None:
    # to the letter |v|_rho^rho <= rho: an element of 2 alone has 2^rho > rho, so only vectors of ones are admitted
    least = min(2**rho / rho for rho in np.geomspace(0.01, 100, 2000))
    printed = searched([least], "smallest 2^rho / rho, which an element of 2 needs to be at most 1")
    ones = [gamma_bits(np.ones(d)).sum() / lemma13(d, rho, rho) for d, rho in ((1, 1.0), (1, 7.0), (5, 5.0), (5, 40.0))]
    letter = searched(ones, "vectors of ones, d <= rho: what the letter of the lemma is about")
    ratios = []
    for d, power in product((1, 2, 7, 100), (0.5, 1.0, 2.0, 3.0)):
        for v in _integers(d):
            ratios.append(gamma_bits(v).sum() / lemma13(d, power, float((v**power).sum())))
    attained = close(gamma_bits(np.full(5, 8)).sum(), lemma13(5, 2.0, 5 * 64.0), rtol=1e-12, atol=0)
    search = searched(ratios, "positive integers, d to 100, p = 0.5 to 3; powers of two attain it")
    text = f"with exponent p and bound rho {max(ratios):.3f} of the bound; 2^rho / rho is at least {least:.2f}"
    claim.decide_misprint(printed, all_of(search, attained, letter), text)


@decides("qprsgd-theorem3-code-length")
def test_theorem3(claim: Decider, figures: FigureFolder) -> None:
    cases = [(v, s) for d, s in SIZES for v in structured(d, s)]
    exact = [expected_bits(v, s) for v, s in cases]
    printed = [bits / theorem3(len(v), s, 1) for bits, (v, s) in zip(exact, cases, strict=True)]
    corrected = [bits / theorem3(len(v), s, len(v)) for bits, (v, s) in zip(exact, cases, strict=True)]
    search = searched(corrected, "exact expected lengths of structured vectors, d to 1000, s = 1 to 2047")
    least = searched([(NORM_BITS + 2 * len(v)) / bits for bits, (v, _) in zip(exact, cases, strict=True)], "two bits")
    small = [(v, s) for d, s in ENUMERATED for v in structured(d, s)]
    listed = close([_listed(v, s) for v, s in small], [expected_bits(v, s) for v, s in small], rtol=1e-12, atol=0)
    raw = [(theorem3(RESNET34, s, ones) - NORM_BITS) / RESNET34 for ones in (1, RESNET34) for s in (2047, 62)]
    values = close(raw, [2.4161, 0.1483, 3.2230, 2.3528], rtol=0, atol=6e-5)
    normal = stream(0, "normal", 4096).standard_normal(4096)
    messages = [(_message_bits(normal, s), expected_bits(normal, s)) for s in (1, 16, 62, 2047)]
    _draw(figures)
    failure = searched(printed, "exact expected lengths of structured vectors, d to 1000, s = 1 to 2047")
    text = f"ResNet-34 at s = 62: {raw[1]:.2f} bits an element as printed, {raw[3]:.2f} corrected, at least 2 needed"
    claim.decide_erratum(failure, all_of(search, least, listed, values, agree(messages, rtol=0.03)), text)


# ---------------------------------------------------------------------------------------------------- measurement


def _decoded(numbers: list[int]) -> Iterator[int]:
    """Read numbers back from the concatenation of their codes."""
    bits, at = "".join(map(gamma_code, numbers)), 0
    while at < len(bits):
        zeros = bits.index("1", at) - at
        yield int(bits[at + zeros : at + 2 * zeros + 1], 2)
        at += 2 * zeros + 1


def _integers(d: int) -> Iterator[Array]:
    """Yield vectors of positive integers: equal powers of two attain the bound."""
    rng = stream(0, "integers", d)
    yield from (np.full(d, float(value)) for value in (1, 2, 3, 4, 7, 1024))
    yield from (np.floor(1 + rng.pareto(shape, d)) for shape in (0.7, 1.5, 3.0))
    yield np.exp2(rng.integers(0, 12, d).astype(np.float64))


def _listed(v: Array, s: int) -> float:
    """Return the expected bits from the codes, built bit by bit, of all outcomes."""
    unit = float(rounding(v, s).unit[0])
    possible = outcomes(Outcomes(v[None], np.ones(1)), s)
    zeta = np.rint(np.abs(possible.values) / unit).astype(int)
    lengths = [NORM_BITS + sum(1 + len(gamma_code(z + 1)) for z in row) for row in zeta.tolist()]
    return float(possible.probability @ np.array(lengths))


def _message_bits(v: Array, s: int) -> float:
    """Return the bits of norm and codes in a message; it also has two words of header and is a multiple of 8 bytes."""
    quantizer, row = Quantizer(s, wire="elias"), torch.from_numpy(v).float()
    message = torch.zeros(quantizer.size(len(v)), dtype=torch.uint8)
    return 8.0 * quantizer.encode(row, s, message) - 64


def _draw(figures: FigureFolder) -> None:
    """Draw bits an element against s / sqrt(d), for which vectors of all sizes nearly agree."""
    figure, (axis,) = panels(1, width=5.6, height=3.8)
    rows, d = [], 4096
    levels = np.unique(np.geomspace(1, 2047, 24).astype(int)).tolist()
    normal = stream(0, "normal", d).standard_normal(d)
    for s in levels:
        measured = (_message_bits(normal, s) - NORM_BITS) / d
        bounds = [(theorem3(d, s, ones) - NORM_BITS) / d for ones in (1, d)]
        rows.append((d, s, measured, (expected_bits(normal, s) - NORM_BITS) / d, *bounds))
    frame = pd.DataFrame(rows, columns=["d", "s", "measured", "exact", "printed", "corrected"])
    share = frame["s"] / np.sqrt(d)
    axis.semilogx(share, frame["corrected"], "k-", label="Theorem 3, corrected")
    axis.semilogx(share, frame["printed"], "k--", label="Theorem 3, as printed")
    axis.semilogx(share, frame["exact"], color=COLOURS[0], label="exact, normal vector")
    axis.semilogx(share, frame["measured"], "o", ms=4, mfc="none", color=COLOURS[1], label="one message")
    axis.axhline(2, color="black", ls=":", lw=1, label="a sign and Elias(1)")
    axis.set(xlabel="s / sqrt(d)", ylabel="bits an element", ylim=(-0.3, 14), title=f"code of Q_s(v), d = {d}")
    axis.legend(fontsize=8)
    figures.save("code_length", figure, frame)
