"""Wrong roundings and wrong variants of QPRSGD, each with one mistake that the reproductions have to notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from algorithms.qprsgd import GossipQPRSGD, RingQPRSGD, ring_sum
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


@dataclass(frozen=True)
class FirstHopOnly(RingQPRSGD):
    """Compresses every worker's change once and adds up exactly."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        x.sub_(g, alpha=lr)
        if (t + 1) % self.K == 0:
            start = state["synchronized"]
            keys = [kernel_key(world.seed, "quantize", m, t) for m in world.local]
            codec: Any = self.codec
            rows = [codec.quantize(change, key) for change, key in zip(start - x, keys, strict=True)]
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
            codec: Any = self.codec
            keys = [kernel_key(world.seed, "quantize", m, t) for m in world.local]
            sent = torch.stack([codec.quantize(row, key) for row, key in zip(start, keys, strict=True)])
            x.add_(torch.from_numpy(self.W) @ world.collect(sent) - start)
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
