"""Section III and appendix A: levels, probabilities and moments of Q_s, lemmas 4, 5 and 12."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from algorithms.quantize import Quantizer
from reproductions.harness.decisions import Decision, Interval, agree, all_of, close, exactly, searched
from reproductions.harness.plugin import decides
from reproductions.harness.statistics import proportion_interval, within
from reproductions.harness.verdicts import Decider
from reproductions.qprsgd.bounds import noise_factor
from reproductions.qprsgd.code_length import gamma_bits
from reproductions.qprsgd.rounding import Array, Outcomes, outcomes, rounding
from reproductions.qprsgd.vectors import structured

SIZES = ((2, 1), (2, 2), (4, 1), (9, 3), (64, 1), (64, 4), (64, 20), (200, 1), (1000, 7), (1000, 500))  # d, s
ENUMERATED = ((2, 1), (3, 2), (4, 1), (4, 3), (8, 2), (8, 5))
COPIES = 4000  # of every element of a vector: equal elements have equal probabilities


def quantizer(s: int) -> Quantizer:
    """Return the quantizer under test."""
    return Quantizer(s)


@decides("qprsgd-eq2-levels")
def test_levels(claim: Decider) -> None:
    found, wanted = [], []
    for s in (1, 2, 7, 62):
        turn = np.linspace(0, 2 * np.pi, 16 * s)  # the first element goes through all of [-|v|, |v|]
        vectors = np.stack([np.cos(turn), np.sin(turn)], axis=1)
        for key, v in enumerate(vectors):
            found += [(s, round(float(q) * s)) for q in quantizer(s).quantize(torch.from_numpy(v), key)]
        wanted += [(s, level) for level in range(-s, s + 1)]
    reached = sorted(set(found))
    counts = [sum(s == t for t, _ in reached) for s in (1, 2, 7, 62)]
    decision = all_of(exactly(counts, [3, 5, 15, 125]), _same(reached, wanted))
    claim.decide(decision, "3, 5, 15 and 125 levels at s = 1, 2, 7 and 62")


@decides("qprsgd-quantiser-eq34")
def test_probabilities(claim: Decider) -> None:
    decisions = []
    for v, s in _elements():
        r = rounding(np.repeat(v, COPIES), s)
        level, chance, unit = r.level[::COPIES], r.chance[::COPIES], float(r.unit[0])
        sample = quantizer(s).quantize(torch.from_numpy(np.repeat(v, COPIES)), key=s).numpy().reshape(-1, COPIES)
        zeta = np.rint(np.abs(sample) / unit)
        up = zeta == (level + 1)[:, None]
        only = up | (zeta == level[:, None])
        signed = np.where(sample != 0, np.sign(sample) == np.sign(v)[:, None], True)
        decisions.append(exactly((only & signed).mean(axis=1), np.ones(len(v))))
        decisions += [_has(int(u.sum()), float(p)) for u, p in zip(up, chance, strict=True)]
    claim.decide(all_of(*decisions), f"frequencies of {len(decisions)} elements, {COPIES} draws each")


@decides("qprsgd-lemma4-unbiased")
def test_unbiased(claim: Decider) -> None:
    means, wanted = [], []
    for v, s in _small():
        possible = outcomes(Outcomes(v[None], np.ones(1)), s)
        means.append(possible.probability @ possible.values)
        wanted.append(v)
    enumerated = close(np.concatenate(means), np.concatenate(wanted), rtol=1e-12, atol=1e-14)
    errors = []
    for v, s in _elements():
        copies = torch.from_numpy(np.repeat(v, COPIES))
        error = (quantizer(s).quantize(copies, key=s + 1) - copies).numpy().reshape(-1, COPIES)
        errors.append(error.mean(axis=1) / max(float(rounding(copies.numpy(), s).unit[0]), 1e-300))
    # P (1-P) <= 1/4, so that a mean of 4000 has a standard error of at most 0.008 units
    claim.decide(all_of(enumerated, _mean_zero(np.concatenate(errors))), "E Q_s(v) = v")


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
    fixed = [int(np.ceil(np.log2(2 * s + 1))) for s in (2047, 2048)]
    elias = [1 + int(gamma_bits(s + 1)) for s in (62, 63)]  # a sign and Elias(zeta + 1), zeta <= s
    ours = [Quantizer(2047).bits, Quantizer(62, wire="elias").bits]
    claim.decide(
        exactly([*fixed, *elias, *ours], [12, 13, 12, 14, 12, 12]),
        "12 bits: s <= 2047 at fixed length, s <= 62 by Elias",
    )


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


def _measured() -> Decision:
    """Decide whether samples have the exact second moment."""
    decisions = []
    for v, s in list(_elements())[:2]:
        copies = np.repeat(v, COPIES)
        errors = (quantizer(s).quantize(torch.from_numpy(copies), key=s + 2).numpy() - copies) ** 2
        exact = float(rounding(copies, s).noise) / len(copies)
        decisions.append(within(errors.reshape(-1, 50).mean(axis=1) / exact, 0.9, 1.1))
    return all_of(*decisions)


def _has(successes: int, chance: float) -> Decision:
    """Decide whether a probability lies in the 99.99 % interval of a frequency."""
    interval = proportion_interval(successes, COPIES, 0.9999)
    inside = interval.low - 1e-12 <= chance <= interval.high + 1e-12
    sentence = f"P = {chance:.4f} against a frequency in [{interval.low:.4f}, {interval.high:.4f}]"
    return Decision("holds" if inside else "fails", interval, sentence)


def _mean_zero(errors: Array) -> Decision:
    worst = float(np.abs(errors).max())
    sentence = f"largest mean error {worst:.4f} of a level in {len(errors)} elements"
    return Decision("holds" if worst < 0.04 else "fails", Interval(worst, worst, worst, 1, len(errors)), sentence)


def _same(found: list[tuple[int, int]], wanted: list[tuple[int, int]]) -> Decision:
    return exactly(np.array(found), np.array(wanted)) if len(found) == len(wanted) else exactly([len(found)], [-1])
