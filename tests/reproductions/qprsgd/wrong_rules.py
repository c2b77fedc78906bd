"""Wrong roundings and wrong variants of QPRSGD, each with one mistake that the reproductions have to notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.qprsgd import wire
from algorithms.qprsgd.gossip import GossipQPRSGD
from algorithms.qprsgd.layout import Form, Layout
from algorithms.qprsgd.messages import Codec
from algorithms.qprsgd.quantize import Quantizer
from algorithms.qprsgd.ring import RingQPRSGD, ring_sum
from algorithms.qprsgd.servers import DoubleSqueeze, FedPAQ, QSparseLocalSGD
from algorithms.streams import kernel_key
from algorithms.world import World
from reproductions.qprsgd.rounding import Array, Levels, rounding
from reproductions.workloads.objectives import Gaussian


@dataclass(frozen=True)
class Nearest(Levels):
    """Rounds to the nearest level: less noise, but biased."""

    def quantize(self, v: Tensor, key: int) -> Tensor:
        return self._at(v, lambda chance: (chance >= 0.5).astype(float))

    def _at(self, v: Tensor, up: Callable[[Array], Array]) -> Tensor:
        assert self.s is not None
        r = rounding(v.numpy(), self.s)
        return torch.from_numpy(np.copysign((r.level + up(r.chance)) * r.unit, v.numpy())).to(v.dtype)


@dataclass(frozen=True)
class Floor(Nearest):
    """Always takes the lower level."""

    def quantize(self, v: Tensor, key: int) -> Tensor:
        return self._at(v, np.zeros_like)


@dataclass(frozen=True)
class Coarse(Levels):
    """Has a quarter of the levels it says."""

    def quantize(self, v: Tensor, key: int) -> Tensor:
        assert self.s is not None
        return Levels(max(1, self.s // 4)).quantize(v, key)


def compressed(codec: Codec, v: Tensor, key: int) -> Tensor:
    """Return what a message with v decodes to."""
    message, out = torch.zeros(64 + 16 * len(v), dtype=torch.uint8), torch.empty_like(v)
    codec.decode(message[: codec.encode(v, key, message)], out)
    return out


class _LevelMore:
    """The loops of `wire`, which read norms that are smaller by a factor."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __getattr__(self, name: str) -> Any:
        return getattr(wire, name)

    def read(self, header: Any, norms: Any, codes: Any, layout: Layout, out: Any, add: bool) -> Any:
        found = wire.read(header, norms, codes, layout, np.zeros_like(out), False)
        form = Form(layout.s, layout.bucket, layout.bits)
        self.decode(codes[: layout.words], 0, layout.n, norms, form, out, add)
        return found

    def decode(self, words: Any, first: int, last: int, norms: Any, form: Form, out: Any, add: bool) -> Any:
        return wire.decode(words, first, last, (norms * self.factor).astype(norms.dtype), form, out, add)


@dataclass(frozen=True)
class OneLevelMore(Quantizer):
    """Decodes as if there were s + 1 levels."""

    def _loops(self, row: Tensor) -> _LevelMore:
        return _LevelMore(self.s / (self.s + 1))


@dataclass(frozen=True)
class SkipsFirst(RingQPRSGD):
    """Makes K - 1 local updates in place of K."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        super().step(world, x, g * 0 if t % self.K == 0 and self.K > 1 else g, state, t, lr)


class _Sluggish(Algorithm):
    """Takes steps of a thousandth of their size: hardly moves, but its runs still differ from each other."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        super().step(world, x, g, state, t, 1e-3 * lr)


class SluggishRing(_Sluggish, RingQPRSGD):
    """Algorithm 1 that hardly moves."""


class SluggishGossip(_Sluggish, GossipQPRSGD):
    """Algorithm 2 that hardly moves."""


class SluggishFedPAQ(_Sluggish, FedPAQ):
    """FedPAQ that hardly moves."""


class SluggishQSparse(_Sluggish, QSparseLocalSGD):
    """QSparse-Local-SGD that hardly moves."""


