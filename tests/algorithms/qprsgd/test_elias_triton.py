"""The Elias format by Triton kernels, interpreted: bit for bit what `elias` writes and reads, and what is refused."""

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
from tests.algorithms.qprsgd.messages import DTYPES
from tests.algorithms.qprsgd.reference import Message, layout_of, message_of, room_for, signed, values_of
from tests.algorithms.qprsgd.test_wire_triton import KEY, same, sentence, vector

pytest.importorskip("triton", reason="Triton comes with the CUDA build of torch alone")


@pytest.fixture(scope="module", name="kernels")
def _kernels() -> Iterator[Any]:
    """Return kernels that read segments of 64 bits, two by a program."""
    with interpreted() as modules:
        kernels = modules.elias_triton
        kernels._SEGMENT, kernels._GROUP, kernels.check = 64, 2, modules.codes_triton.check
        yield kernels


def elias(s: int, bucket: int = 0) -> Quantizer:
    return Quantizer(s, bucket, "elias")


def written(kernels: Any, q: Quantizer, v: Tensor, key: int = KEY) -> Message:
    """Return a message, which is the same as that of `elias`."""
    layout, fault = layout_of(kernels, q, len(v), v.dtype), torch.zeros(1, dtype=torch.int32)
    expected = message_of(q, v, key, layout)
    message = room_for(expected)
    kernels.write(v, key, layout, *message, fault)
    kernels.check(fault, layout)
    for name, got, wanted in zip(Message._fields, message, expected, strict=True):
        assert same(got, wanted), (name, q, len(v), v.dtype)
    return message


def check(kernels: Any, q: Quantizer, v: Tensor, key: int = KEY, add: bool = False) -> None:
    """Compare what is written and what is read from the words that were sent."""
    message, layout = written(kernels, q, v, key), layout_of(kernels, q, len(v), v.dtype)
    words = int(message.header[1])
    out = torch.linspace(-1, 1, len(v), dtype=v.dtype) if add else torch.full_like(v, 0.0)
    expected, fault = values_of(q, v, key, message.norms, out), torch.zeros(1, dtype=torch.int32)
    kernels.read(message.header, message.norms, message.codes[: words + words % 2], layout, out, add, fault)
    kernels.check(fault, layout)
    assert torch.equal(out, expected), (q, len(v), v.dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("s", [1, 62, 63, 2047, 1 << 20])
def test_written_by_several_blocks(kernels: Any, s: int, dtype: torch.dtype) -> None:
    for n in (0, 2047, 2049):
        written(kernels, elias(s, bucket=100), vector(n, dtype, n))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("s", "bucket", "n"), [(1, 0, 50), (2047, 7, 15), (1 << 20, 3, 7), (50, 0, 0), (50, 0, 1)])
def test_read_in_segments(kernels: Any, s: int, bucket: int, n: int, dtype: torch.dtype) -> None:
    check(kernels, elias(s, bucket), vector(n, dtype, s), add=n % 2 == 1)


@pytest.mark.parametrize("level", [0, 1, 2, (1 << 20) - 1, 1 << 20])
def test_codes_of_one_length(kernels: Any, level: int) -> None:
    """The shortest codes fill a segment with the most elements, the longest end furthest in the next one."""
    v = torch.full((10,), level / (1 << 20), dtype=torch.float64)
    v[::3] *= -1
    v[-1] = 1
    check(kernels, elias(1 << 20, bucket=0 if level < 1 << 20 else 1), v)


@settings(max_examples=6, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    q=st.builds(elias, st.integers(1, 1 << 20), st.sampled_from((0, 1, 5))),
    n=st.integers(0, 16),
    dtype=st.sampled_from(DTYPES),
    key=st.integers(0, (1 << 64) - 1),
    add=st.booleans(),
)
def test_any_message(kernels: Any, q: Quantizer, n: int, dtype: torch.dtype, key: int, add: bool) -> None:
    check(kernels, q, vector(n, dtype, key % 1000, 10.0 ** (key % 60 - 30)), key, add)


def forged(message: Message, words: int, layout: Any) -> Message:
    """Return the first words of a message with a checksum that is right."""
    codes = message.codes[:words].numpy().view(np.uint32)
    return message._replace(header=signed(codes, message.norms.numpy(), layout.salt))


def test_codes_cut_off_or_too_large_are_refused_although_the_checksum_is_right(kernels: Any) -> None:
    q, v = elias(50), vector(12, torch.float32)
    layout, message = layout_of(kernels, q, 12, v.dtype), written(kernels, q, v)
    words = int(message.header[1])
    for fewer in (words - 1, 1, 0):
        said = sentence(kernels, q, forged(message, fewer, layout), v.clone(), layout)
        assert said == "the message is damaged: a code is cut off or its level exceeds s = 50"
    said = sentence(kernels, q, message, v.clone(), layout._replace(s=5))
    assert said == "the message is damaged: a code is cut off or its level exceeds s = 5"
    zeros = message._replace(codes=torch.zeros_like(message.codes))  # more than 20 of them are no code
    assert "is cut off" in sentence(kernels, q, forged(zeros, words, layout), v.clone(), layout)


def test_nothing_is_read_behind_what_is_no_code(kernels: Any) -> None:
    q, v = elias(50), vector(60, torch.float32)
    layout, message = layout_of(kernels, q, 60, v.dtype), written(kernels, q, v)
    for word in (1, 3):
        broken = message._replace(codes=message.codes.clone())
        broken.codes[word] = 0
        forgery = forged(broken, int(message.header[1]), layout)
        assert "is cut off" in sentence(kernels, q, forgery, v[:20].clone(), layout._replace(n=20))


def test_damaged_messages_are_refused(kernels: Any) -> None:
    q, v = elias(50), vector(12, torch.float32)
    layout, message = layout_of(kernels, q, 12, v.dtype), written(kernels, q, v)
    assert not sentence(kernels, q, message, v.clone(), layout)
    for word in range(int(message.header[1])):
        damaged = message._replace(codes=message.codes.clone())
        damaged.codes[word] ^= 1 << word % 32
        assert "its checksum does not match" in sentence(kernels, q, damaged, v.clone(), layout)
    for announced in (len(message.codes) + 1, -1):
        header = torch.tensor([int(message.header[0]), announced], dtype=torch.int32)
        assert "announces" in sentence(kernels, q, message._replace(header=header), v.clone(), layout)
    assert "checksum" in sentence(kernels, q, message._replace(header=message.header ^ 1), v.clone(), layout)
    assert "checksum" in sentence(kernels, q, message, v.clone(), layout._replace(salt=layout.salt ^ 1))
    for norm in (math.nan, math.inf, -1.0):
        bad = message._replace(norms=torch.tensor([norm]))
        assert "a norm is not a finite number" in sentence(kernels, q, bad, v.clone(), layout)
