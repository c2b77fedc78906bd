"""Messages of Q_s: sizes, bits, damage, bad arguments, and the same bits from the loops for GPUs."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np
import pytest
import torch

from algorithms.qprsgd import wire, wire_torch
from algorithms.qprsgd.elias import gamma_bits
from algorithms.qprsgd.layout import Places, parts_of, places_of
from algorithms.qprsgd.quantize import Quantizer
from tests.algorithms.qprsgd.messages import DTYPES, FORMATS, cases, received, sent


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
def test_codes_and_norms_out_of_range_are_refused_whatever_the_checksum(form: Any) -> None:
    v = torch.tensor([1.0, 0.0, 0.0])
    other = Quantizer(5 if form == "elias" else 4, wire=form)
    message = sent(Quantizer(6, wire=form), v, 1)
    sign(other, message, v)
    with pytest.raises(ValueError, match=r"damaged.*(out of range|exceeds)"):
        received(other, message, v)
    for norm in (math.inf, math.nan, -1.0):
        parts_of(message, plan(other, v), v.dtype).norms[0] = norm
        sign(other, message, v)
        with pytest.raises(ValueError, match="norm is not a finite number"):
            received(other, message, v)


def plan(q: Quantizer, v: torch.Tensor) -> Places:
    return places_of(q.s, q.bucket, q.wire, len(v), v.dtype)


def sign(q: Quantizer, message: torch.Tensor, v: torch.Tensor) -> None:
    """Sign a message as if quantizer q had written it."""
    parts = parts_of(message, plan(q, v), v.dtype)
    words = int(parts.header[1])
    total = wire.checksum(parts.codes[:words], 0)
    parts.header[:] = wire.header_of(total, parts.norms, words, plan(q, v).layout.salt)


def test_long_messages_have_checksums_of_all_64_bits() -> None:
    q, v = Quantizer(2047, wire="elias"), torch.randn(1 << 20, generator=torch.Generator().manual_seed(0))
    totals = []
    for key in range(2):
        message = sent(q, v, key)
        parts = parts_of(message, plan(q, v), v.dtype)
        totals.append(int(wire.checksum(parts.codes[: int(parts.header[1])], 0)))
        assert torch.equal(received(q, message, v), q.quantize(v, key))
    assert max(totals) >= 1 << 63


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
            result = getattr(wire_torch, name)(*map(self.tensor, arguments))
            return result.numpy().view(np.uint32) if isinstance(result, torch.Tensor) else result

        return call

    def tensor(self, value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        return torch.from_numpy(value.view(np.int32) if value.dtype == np.uint32 else value)


def test_loops_for_gpus_send_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    on_cpu = [(q, v, key, sent(q, v, key), q.quantize(v, key)) for q, v, key in cases(seed=2, many=60)]
    monkeypatch.setattr(Quantizer, "_loops", lambda *_: OnTorch())
    for q, v, key, message, expected in on_cpu:
        same_norm = v.dtype == torch.float32  # summed in another order, a norm of float64 may differ in its last bit
        assert torch.allclose(q.quantize(v, key), expected, rtol=1e-14, atol=0) or not same_norm
        assert torch.equal(received(q, message, v), expected)
        assert torch.equal(sent(q, v, key), message) or not same_norm
        assert torch.equal(received(q, sent(q, v, key), v), q.quantize(v, key))
