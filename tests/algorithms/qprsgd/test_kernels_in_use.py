"""`Quantizer` and the ring with the kernels of a GPU, interpreted, in place of the loops: the same bits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from algorithms.qprsgd import ring
from algorithms.qprsgd.layout import Parts, Places
from algorithms.qprsgd.messages import Codec, Mail
from algorithms.qprsgd.quantize import Quantizer
from algorithms.world import World
from tests.algorithms.qprsgd.interpreter import interpreted
from tests.algorithms.qprsgd.messages import FORMATS, received, sent

pytest.importorskip("triton", reason="Triton comes with the CUDA build of torch alone")

QUANTIZERS = [Quantizer(s, bucket, wire) for s in (7, 2047) for bucket in (0, 50) for wire in FORMATS]
Q = Quantizer(63)


class MailOfGpu(Mail):
    """Mail that notes faults, as for rows on a GPU."""

    def __init__(self, world: World, codec: Codec, elements: int, like: Tensor) -> None:
        super().__init__(world, codec, elements, like)
        assert isinstance(codec, Quantizer)
        self._noting = codec


def as_tensors(message: Tensor, plan: Places, dtype: torch.dtype) -> Parts:
    codes = message[plan.codes]
    header, norms = message[plan.header].view(torch.int32), message[plan.norms].view(dtype)
    return Parts(header, norms, codes[: len(codes) // 8 * 8].view(torch.int32))


@pytest.fixture(scope="module", name="kernels")
def _kernels() -> Iterator[Any]:
    with interpreted() as modules:
        yield {"fixed": modules.wire_triton, "elias": modules.elias_triton}


def use(kernels: Any, patch: pytest.MonkeyPatch) -> None:
    """Let quantizers and mail take rows of this CPU for those of a GPU."""
    patch.setattr(Quantizer, "_kernels", lambda q, row: kernels[q.wire])
    patch.setattr("algorithms.qprsgd.quantize.parts_of", as_tensors)
    patch.setattr(ring, "Mail", MailOfGpu)


def vector(n: int = 130) -> Tensor:
    return torch.randn(n, generator=torch.Generator().manual_seed(n))


@pytest.mark.parametrize("q", QUANTIZERS)
def test_messages_are_those_of_a_cpu(q: Quantizer, kernels: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    v = vector()
    message, values = sent(q, v, 5), q.quantize(v, 5)
    use(kernels, monkeypatch)
    assert torch.equal(sent(q, v, 5), message)
    assert torch.equal(received(q, message, v), values)
    assert torch.equal(q.quantize(v, 5), values)


def test_a_sum_around_the_ring_is_that_of_a_cpu(kernels: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.stack([vector(67) * i for i in range(1, 4)])
    ring.ring_sum(World(None, 3), on_cpu := rows.clone(), Q, 0)
    use(kernels, monkeypatch)
    ring.ring_sum(World(None, 3), rows, Q, 0)
    assert torch.equal(rows, on_cpu)


@pytest.mark.parametrize("q", [Q, Quantizer(63, wire="elias")])
def test_without_a_place_to_note_it_a_fault_is_raised_at_once(
    q: Quantizer, kernels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = sent(q, vector(), 5)
    use(kernels, monkeypatch)
    with pytest.raises(ValueError, match="v holds NaN or infinity"):
        sent(q, torch.full((9,), math.nan), 0)
    message[len(message) // 2] ^= 1
    with pytest.raises(ValueError, match="damaged"):
        received(q, message, vector())


def test_the_mail_raises_what_was_noted_at_the_end(kernels: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    use(kernels, monkeypatch)
    v = vector(40)
    mail = MailOfGpu(World(None, 1), Q, len(v), v)
    mail.write(0, v, 0)
    mail.bytes[0, 3] ^= 4
    mail.read(mail[0], out := torch.zeros_like(v))
    assert out.isfinite().all()
    with pytest.raises(ValueError, match="checksum does not match"):
        mail.check(v)


def test_a_damaged_message_is_raised_by_the_ring(kernels: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    use(kernels, monkeypatch)
    write = MailOfGpu.write

    def damaged(mail: Mail, row: int, v: Tensor, turn: int) -> None:
        write(mail, row, v, turn)
        if turn == 1:
            mail.bytes[row, 0] ^= 1

    monkeypatch.setattr(MailOfGpu, "write", damaged)
    with pytest.raises(ValueError, match="checksum does not match"):
        ring.ring_sum(World(None, 2), torch.stack([vector(30), vector(30)]), Q, 0)
