"""Messages made and read on a GPU are those of the CPU, in every bit; and a ring sums to the same bits."""

from __future__ import annotations

import pytest
import torch

from algorithms.qprsgd.quantize import Quantizer
from algorithms.qprsgd.ring import ring_sum
from algorithms.world import World
from tests.algorithms.qprsgd.messages import FORMATS, cases, sent

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def test_messages_are_those_of_the_cpu() -> None:
    for q, v, key in cases(seed=4, many=40):  # most of them have kernels of their own to be compiled
        message = torch.full((q.size(len(v), v.dtype),), 255, dtype=torch.uint8, device="cuda")
        used = q.encode(v.cuda(), key, message)
        assert torch.equal(message[:used].cpu(), sent(q, v, key)), (q, len(v), v.dtype)
        q.decode(message[:used], out := torch.ones_like(v).cuda(), add=True)
        assert torch.equal(out.cpu(), 1 + q.quantize(v, key)), (q, len(v), v.dtype)
        assert torch.equal(q.quantize(v.cuda(), key).cpu(), q.quantize(v, key)), (q, len(v), v.dtype)


@pytest.mark.parametrize("wire", FORMATS)
def test_a_ring_sums_to_the_bits_of_the_cpu(wire: str) -> None:
    rows = torch.randn(4, 10_007, generator=torch.Generator().manual_seed(0))
    q = Quantizer(2047, wire=wire)  # type: ignore[arg-type]
    ring_sum(World(None, 4), on_gpu := rows.cuda(), q, 0)
    ring_sum(World(None, 4), rows, q, 0)
    assert torch.equal(on_gpu.cpu(), rows)
