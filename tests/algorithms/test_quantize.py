"""Q_s: bits against a reference written from the text, laws, messages of every kind and damage to them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from algorithms import quantize, wire_torch
from algorithms.elias import gamma_bits
from algorithms.quantize import Quantizer
from algorithms.streams import kernel_key
from reproductions.harness.decisions import Decision
from reproductions.harness.statistics import mean_interval, within
from tests.reproductions.qprsgd.wrong import Floor, Nearest, TowardsZero, WithoutRandomness

FORMATS = ("fixed", "elias")
DTYPES = (torch.float32, torch.float64)
SIZES = (0, 1, 2, 31, 32, 33, 63, 1023, 2047, 2048, 2049, 4096, 5001)
LEVELS = (1, 2, 3, 62, 127, 2047, 32767, 32768, 1 << 20)


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
    """Return the 32 random bits of an element, by the rule in the docstring of `algorithms.wire`."""
    block, e = divmod(element, 2048)
    plain = e % 1024
    word = philox(256 * block + plain % 512 // 2, key)[1 - plain % 2 + 2 * (plain // 512)]
    return word if e < 1024 else (word << 16 | word >> 16) & 0xFFFFFFFF


def sent(q: Quantizer, v: Tensor, key: int) -> Tensor:
    """Return the message, cut to the bytes that travel, from a buffer that was full of ones."""
    message = torch.full((q.size(v.numel(), v.dtype),), 255, dtype=torch.uint8)
    used = q.encode(v, key, message)
    assert used <= message.numel()
    assert used == message.numel() or q.wire == "elias"
    return message[:used].clone()


def received(q: Quantizer, message: Tensor, like: Tensor) -> Tensor:
    out = torch.full_like(like, math.nan)
    q.decode(message, out)
    return out


def cases(seed: int, many: int) -> Iterator[tuple[Quantizer, Tensor, int]]:
    """Search at random over formats, types, sizes, levels, buckets and scales, some elements zero."""
    rng = np.random.default_rng(seed)
    for _ in range(many):
        s = int(rng.choice(LEVELS)) if rng.random() < 0.5 else int(2 ** rng.uniform(0, 20))
        n = int(rng.choice(SIZES)) if rng.random() < 0.5 else int(rng.integers(0, 9000))
        q = Quantizer(s, int(rng.choice([0, 1, 7, 100, 2048, 3000])), FORMATS[rng.integers(2)])
        v = rng.standard_normal(n) * (rng.random(n) < 0.9) * 10.0 ** rng.uniform(-40, 35)
        yield q, torch.tensor(v, dtype=DTYPES[rng.integers(2)]), int(rng.integers(1 << 63)) * 2 + 1


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
    assert unbiased(wrong).outcome == "fails"
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


def test_sizes() -> None:
    assert Quantizer().size(10_000_000) == 15_000_016  # 12 bits each, a norm padded to 8 bytes, a header of 8
    assert Quantizer(127).size(16) == 16 + 16
    assert Quantizer(127, bucket=4).size(16) == 16 + 16 + 8
    assert Quantizer(127).size(16, torch.float64) == 16 + 16
    assert Quantizer().size(0) == 8
    assert [Quantizer(s).bits for s in (1, 2, 3, 4, 7, 127, 2047, 2048, 1 << 20)] == [2, 3, 3, 4, 4, 8, 12, 13, 22]
    assert [Quantizer(s, wire="elias").bits for s in (1, 2, 3, 62, 63, 1 << 20)] == [4, 4, 6, 12, 14, 42]


def test_elias_takes_sign_and_gamma_code_of_every_level() -> None:
    assert [gamma_bits(k) for k in (1, 2, 3, 4, 7, 8, 1 << 20)] == [1, 3, 3, 5, 5, 7, 41]
    for s in (1, 62, 5000):
        v = torch.randn(3000, generator=torch.Generator().manual_seed(s))
        q = Quantizer(s, wire="elias")
        levels = (q.quantize(v, 4).double() * s / v.double().norm()).round().abs().int().tolist()
        bits = sum(1 + gamma_bits(zeta + 1) for zeta in levels)
        assert len(sent(q, v, 4)) == 8 + 8 + math.ceil(math.ceil(bits / 32) / 2) * 8


def test_elias_bits_are_those_of_the_text() -> None:
    v = torch.tensor([3.0, -4.0, 0.0])  # norm 5, levels 3, -4, 0: certain at s = 5
    message = sent(Quantizer(5, wire="elias"), v, 0)
    bits = "".join(f"{word & 0xFFFFFFFF:032b}" for word in message[16:].view(torch.int32).tolist())
    assert bits.rstrip("0") == "0" + "00100" + "1" + "00101" + "0" + "1"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("bucket", [0, 3])
def test_every_damaged_bit_is_noticed_or_harmless(form: Any, bucket: int) -> None:
    q, v = Quantizer(50, bucket, form), torch.randn(21, generator=torch.Generator().manual_seed(0))
    message, expected, harmless = sent(q, v, 1), q.quantize(v, 1), []
    for bit in range(8 * len(message)):
        damaged = message.clone()
        damaged[bit // 8] ^= 1 << bit % 8
        with contextlib.suppress(ValueError):
            harmless.append(received(q, damaged, v))
    assert len(harmless) <= 64  # bits of padding
    assert all(torch.equal(values, expected) for values in harmless)


@pytest.mark.parametrize("form", FORMATS)
def test_messages_of_other_quantizers_and_lengths_are_refused(form: Any) -> None:
    v = torch.randn(100, generator=torch.Generator().manual_seed(0))
    q = Quantizer(100, wire=form)
    message = sent(q, v, 1)
    long = torch.cat([message, torch.zeros(4096, dtype=torch.uint8)])
    assert torch.equal(received(q, long, v), q.quantize(v, 1))
    for other in (Quantizer(101, wire=form), Quantizer(100, 50, wire=form)):
        with pytest.raises(ValueError, match="message"):
            received(other, long, v)
    for wrong in (v[:99], v.double(), torch.zeros(101)):
        with pytest.raises(ValueError, match="message"):
            received(q, long, wrong)
    for useless in (torch.zeros_like(long), torch.full_like(long, 255), message[:-8], message[:8], message[:0]):
        with pytest.raises(ValueError, match="message"):
            received(q, useless.clone(), v)


@pytest.mark.parametrize("form", FORMATS)
def test_codes_and_norms_out_of_range_are_refused_whatever_the_checksum(form: Any, monkeypatch: Any) -> None:
    v = torch.tensor([1.0, 0.0, 0.0])
    message = sent(Quantizer(6, wire=form), v, 1)
    monkeypatch.setattr(Quantizer, "_verify", lambda *_: None)
    with pytest.raises(ValueError, match=r"damaged.*(out of range|exceeds)"):
        received(Quantizer(5 if form == "elias" else 4, wire=form), message, v)
    at = 8
    for norm in (math.inf, math.nan, -1.0):
        message[at : at + 4].view(torch.float32)[0] = norm
        with pytest.raises(ValueError, match="norm is not a finite number"):
            received(Quantizer(6, wire=form), message, v)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", DTYPES)
def test_values_that_are_not_finite_are_refused(bad: float, dtype: torch.dtype) -> None:
    v = torch.zeros(3000, dtype=dtype)
    v[2500] = bad
    for bucket in (0, 100):
        with pytest.raises(ValueError, match="v holds NaN or infinity"):
            Quantizer(bucket=bucket).quantize(v, 0)
        with pytest.raises(ValueError, match="v holds NaN or infinity"):
            sent(Quantizer(bucket=bucket), v, 0)


def test_bad_arguments_are_one_clear_sentence() -> None:
    q, v = Quantizer(), torch.ones(10)
    message = torch.zeros(q.size(10), dtype=torch.uint8)
    for arguments, sentence in (
        ({"s": 0}, "s is 0"),
        ({"s": (1 << 20) + 1}, "s is 1048577"),
        ({"bucket": -1}, "bucket is -1"),
        ({"wire": "morse"}, 'wire is "morse"'),
    ):
        with pytest.raises(ValueError, match=sentence):
            Quantizer(**arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="message has 23 bytes, but 10 elements need 32"):
        q.encode(v, 0, message[:23])
    for row in (torch.ones(10, dtype=torch.int64), torch.ones(2, 5), torch.ones(20)[::2]):
        with pytest.raises(ValueError, match="v is a contiguous"):
            q.encode(row, 0, message)
    with pytest.raises(ValueError, match="message is a contiguous"):
        q.encode(v, 0, torch.zeros(100))
    with pytest.raises(ValueError, match="message starts 1 bytes behind a multiple of eight"):
        q.encode(v, 0, torch.zeros(100, dtype=torch.uint8)[1:])
    for key in (-1, 1 << 64):
        with pytest.raises(ValueError, match="0 <= key"):
            q.quantize(v, key)
    with pytest.raises(ValueError, match=r"norm that torch.float32 cannot hold"):
        q.quantize(torch.full((4,), 3e38), 0)


class OnTorch:
    """The loops for GPUs, given the arrays of a CPU."""

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            return getattr(wire_torch, name)(*map(self.tensor, arguments))

        return call

    def tensor(self, value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        return torch.from_numpy(value.view(np.int32) if value.dtype == np.uint32 else value)


def test_loops_for_gpus_send_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    on_cpu = [(q, v, key, sent(q, v, key), q.quantize(v, key)) for q, v, key in cases(seed=2, many=60)]
    monkeypatch.setattr(quantize, "_loops", lambda _: OnTorch())
    for q, v, key, message, expected in on_cpu:
        same_norm = v.dtype == torch.float32  # summed in another order, a norm of float64 may differ in its last bit
        assert torch.allclose(q.quantize(v, key), expected, rtol=1e-14, atol=0) or not same_norm
        assert torch.equal(received(q, message, v), expected)
        assert torch.equal(sent(q, v, key), message) or not same_norm
        assert torch.equal(received(q, sent(q, v, key), v), q.quantize(v, key))
