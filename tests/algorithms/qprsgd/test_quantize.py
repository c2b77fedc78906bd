"""Q_s: bits against a reference written from the text, its laws, and wrong quantizers that break them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from algorithms.qprsgd.quantize import Quantizer
from algorithms.streams import kernel_key
from reproductions.harness.verdicts.decisions import Decision
from reproductions.harness.verdicts.intervals import mean_interval
from reproductions.harness.verdicts.statistics import within
from tests.algorithms.qprsgd.messages import DTYPES, FORMATS, cases, received, sent
from tests.reproductions.qprsgd.wrong import Floor, Nearest, TowardsZero, WithoutRandomness


def philox(counter: int, key: int) -> tuple[int, ...]:
    """Return four words of Philox4x32-10 (Salmon et al. 2011), written for reading."""
    low = 0xFFFFFFFF
    c = [counter >> 32 * i & low for i in range(4)]
    k = [key & low, key >> 32]
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [q >> 32 ^ c[1] ^ k[0], q & low, p >> 32 ^ c[3] ^ k[1], p & low]
        k = [k[0] + 0x9E3779B9 & low, k[1] + 0xBB67AE85 & low]
    return tuple(c)


def uniform_word(element: int, key: int) -> int:
    """Return the 32 random bits of an element, by the rule in the docstring of `algorithms.qprsgd.wire`."""
    block, e = divmod(element, 2048)
    plain = e % 1024
    word = philox(256 * block + plain % 512 // 2, key)[1 - plain % 2 + 2 * (plain // 512)]
    return word if e < 1024 else (word << 16 | word >> 16) & 0xFFFFFFFF


def test_philox_known_answers() -> None:
    assert philox(0, 0) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    assert philox((1 << 128) - 1, (1 << 64) - 1) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)


@pytest.mark.parametrize(("s", "dtype"), [(2047, torch.float32), (1, torch.float32), (40000, torch.float64)])
def test_levels_are_those_of_the_equations(s: int, dtype: torch.dtype) -> None:
    v = torch.randn(4500, dtype=dtype, generator=torch.Generator().manual_seed(s))
    key, q = 0xFEDCBA9876543210, Quantizer(s)
    x = v.double() * s / v.double().norm()
    u = torch.tensor([uniform_word(i, key) for i in range(len(v))], dtype=torch.float64) / 2**32
    levels = (q.quantize(v, key).double() * s / v.double().norm()).round()
    expected = (x + u).floor()
    near = ((x + u) - (x + u).round()).abs() < 1e-4  # the kernel keeps fewer bits of v s/||v|| than float64
    assert near.sum() < 10
    assert torch.equal(levels[~near], expected[~near])
    assert torch.equal(levels[v < 0].abs(), -levels[v < 0])  # sgn(v_i) zeta(v_i, s) with zeta >= 0


def test_messages_carry_exactly_the_quantized_vector() -> None:
    for q, v, key in cases(seed=0, many=250):
        expected, message = q.quantize(v, key), sent(q, v, key)
        assert torch.equal(received(q, message, v), expected), (q, len(v))
        total = torch.ones_like(v)
        q.decode(message, total, add=True)
        assert torch.equal(total, 1 + expected)


def test_error_is_less_than_one_level_of_the_stored_norm() -> None:
    for q, v, key in cases(seed=1, many=150):
        size = q.bucket or max(len(v), 1)
        for part, exact in zip(q.quantize(v, key).double().split(size), v.double().split(size), strict=True):
            unit = float(exact.norm()) * (1 + 2.0**-22) / q.s  # the norm is rounded up
            slack = 2.0**-22 * part.abs() + 2.0**-149 * (q.s + 1)  # of float32
            assert bool(((part - exact).abs() <= unit * (1 + 1e-5) + slack).all()), (q, len(v))


def test_bits_depend_on_key_and_element_alone() -> None:
    v = torch.randn(10_000, generator=torch.Generator().manual_seed(0))
    q, half = Quantizer(2047, bucket=4096), 4096
    whole = q.quantize(v, 5)
    assert torch.equal(q.quantize(v[:half], 5), whole[:half])
    assert not torch.equal(q.quantize(v, 6), whole)
    keys = {kernel_key(0, "a", i, t) for i in range(10) for t in range(10)} | {kernel_key(1, "a"), kernel_key(0, "b")}
    assert len(keys) == 102
    assert all(0 <= key < 1 << 64 for key in keys)


def deviations(q: Quantizer, v: Tensor, many: int) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each of many keys, the error Q_s(v) - v along 1.5 + sgn(v), which sees shifts and shrinking alike,
    and its squared norm.
    """
    direction = 1.5 + v.double().sign()
    errors = [q.quantize(v, kernel_key(0, "law", step=t)).double() - v.double() for t in range(many)]
    projections = [float(error @ direction / direction.norm()) for error in errors]
    return np.array(projections), np.array([float(error @ error) for error in errors])


