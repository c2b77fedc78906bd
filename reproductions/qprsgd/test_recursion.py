"""Lemma 1, remarks 1 and 2, appendix B: the noise of Q_s(... Q_s(Q_s(w_1) + w_2) ... + w_M)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import product
from math import exp, inf, sqrt
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from algorithms.qprsgd.ring import ring_sum
from algorithms.streams import stream
from algorithms.world import World
from reproductions.paper import (
    COLOURS,
    Decider,
    FigureFolder,
    agree,
    all_of,
    at_most_one,
    close,
    decides,
    panels,
    searched,
    within,
)
from reproductions.qprsgd.bounds import c1, c1_digits, most_workers, noise_factor
from reproductions.qprsgd.rounding import Array, Levels, draw_sum, every_sum, sum_noise
from reproductions.qprsgd.vectors import structured

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RESNET34 = 21_282_122
LISTED = tuple((size, M, s) for size, M, s in product((2, 3, 4), (1, 2, 3, 4), (1, 2, 5)) if size * (M - 1) <= 6)
SAMPLED = ((2, 64), (4, 64), (16, 16), (64, 4))  # M and elements of a part
FACTORS = (0.1, 0.5, 2.0)  # x = d/(4 s^2), about
TRIALS = 128


@decides("qprsgd-lemma1-bound")
def test_lemma1(claim: Decider, figures: FigureFolder) -> None:
    listed = [sum_noise(w, s) / (2 * _c1(w, s) * len(w) * _size(w)) for w, s in _small()]
    search = searched(listed, "all outcomes, parts of 2 to 4 elements, M to 4, s = 1 to 5")
    ratios = [_noise(w, s) / (2 * _c1(w, s) * len(w) * _size(w)) for w, s in _large()]
    # second moments of all outcomes against the noises of the compressions added up
    pairs = [(every_sum(w, s).noise_around(np.sum(w, axis=0)), sum_noise(w, s)) for w, s in list(_small())[::7]]
    twice = agree(pairs, rtol=1e-9, atol=1e-12)
    _draw(figures)
    claim.decide(all_of(search, at_most_one(ratios, "draws"), twice), f"{max(listed):.3f} of the bound at worst")


@decides("qprsgd-C1-definition")
def test_c1(claim: Decider) -> None:
    raw = {(2047, 4): "0.903264", (2047, 8): "0.866097", (4095, 4): "0.154411", (1023, 4): "41.4608"}
    raw[62, 4] = "3.24E+600"
    digits = [float(c1_digits(RESNET34, s, M) / Decimal(value)) for (s, M), value in raw.items()]
    in_range = [(c1(noise_factor(RESNET34, s), M), float(c1_digits(RESNET34, s, M))) for s, M in list(raw)[:4]]
    identity = [_step_a(M, Fraction(eighths, 8)) for M, eighths in product(range(2, 12), range(1, 9))]
    decision = all_of(
        close(digits, np.ones(5), rtol=1e-3, atol=0),
        agree(in_range, rtol=1e-9),
        agree(identity, rtol=0),
    )
    found = [(s, M, c1_digits(RESNET34, s, M)) for s, M in ((2047, 4), (2047, 8), (62, 4))]
    claim.decide(decision, ", ".join(f"{value:.4g} at s = {s}, M = {M}" for s, M, value in found))


@decides("qprsgd-remark1")
def test_remark1(claim: Decider) -> None:
    parts, whole = [], []
    for M, size in SAMPLED[:3]:
        s = round(sqrt(M * size / 2))
        w = np.array([np.ones((M, size))] * M) + 0.5 * stream(0, "workers", M, size).standard_normal((M, M, size))
        bound = 2 * c1(noise_factor(M * size, s), M) * M * float((w**2).sum())
        parts.append(np.sum([_noise(w[:, part], s) for part in range(M)], axis=0) / bound)  # each part by itself
        whole.append(_noise(w.reshape(M, -1), s) / bound)
    readings = {"parts": at_most_one(parts, "draws"), "whole vectors": at_most_one(whole, "draws")}
    worst = [max(float(r.mean()) for r in ratios) for ratios in (parts, whole)]
    claim.decide_readings(readings, "{:.2f} of the bound; if whole vectors are compressed, {:.2f}".format(*worst))


@decides("qprsgd-remark2-M-condition")
def test_condition7(claim: Decider) -> None:
    x = noise_factor(RESNET34, 2047)
    at_paper = c1(x, 4) * 4 / exp(x)
    assert most_workers(x, RESNET34) >= 4, "(7) as printed has to allow M = 4"
    printed = searched([at_paper], "C_1 M / exp(d/(4 s^2)) at s = 2047, M = 4, allowed by (7) as printed")
    ratios = [c1(x, M) * M / exp(x) for x in np.geomspace(1e-6, 50, 400) for M in _allowed(x)]
    edge = [(1 + x / M) ** (M - 1) / (1 + x) for x in np.geomspace(1e-6, 50, 400) for M in _allowed(x)]
    corrected = all_of(searched(ratios, "x to 50, all M that the corrected (7) allows"), searched(edge, "the same"))
    text = f"M <= {most_workers(x, RESNET34):.4g} as printed, <= {most_workers(x, x):.3f} corrected at s = 2047"
    claim.decide_misprint(printed, corrected, text)


@decides("qprsgd-remark2-bound")
def test_remark2(claim: Decider) -> None:
    samples = {}
    for M, size in ((256, 4), (512, 16)):
        w = _shifting(M, size)
        s = round(sqrt(M * size / 2))  # x = 1/2
        x = noise_factor(M * size, s)
        assert most_workers(x, M * size) >= M, "(7) as printed has to allow it"
        samples[M] = _noise(w, s) / (2 * exp(x) * _size(w))
    messages = _over_messages()
    printed = all_of(at_most_one(samples.values(), "draws"), at_most_one([messages], "draws"))
    held = [_noise(w, s) / (2 * exp(_x(w, s)) * _size(w)) for w, s in _large() if len(w) in _allowed(_x(w, s))]
    listed = [sum_noise(w, s) / (2 * exp(_x(w, s)) * _size(w)) for w, s in _small() if len(w) in _allowed(_x(w, s))]
    # the counter-example, by samples and messages
    twice = within(samples[256], 1.5, inf, of="draws"), within(messages, 1.0, inf, of="draws")
    search = searched(listed, "all outcomes, parts of 2 to 4 elements, M to 4")
    corrected = all_of(at_most_one(held, "draws"), search, *twice)
    text = f"noise {samples[512].mean():.2f} times that of (8) at M = 512 as printed, {max(listed):.3f} corrected"
    claim.decide_misprint(printed, corrected, text)


@decides("qprsgd-fM-monotone")
def test_monotone(claim: Decider) -> None:
    factors = (Fraction(1, 1000), Fraction(1, 4), Fraction(1), Fraction(5, 4), Fraction(9))
    growth = [_f(x, M + 1) / _f(x, M) for x, M in product(factors, range(1, 60))]  # rational: no rounding
    decreasing = searched([float(g) for g in growth], "f(M + 1) / f(M), x = 0.001 to 9, M to 60")
    increasing = searched([float(1 / g) for g in growth], "f(M) / f(M + 1), x = 0.001 to 9, M to 60")
    # f' has the sign of log(1 + u) - u / (1 + u), u = x/M, which is positive for all u > 0
    u = np.geomspace(1e-6, 1e3, 200)
    derivative = searched(u / (1 + u) / np.log1p(u), "u/(1+u) / log(1+u)")
    limit = searched([float(_f(x, M)) / exp(x) for x, M in product(factors, (1, 10, 500))], "f(M) / exp(x)")
    claim.decide_misprint(decreasing, all_of(increasing, derivative, limit), f"grows by up to {float(max(growth)):.2f}")


@decides("qprsgd-impact-s")
def test_impact_of_s(claim: Decider) -> None:
    x = [noise_factor(10_000, s) for s in range(5, 2048)]
    ratios = []
    for lead in ("printed", "corrected"):
        workers = np.array([most_workers(v, 10_000 if lead == "printed" else v) for v in x])
        ratios.append(workers[:-1] / workers[1:])
    updates = 1 + 2 * np.exp(-np.array(x))
    ratios.append(updates[:-1] / updates[1:])
    limits = [most_workers(x[k], x[k]) for k in (45, -1)]
    text = f"M <= {limits[0]:.2f} at s = 50, {limits[1]:.0f} at s = 2047; K <= 1 to 3 times sigma^2/(2 kappa^2)"
    claim.decide(searched(np.concatenate(ratios), "limits of M and K at s over those at s + 1, d = 10,000"), text)


# ---------------------------------------------------------------------------------------------------- measurement


def _x(w: list[Array] | Array, s: int) -> float:
    return noise_factor(len(w) * len(w[0]), s)


def _c1(w: list[Array] | Array, s: int) -> float:
    return c1(_x(w, s), len(w))


def _size(w: list[Array] | Array) -> float:
    return float(sum(v @ v for v in w))


def _small() -> Iterator[tuple[list[Array], int]]:
    """Yield workers (M vectors) and s of which all outcomes can be listed."""
    for size, M, s in LISTED:
        vectors = list(structured(size, s))
        yield from (([v] * M, s) for v in vectors)
        yield from (([*[np.zeros(size)] * (M - 1), v], s) for v in vectors)
        yield from (([vectors[(k + m) % len(vectors)] for m in range(M)], s) for k in range(len(vectors)))


def _large() -> Iterator[tuple[Array, int]]:
    """Yield workers (M, elements) and s to draw samples of."""
    for (M, size), x in product(SAMPLED, FACTORS):
        s = max(1, round(sqrt(M * size / (4 * x))))
        rng = stream(0, "workers", M, size)
        yield np.array([rng.standard_normal(size)] * M), s
        yield rng.standard_normal((M, size)), s
        if M > 2:
            yield _shifting(M, size), s


def _shifting(M: int, size: int) -> Array:
    """Return workers whose first half pushes one half of the elements, the second half the other.

    Equal workers keep their sum on the grid on which it is already; here every addition moves it off the grid.
    """
    w = np.zeros((M, size))
    w[: M // 2, : size // 2] = w[M // 2 :, size // 2 :] = 2
    return w


def _noise(w: Array, s: int) -> Array:
    """Return samples of |Q_s(... + w_M) - sum_m w_m|_2^2, (TRIALS,)."""
    rng = stream(1, "trials", *w.shape)
    sums = draw_sum(np.broadcast_to(w[:, None], (len(w), TRIALS, w.shape[1])), s, rng)
    return np.asarray(((sums - w.sum(axis=0)) ** 2).sum(axis=1))


def _over_messages(M: int = 96, size: int = 4) -> Array:
    """Return the ratio to (8) for every part of one ring all-reduce of real messages; parts start at all workers."""
    w, s = _shifting(M, size), round(sqrt(M * size / 2))
    rows = torch.from_numpy(np.tile(w, M))
    ring_sum(World(None, M), rows, Levels(s), 0)
    squared = ((rows[0].numpy().reshape(M, size) - w.sum(axis=0)) ** 2).sum(axis=1)
    return np.asarray(squared / (2 * exp(_x(w, s)) * _size(w)))


def _allowed(x: float) -> range:
    """Return the M from 2 that the corrected (7) allows, 64 at most."""
    return range(2, int(min(most_workers(x, x), 64)) + 1)


def _f(x: Fraction, M: int) -> Fraction:
    return (1 + x / M) ** M


def _step_a(M: int, a: Fraction) -> tuple[float, float]:
    """Return both sides of the equation after (a) in appendix B for a = d/(4 s^2 M), rational until the end."""
    left = 2 * a * sum((1 + a) ** (M - m - 1) * m for m in range(2, M))
    right = 2 / a * ((1 + a) ** (M - 1) - 1) + 2 * (1 + a) ** (M - 2) - 2 * M
    return float(left), float(right)


# --------------------------------------------------------------------------------------------------------- figure


def _draw(figures: FigureFolder) -> None:
    """Draw the noise of the sum over that of M exact compressions against M, under Lemma 1 and (8)."""
    figure, (left, right) = panels(2, width=4.8)
    frames = [_against_workers(left), _against_factor(right)]
    figures.save("recursive_noise", figure, pd.concat(frames, ignore_index=True))


def _against_workers(axis: Axes) -> pd.DataFrame:
    rows, size, x = [], 16, 0.5
    workers = [2, 4, 8, 16, 32, 64, 128, 256]
    for M in workers:
        s = round(sqrt(M * size / (4 * x)))
        normal = stream(0, "workers", M, size).standard_normal((M, size))
        kinds = {"independent": normal, "equal": np.array([normal[0]] * M), "shifting": _shifting(M, size)}
        rows += [(name, M, x, float(_noise(w, s).mean()) / _size(w)) for name, w in kinds.items()]
    frame = pd.DataFrame(rows, columns=["workers", "M", "x", "noise"])
    for name, colour in zip(kinds, COLOURS, strict=False):
        part = frame[frame["workers"] == name]
        axis.loglog(part["M"], part["noise"], ".-", color=colour, label=f"measured, {name} workers")
    axis.loglog(workers, [2 * c1(x, M) * M for M in workers], "k-", label="Lemma 1")
    axis.loglog(workers, [2 * exp(x)] * len(workers), "k--", label="(8)")
    axis.axvspan(workers[0], most_workers(x, x), color="black", alpha=0.08, lw=0, label="M of the corrected (7)")
    axis.set(xlabel="M", title="d/(4 s^2) = 0.5")
    return _finished(axis, frame)


def _against_factor(axis: Axes) -> pd.DataFrame:
    rows, size, M = [], 16, 128
    factors = np.geomspace(0.01, 4, 9)
    for target in factors:
        s = round(sqrt(M * size / (4 * target)))
        x = noise_factor(M * size, s)
        rows.append(("shifting", M, x, float(_noise(_shifting(M, size), s).mean()) / _size(_shifting(M, size))))
    frame = pd.DataFrame(rows, columns=["workers", "M", "x", "noise"])
    axis.loglog(frame["x"], frame["noise"], ".-", color=COLOURS[2], label="measured, shifting workers")
    axis.loglog(factors, [2 * c1(x, M) * M for x in factors], "k-", label="Lemma 1")
    axis.loglog(factors, 2 * np.exp(factors), "k--", label="(8)")
    least = next(x for x in np.geomspace(4, 1e-4, 2000) if most_workers(x, x) >= M)
    axis.axvspan(factors[0] / 2, least, color="black", alpha=0.08, lw=0, label="d/(4 s^2) of the corrected (7)")
    axis.set(xlabel="d/(4 s^2)", xlim=(factors[0] / 1.5, factors[-1]), title=f"M = {M}")
    return _finished(axis, frame)


def _finished(axis: Axes, frame: pd.DataFrame) -> pd.DataFrame:
    axis.set_ylabel("|M X - sum w|^2 / sum |w|^2")
    axis.legend(fontsize=7)
    return frame
