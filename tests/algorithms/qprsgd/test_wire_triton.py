"""The fixed format by Triton kernels, interpreted: bit for bit what `wire` writes and reads, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor

from algorithms.qprsgd.quantize import Quantizer
from tests.algorithms.qprsgd.interpreter import interpreted
from tests.algorithms.qprsgd.messages import DTYPES, sent
from tests.algorithms.qprsgd.reference import Message, layout_of, message_of, norms_of, room_for, values_of

pytest.importorskip("triton", reason="Triton comes with the CUDA build of torch alone")

KEY = 0xFEDCBA9876543210
SIZES = (0, 1, 31, 32, 33, 2047, 2048, 2049)
SOME = ((0, 77), (7, 100), (100, 300), (2048, 2100), (3000, 3100))  # buckets and sizes


@pytest.fixture(scope="module", name="kernels")
def _kernels() -> Iterator[Any]:
    with interpreted() as modules:
        yield modules.wire_triton


def vector(n: int, dtype: torch.dtype, seed: int = 0, scale: float = 1.0) -> Tensor:
    return torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).mul(scale).to(dtype)


def same(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and a.numpy().tobytes() == b.numpy().tobytes()


def check(kernels: Any, q: Quantizer, v: Tensor, key: int = KEY) -> None:
    """Compare what is written and read with `wire`, bit for bit; an odd number of elements is added to others."""
    layout, fault = layout_of(kernels, q, len(v), v.dtype), torch.zeros(1, dtype=torch.int32)
    expected = message_of(q, v, key, layout)
    written = room_for(expected)
    kernels.write(v, key, layout, *written, fault)
    for name, got, wanted in zip(Message._fields, written, expected, strict=True):
        assert same(got, wanted), (name, q, len(v), v.dtype)
    add = len(v) % 2 == 1
    out = torch.linspace(-1, 1, len(v), dtype=v.dtype) if add else torch.zeros_like(v)
    values = values_of(q, v, key, expected.norms, out)
    kernels.read(*written, layout, out, add, fault)
    kernels.check(fault, layout)
    assert torch.equal(out, values), (q, len(v), v.dtype)


@pytest.mark.parametrize("bits", range(2, 23))
def test_every_width(kernels: Any, bits: int) -> None:
    """Each with the fewest levels in one precision and with the most in the other."""
    least, most = 1 << bits - 2, min((1 << bits - 1) - 1, 1 << 20)
    assert Quantizer(least).bits == Quantizer(most).bits == bits
    bucket, n = SOME[bits % len(SOME)]
    check(kernels, Quantizer(least), vector(33 + bits, DTYPES[bits % 2], bits))
    check(kernels, Quantizer(most, bucket), vector(n, DTYPES[1 - bits % 2], bits))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
def test_every_size(kernels: Any, n: int, dtype: torch.dtype) -> None:
    check(kernels, Quantizer(), vector(n, dtype))
    check(kernels, Quantizer(40000, bucket=1), vector(n, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("bucket", "n"), SOME)
def test_every_kind_of_bucket(kernels: Any, bucket: int, n: int, dtype: torch.dtype) -> None:
    check(kernels, Quantizer(7, bucket), vector(n, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("s", [1, 2047, 1 << 20])
def test_codes_that_are_not_packed(kernels: Any, s: int, dtype: torch.dtype) -> None:
    v, q = vector(2100, dtype), Quantizer(s, bucket=100)
    layout = layout_of(kernels, q, len(v), dtype)._replace(bits=32, words=len(v))
    parts = Message(torch.zeros(2, dtype=torch.int32), v.new_empty(21), torch.empty(len(v), dtype=torch.int32))
    out, fault = torch.zeros_like(v), torch.zeros(1, dtype=torch.int32)
    kernels.write(v, KEY, layout, *parts)
    kernels.read(*parts, layout, out, False, fault)
    kernels.check(fault, layout)
    assert torch.equal(out, values_of(q, v, KEY, torch.from_numpy(norms_of(v.numpy(), 100)), torch.zeros_like(v)))


@pytest.mark.parametrize("scale", [0.0, 1e-45, 1e-40, 1e-30, 1e-18, 1e30, 1e37])
def test_extreme_float32(kernels: Any, scale: float) -> None:
    for s in (2047, 1 << 20):
        check(kernels, Quantizer(s, bucket=20), vector(50, torch.float32, s, scale))


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")  # as squares are not in the range of float64
@pytest.mark.parametrize("scale", [0.0, 5e-324, 1e-310, 1e-200, 1e-145, 1e-139, 1e149, 1e200, 1e306])
def test_extreme_float64(kernels: Any, scale: float) -> None:
    for s in (1, 1 << 20):
        check(kernels, Quantizer(s, bucket=20), vector(41, torch.float64, s, scale))


@settings(max_examples=20, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    q=st.builds(Quantizer, st.integers(1, 1 << 20), st.sampled_from((0, 1, 5, 64, 300))),
    n=st.integers(0, 400),
    dtype=st.sampled_from(DTYPES),
    scale=st.floats(-44, 36),
    key=st.integers(0, (1 << 64) - 1),
)
def test_any_message(kernels: Any, q: Quantizer, n: int, dtype: torch.dtype, scale: float, key: int) -> None:
    check(kernels, q, vector(n, dtype, key % 1000, 10.0**scale), key)


@pytest.mark.parametrize(
    ("bucket", "n", "dtype"),
    [
        *((0, 65536 + more, torch.float32) for more in (0, 1)),
        *((0, 131_100, torch.float64), (65_600, 66_000, torch.float64)),
        *((bucket, 600, torch.float64) for bucket in (127, 128, 129, 255, 256, 257)),
    ],
)
def test_norms_of_long_buckets(kernels: Any, bucket: int, n: int, dtype: torch.dtype) -> None:
    v = vector(n, dtype)
    expected = torch.from_numpy(norms_of(v.numpy(), bucket))
    norms = torch.full_like(expected, math.nan)
    kernels.norms_of(v, bucket, norms)
    assert same(norms, expected)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_elements_of_one_bucket_far_apart(kernels: Any) -> None:
    for small, large in ((5e-324, 1e-160), (1e-320, 1.0), (1e-160, 1e150), (1.0, 1e300), (1e308, 5e-324)):
        v = torch.tensor([small, -large, small, 0.0, large / 2], dtype=torch.float64)
        norms = v.new_empty(1)
        kernels.norms_of(v, 0, norms)
        assert same(norms, torch.from_numpy(norms_of(v.numpy(), 0))), (small, large)


def sentence(kernels: Any, q: Quantizer, message: Message, out: Tensor, layout: Any) -> str:
    """Return what the kernel finds wrong with a message, "" if nothing."""
    fault = torch.zeros(1, dtype=torch.int32)
    kernels.read(*message, layout, out, False, fault)
    try:
        kernels.check(fault, layout)
    except ValueError as error:
        return str(error)
    return ""


def parts_of(q: Quantizer, message: Tensor, n: int, dtype: torch.dtype) -> Message:
    """Return views of a whole message in the fixed format: codes, norms, header."""
    codes = -(-n * q.bits // 64) * 8
    norms = -(-n // (q.bucket or max(n, 1))) * dtype.itemsize
    return Message(
        message[-8:].view(torch.int32),
        message[codes : codes + norms].view(dtype),
        message[:codes].view(torch.int32),
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_damaged_messages_are_refused_with_the_sentences_of_the_quantizer(kernels: Any, dtype: torch.dtype) -> None:
    q, v = Quantizer(50, bucket=10), vector(21, dtype)
    layout, message = layout_of(kernels, q, 21, dtype), sent(q, v, KEY)
    found = set()
    for bit in range(0, 8 * len(message), 29):
        damaged = message.clone()
        damaged[bit // 8] ^= 1 << bit % 8
        ours = sentence(kernels, q, parts_of(q, damaged, 21, dtype), torch.empty_like(v), layout)
        try:
            q.decode(damaged, torch.empty_like(v))
            theirs = ""
        except ValueError as error:
            theirs = str(error)
        assert ours == theirs or "268435455 or more words" in ours
        found.add(theirs[:30])
    assert len(found) >= 3  # words, checksum, nothing (padding)
    assert not sentence(kernels, q, parts_of(q, message, 21, dtype), torch.empty_like(v), layout)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("norm", [math.nan, math.inf, -math.inf, -1.0])
def test_norms_out_of_range_are_refused(kernels: Any, norm: float, dtype: torch.dtype) -> None:
    q, v = Quantizer(50, bucket=10), vector(21, dtype)
    message, layout = sent(q, v, KEY), layout_of(kernels, q, 21, dtype)
    parts = parts_of(q, message, 21, dtype)
    parts.norms[1] = norm
    with pytest.raises(ValueError, match="a norm is not a finite number >= 0") as refused:
        q.decode(message, torch.empty_like(v))
    assert sentence(kernels, q, parts, torch.empty_like(v), layout) == str(refused.value)


def test_codes_out_of_range_are_refused_although_the_checksum_is_right(kernels: Any) -> None:
    v, q = torch.tensor([1.0, 0.0, 0.0]), Quantizer(6)
    layout = layout_of(kernels, q, 3, v.dtype)
    message = message_of(q, v, KEY, layout)
    assert not sentence(kernels, q, message, v, layout)
    said = sentence(kernels, q, message, v, layout._replace(s=4))
    assert said == "the message is damaged: code 12 is out of range 0..8"


def test_messages_of_other_quantizers_are_refused(kernels: Any) -> None:
    v = vector(40, torch.float32)
    message = message_of(Quantizer(5), v, KEY, layout_of(kernels, Quantizer(5), 40, v.dtype))
    for other, n in ((Quantizer(6), 40), (Quantizer(5, bucket=40), 40), (Quantizer(5), 39)):
        said = sentence(kernels, other, message, v[:n].clone(), layout_of(kernels, other, n, v.dtype))
        assert said == "the message is damaged or was made by another quantizer: its checksum does not match"
    for other in (Quantizer(60), Quantizer(3)):
        longer = message._replace(codes=torch.zeros(20, dtype=torch.int32))
        said = sentence(kernels, other, longer, v, layout_of(kernels, other, 40, v.dtype))
        assert said == "the message announces 5 words, which does not fit 40 elements and its length"


def test_the_first_fault_stays_and_later_messages_are_read(kernels: Any) -> None:
    v, q, fault = vector(40, torch.float32), Quantizer(5), torch.zeros(1, dtype=torch.int32)
    layout, out = layout_of(kernels, q, 40, v.dtype), torch.zeros(40)
    message = message_of(q, v, KEY, layout)
    kernels.read(message.header, message.norms * math.nan, message.codes, layout, out, False, fault)
    kernels.read(message.header ^ 1, message.norms, message.codes, layout, out, False, fault)
    kernels.read(*message, layout, out, False, fault)
    assert torch.equal(out, values_of(q, v, KEY, message.norms, torch.zeros(40)))
    with pytest.raises(ValueError, match="a norm is not a finite number"):
        kernels.check(fault, layout)


@pytest.mark.parametrize("bucket", [0, 20])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_vectors_that_are_not_finite_are_noticed_by_both_sides(kernels: Any, bucket: int) -> None:
    huge = {torch.float32: 3e38, torch.float64: 1.7e308}
    for dtype in DTYPES:
        for bad in (math.nan, math.inf, -math.inf, huge[dtype]):
            v, q, fault = torch.zeros(60, dtype=dtype), Quantizer(bucket=bucket), torch.zeros(1, dtype=torch.int32)
            v[51:53] = bad
            layout = layout_of(kernels, q, len(v), dtype)
            empty = message_of(q, torch.zeros_like(v), KEY, layout)
            kernels.write(v, KEY, layout, *empty, fault)
            with pytest.raises(ValueError, match="v ") as refused:
                kernels.check(fault, layout)
            with pytest.raises(ValueError, match="v ") as expected:
                q.quantize(v, KEY)
            assert str(refused.value) == str(expected.value)
            assert "a norm is not a finite number" in sentence(kernels, q, empty, v, layout)


def test_one_step_lowers_a_factor_enough() -> None:
    """`wire` takes steps until the product is not too large; kernels take one."""
    rng = np.random.default_rng(0)
    for real, step, at_most in ((np.float32, 2.0**-23, 2**15), (np.float64, 2.0**-52, 2**20)):
        norm = (10.0 ** rng.uniform(-15, 15, 200_000)).astype(real)
        s = rng.integers(1, at_most, len(norm))
        for factor, other, limit in (
            (norm.astype(np.float64) / s, s.astype(real), norm),
            (s / norm.astype(np.float64), norm, s.astype(real)),
        ):
            rounded = factor.astype(real)
            over = other * rounded > limit
            assert over.any()
            assert not (other * (rounded * real(1 - step)) > limit)[over].any()


def test_rows_that_kernels_cannot_count_are_refused(kernels: Any) -> None:
    row = torch.zeros(1).expand(1 << 31)
    with pytest.raises(ValueError, match="the row has 2147483648 elements"):
        kernels.norms_of(row, 0, torch.zeros(1))
