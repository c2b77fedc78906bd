"""Section III and appendix A: levels, probabilities and moments of Q_s, lemmas 4, 5 and 12.

What is decided about draws is decided about decoded messages: in float64, and in float32 with both formats, as in the
runs of the figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Literal

import numpy as np
import torch

from algorithms.qprsgd.messages import Codec
from algorithms.qprsgd.quantize import Quantizer
from reproductions.paper import (
    Decider,
    Decision,
    agree,
    all_of,
    close,
    decides,
    exactly,
    point,
    proportion_interval,
    searched,
    within,
)
from reproductions.qprsgd.bounds import noise_factor
from reproductions.qprsgd.code_length import gamma_bits
from reproductions.qprsgd.rounding import Array, Outcomes, outcomes, rounding
from reproductions.qprsgd.vectors import structured

SIZES = ((2, 1), (2, 2), (4, 1), (9, 3), (64, 1), (64, 4), (64, 20), (200, 1), (1000, 7), (1000, 500))  # d, s
ENUMERATED = ((2, 1), (3, 2), (4, 1), (4, 3), (8, 2), (8, 5))
COPIES = 4000  # of every element of a vector: equal elements have equal probabilities
LEVELS = (1, 2, 7, 62)
WAYS: tuple[tuple[Literal["fixed", "elias"], torch.dtype], ...] = (
    ("fixed", torch.float64),
    ("fixed", torch.float32),
    ("elias", torch.float32),
)


def quantizer(s: int, wire: Literal["fixed", "elias"] = "fixed") -> Codec:
    """Return the quantizer under test."""
    return Quantizer(s, wire=wire)


@decides("qprsgd-eq2-levels")
def test_levels(claim: Decider) -> None:
    off, missing, counts = [], [], []
    for (wire, dtype), s in product(WAYS, LEVELS):
        turn = np.linspace(0, 2 * np.pi, 16 * s)  # the first element goes through all of [-|v|, |v|]
        vectors = np.stack([np.cos(turn), np.sin(turn)], axis=1)
        found = np.concatenate([_draw(v, s, key, wire, dtype) for key, v in enumerate(vectors)]) * s
        off.append(np.abs(found - np.rint(found)).max())
        reached = set(np.rint(found))
        missing.append(len(reached ^ set(range(-s, s + 1))))
        counts.append(len(reached))
    grid = all_of(close(off, np.zeros(len(off)), rtol=0, atol=1e-4), exactly(missing, np.zeros(len(missing))))
    text = f"{', '.join(map(str, counts[: len(LEVELS)]))} levels at s = {', '.join(map(str, LEVELS))}"
    claim.decide(all_of(grid, exactly(counts, [2 * s + 1 for s in LEVELS] * len(WAYS))), text)


@decides("qprsgd-quantiser-eq34")
def test_probabilities(claim: Decider) -> None:
    valid, inside = [], []
    for (wire, dtype), (v, s) in product(WAYS, list(_elements())):
        r = rounding(np.repeat(v, COPIES), s)
        level, chance, unit = r.level[::COPIES], r.chance[::COPIES], float(r.unit[0])
        sample = _draw(np.repeat(v, COPIES), s, s, wire, dtype).reshape(-1, COPIES)
        exact = np.abs(sample) / unit
        zeta = np.rint(exact)
        up = zeta == (level + 1)[:, None]
        only = (up | (zeta == level[:, None])) & (np.abs(exact - zeta) < 1e-4 * s)
        signed = np.where(sample != 0, np.sign(sample) == np.sign(v)[:, None], True)
        valid += (only & signed).mean(axis=1).tolist()
        inside += [_has(int(u.sum()), float(p)) for u, p in zip(up, chance, strict=True)]
    text = f"{sum(inside)} of {len(inside)} frequencies of {COPIES} draws have P in their interval"
    claim.decide(all_of(exactly(valid, np.ones(len(valid))), exactly(inside, np.ones(len(inside)))), text)


@decides("qprsgd-lemma4-unbiased")
def test_unbiased(claim: Decider) -> None:
    means, wanted = [], []
    for v, s in _small():
        possible = outcomes(Outcomes(v[None], np.ones(1)), s)
        means.append(possible.probability @ possible.values)
        wanted.append(v)
    enumerated = close(np.concatenate(means), np.concatenate(wanted), rtol=1e-12, atol=1e-14)
    errors = []
    for (wire, dtype), (v, s) in product(WAYS, list(_elements())):
        copies = np.repeat(v, COPIES)
        error = (_draw(copies, s, s + 1, wire, dtype) - copies).reshape(-1, COPIES)
        errors.append(error.mean(axis=1) / float(rounding(copies, s).unit[0]))
    for wire, dtype in WAYS:  # few elements, so that levels go up to s
        v, s = np.array([3.0, -1.0, 0.5, 0.2]), 7
        mean = np.mean([_draw(v, s, key, wire, dtype) for key in range(COPIES)], axis=0)
        errors.append((mean - v) / float(rounding(v, s).unit[0]))
    # P (1-P) <= 1/4, so that a mean of 4000 has a standard error of at most 0.008 units
    worst = float(np.abs(np.concatenate(errors)).max())
    text = f"largest mean error of {COPIES} draws {worst:.3f} of a level"
    claim.decide(all_of(enumerated, _mean_zero(np.concatenate(errors))), text)


@decides("qprsgd-lemma5-second-moment")
def test_second_moment(claim: Decider) -> None:
    ratios = [float(rounding(v, s).noise) / (noise_factor(len(v), s) * float(v @ v)) for v, s in _vectors()]
    attained = rounding(np.ones(4), 1)  # |v_i| s / |v| = 1/2
    listed, by_moments = [], []
    for v, s in _small():
        listed.append(outcomes(Outcomes(v[None], np.ones(1)), s).noise_around(v))
        by_moments.append(float(rounding(v, s).noise))
    twice = close(by_moments, listed, rtol=1e-9, atol=1e-12)
    equal = close(attained.noise, noise_factor(4, 1) * 4, rtol=1e-12, atol=0)
    search = searched(ratios, "structured vectors, d to 1000, s = 1 to 500")
    claim.decide(all_of(search, twice, equal, _measured()), f"{max(ratios):.4f} of the bound, attained at half levels")


@decides("qprsgd-eq-raw-second-moment")
def test_raw_second_moment(claim: Decider) -> None:
    ratios = [float(rounding(v, s).moment) / ((1 + noise_factor(len(v), s)) * float(v @ v)) for v, s in _vectors()]
    sums = [(float(rounding(v, s).moment), float(rounding(v, s).noise + v @ v)) for v, s in _vectors()]
    split = agree(sums, rtol=1e-9)  # E |Q|^2 = E |Q - v|^2 + |v|^2
    claim.decide(all_of(searched(ratios, "structured vectors, d to 1000, s = 1 to 500"), split))


@decides("qprsgd-bits-implied-s")
def test_bits(claim: Decider) -> None:
    fixed, elias = [_fixed_bits(s) for s in (2047, 2048)], [_elias_bits(s) for s in (62, 63)]
    ours = [Quantizer(2047).bits, Quantizer(62, wire="elias").bits]
    largest = [max(s for s in range(1, 4096) if bits(s) <= 12) for bits in (_fixed_bits, _elias_bits)]
    text = "12 bits: s <= {} at fixed length, s <= {} by Elias".format(*largest)
    claim.decide(exactly([*fixed, *elias, *ours, *largest], [12, 13, 12, 14, 12, 12, 2047, 62]), text)


@decides("qprsgd-lemma12-nnz")
def test_nonzeros(claim: Decider) -> None:
    ratios = []
    for v, s in _vectors():
        r = rounding(v, s)
        nonzeros = float(np.where(r.level > 0, 1, r.chance).sum())
        ratios.append(nonzeros / min(s * s + s * np.sqrt(len(v)), len(v)))
    claim.decide(searched(ratios, "structured vectors, d to 1000, s = 1 to 500"))


# ---------------------------------------------------------------------------------------------------- measurement


def _vectors() -> Iterator[tuple[Array, int]]:
    for d, s in SIZES:
        yield from ((v, s) for v in structured(d, s))


def _small() -> Iterator[tuple[Array, int]]:
    for d, s in ENUMERATED:
        yield from ((v, s) for v in structured(d, s))


def _elements() -> Iterator[tuple[Array, int]]:
    """Yield few elements, many copies of which make a vector, so that their probabilities differ."""
    for s in (200, 500):  # |v_i| s / |v| goes through several levels although d = 24,000
        yield np.array([0.3, -0.01, 2.0, -1.1, 1.7, 0.9]), s
    yield np.array([1.0, -1.0]), 1


def _draw(v: Array, s: int, key: int, wire: Literal["fixed", "elias"], dtype: torch.dtype) -> Array:
    """Return what a message with Q_s(v) decodes to, in float64."""
    row, codec = torch.from_numpy(v).to(dtype), quantizer(s, wire)
    message, out = torch.zeros(64 + 16 * len(v), dtype=torch.uint8), torch.empty_like(row)
    codec.decode(message[: codec.encode(row, key, message)], out)
    return out.double().numpy()


def _fixed_bits(s: int) -> int:
    return int(np.ceil(np.log2(2 * s + 1)))


def _elias_bits(s: int) -> int:
    """Return the bits of a sign and the longest Elias(zeta + 1), zeta <= s."""
    return 1 + int(gamma_bits(s + 1))


def _measured() -> Decision:
    """Decide whether samples have the exact second moment."""
    decisions = []
    for (wire, dtype), (v, s) in product(WAYS, list(_elements())[:2]):
        copies = np.repeat(v, COPIES)
        errors = (_draw(copies, s, s + 2, wire, dtype) - copies) ** 2
        exact = float(rounding(copies, s).noise) / len(copies)
        decisions.append(within(errors.reshape(-1, 50).mean(axis=1) / exact, 0.9, 1.1, of="draws"))
    return all_of(*decisions)


def _has(successes: int, chance: float) -> bool:
    """Say whether a probability lies in the 99.99 % interval of a frequency."""
    interval = proportion_interval(successes, COPIES, 0.9999)
    return interval.low - 1e-12 <= chance <= interval.high + 1e-12


def _mean_zero(errors: Array) -> Decision:
    worst = float(np.abs(errors).max())
    sentence = f"largest mean error {worst:.4f} of a level in {len(errors)} elements"
    return Decision("holds" if worst < 0.04 else "fails", point(worst, len(errors)), sentence)