class SluggishDoubleSqueeze(_Sluggish, DoubleSqueeze):
    """DoubleSqueeze that hardly moves."""


@dataclass(frozen=True)
class FirstWorkerRing(RingQPRSGD):
    """Every worker follows the first one: nothing is averaged."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        super().step(world, x, g[:1].expand_as(g), state, t, lr)


@dataclass(frozen=True)
class FirstWorkerGossip(GossipQPRSGD):
    """Every worker follows the first one: nothing is averaged."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        super().step(world, x, g[:1].expand_as(g), state, t, lr)


@dataclass(frozen=True)
class FirstHopOnly(RingQPRSGD):
    """Compresses every worker's change once and adds up exactly."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        x.sub_(g, alpha=lr)
        if (t + 1) % self.K == 0:
            start = state["synchronized"]
            keys = [kernel_key(world.seed, "quantize", m, t) for m in world.local]
            rows = [compressed(self.codec, change, key) for change, key in zip(start - x, keys, strict=True)]
            start.sub_(world.mean(torch.stack(rows)))
            x.copy_(start)


@dataclass(frozen=True)
class NoDivision(RingQPRSGD):
    """Forgets to divide the sum by M."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        x.sub_(g, alpha=lr)
        if (t + 1) % self.K == 0:
            start = state["synchronized"]
            delta = start - x
            ring_sum(world, delta, self.codec, t)
            start.sub_(delta)
            x.copy_(start)


@dataclass(frozen=True)
class OwnCopy(RingQPRSGD):
    """Workers keep their own, uncompressed, view of what they completed: replicas differ."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        super().step(world, x, g, state, t, lr)
        if (t + 1) % self.K == 0:
            x[:, 0] += 1e-3 * torch.arange(world.local.start, world.local.stop, dtype=x.dtype)


@dataclass(frozen=True)
class Ascent(RingQPRSGD):
    """Makes the local updates with the wrong sign."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        super().step(world, x, -g, state, t, lr)


@dataclass(frozen=True)
class WholeModels(GossipQPRSGD):
    """Sends compressed models, not compressed changes: the noise does not shrink with the steps."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        start = state.setdefault("start", x.clone())
        x.sub_(g, alpha=lr)
        if (t + 1) % self.K == 0:
            keys = [kernel_key(world.seed, "quantize", m, t) for m in world.local]
            sent = torch.stack([compressed(self.codec, row, key) for row, key in zip(start, keys, strict=True)])
            x.add_(torch.from_numpy(self.W).to(x.dtype) @ world.collect(sent) - start)
            start.copy_(x)


@dataclass(frozen=True)
class StaleCopies(GossipQPRSGD):
    """Never brings the copies of neighbours up to date."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        before = state["copies"].clone()
        super().step(world, x, g, state, t, lr)
        for row, m in enumerate(world.local):
            own = np.flatnonzero(self.W[m]).tolist().index(m)
            others = [k for k in range(before.shape[1]) if k != own]
            state["copies"][row, others] = before[row, others]


@dataclass(frozen=True)
class NoMixing(GossipQPRSGD):
    """Workers never talk."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        x.sub_(g, alpha=lr)


@dataclass(frozen=True)
class StartApart(GossipQPRSGD):
    """Starts every worker from another model."""

    def state(self, world: World, x: Tensor) -> dict[str, Tensor]:
        offsets = 100.0 * torch.arange(world.workers, dtype=x.dtype)
        x += offsets[world.local.start : world.local.stop, None]
        copies = super().state(world, x)["copies"]
        for row, m in enumerate(world.local):
            for k, j in enumerate(np.flatnonzero(self.W[m]).tolist()):
                copies[row, k] = offsets[j]
        return {"copies": copies}


@dataclass(frozen=True)
class Louder(Gaussian):
    """Noise of three times the deviation that it says."""

    def sample(self, rng: np.random.Generator, d: int) -> Array:
        return 3 * super().sample(rng, d)