def exact_second_moment(v: Tensor, s: int) -> float:
    """Return sum_i P_i (1 - P_i) ||v||^2/s^2, of which Lemma 5's d ||v||^2/(4 s^2) is the maximum."""
    x = v.double().abs() * s / v.double().norm()
    p = x - x.floor()
    return float((p * (1 - p)).sum() * v.double().norm() ** 2 / s**2)


@pytest.mark.parametrize("s", [1, 3, 30])
@pytest.mark.parametrize("dtype", DTYPES)
def test_unbiased_with_the_exact_second_moment(s: int, dtype: torch.dtype) -> None:
    v = torch.randn(300, dtype=dtype, generator=torch.Generator().manual_seed(s))
    q, many = Quantizer(s), 2000
    projections, squares = deviations(q, v, many)
    exact = exact_second_moment(v, s)
    assert mean_interval(projections, 0.999).low < 0 < mean_interval(projections, 0.999).high
    moment = mean_interval(squares, 0.999)
    assert moment.low < exact < moment.high
    assert moment.high < len(v) / (4 * s**2) * float(v.double().norm() ** 2)


def unbiased(q: Quantizer) -> Decision:
    """Decide that the mean error along a direction is within 0.2 levels, from 200 keys."""
    v = torch.randn(2000, generator=torch.Generator().manual_seed(0))
    unit = float(v.norm()) / q.s
    return within(deviations(q, v, 200)[0] / unit, -0.2, 0.2)


@pytest.mark.parametrize("q", [Quantizer(20), Quantizer(20, wire="elias")])
def test_unbiasedness_holds(q: Quantizer) -> None:
    assert unbiased(q).outcome == "holds"


@pytest.mark.parametrize("wrong", [Nearest(20), TowardsZero(20), Floor(20)])
def test_unbiasedness_fails_without_randomness(wrong: WithoutRandomness) -> None:
    assert unbiased(wrong).outcome != "holds"  # the same number at every draw: never unbiased
    v = torch.randn(5000, generator=torch.Generator().manual_seed(0))
    for form in FORMATS:
        q = type(wrong)(20, bucket=700, wire=form)  # type: ignore[arg-type]
        assert torch.equal(received(q, sent(q, v, 1), v), q.quantize(v, 1))


def test_elements_that_share_a_word_are_almost_independent() -> None:
    v = torch.full((2048 * 500,), 1.0)
    s = int(len(v) ** 0.5 / 2)  # half a level each
    up = (Quantizer(s).quantize(v, 3) > 0).double().view(-1, 2, 1024)
    products = ((up[:, 0] - 0.5) * (up[:, 1] - 0.5)).flatten().numpy()
    interval = mean_interval(products, 0.999)
    assert interval.low < 0.001
    assert interval.high > -0.001


@pytest.mark.parametrize("scale", [0.0, 1e-45, 1e-40, 1e-30, 1.0, 1e30, 1e38])
@pytest.mark.parametrize("s", [1, 2047, 1 << 20])
def test_extreme_float32(scale: float, s: int) -> None:
    for v in (torch.tensor([scale, -scale, 0.0]), torch.tensor([-scale])):
        values = received(Quantizer(s), sent(Quantizer(s), v, 9), v)
        assert bool(torch.isfinite(values).all())
        norm = float(v.double().norm())
        assert float((values.double() - v.double()).abs().max()) <= norm * (1 / s + 1e-6) + 1.5e-45
    assert torch.allclose(values, v, rtol=3e-7, atol=0)  # one element is its own norm


@pytest.mark.parametrize("scale", [5e-324, 1e-310, 1e-200, 1e200, 1e308])
def test_extreme_float64(scale: float) -> None:
    v = torch.tensor([scale, -scale / 2, 0.0], dtype=torch.float64)
    values = received(Quantizer(), sent(Quantizer(), v, 9), v)
    assert float((values / 4 - v / 4).abs().max()) <= scale / 4 * 2 / 2047 + 5e-324
