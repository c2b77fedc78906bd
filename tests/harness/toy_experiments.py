"""Experiments of a toy paper: quick, countable, and wrong on demand."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from reproductions.harness.runs.context import Context, DoesNotFit
from reproductions.harness.runs.experiment import Experiment, Placement

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Toy(Experiment):
    """Log ``mean + seed / 1000`` after some time; leave a mark for each execution."""

    marks: str
    mean: float
    seed: int
    seconds: float = 0.0
    fault: str = ""

    @property
    def workers(self) -> int:
        return 2

    def execute(self, context: Context) -> None:
        if context.rank == 0:
            with (Path(self.marks) / "executed").open("a") as file:
                file.write(f"{self.mean} {self.seed}\n")
        if self.fault == "raise" and context.rank == 1:
            raise RuntimeError("the toy broke")
        if self.fault == "fill" and context.rank == 1:
            bytearray(b"x" * (6 << 30))
        time.sleep(self.seconds)
        context.log(1, {"loss": self.mean + self.seed / 1000})
        context.on_progress(1.0)


@dataclass(frozen=True)
class Announcing(Experiment):
    """Say the same on every rank and in every run."""

    seed: int

    @property
    def workers(self) -> int:
        return 2

    def execute(self, context: Context) -> None:
        context.announce("a line that stays")
        context.log(1, {"loss": 1.0})


class Rows:
    """The state of a run that is nothing but a row of zeros for each worker."""

    def __init__(self, local: range) -> None:
        import torch  # what most sessions of the toy do not load

        self.local, self.x = local, torch.zeros(len(local), 2)

    def rows(self) -> dict[str, Tensor]:
        return {"x": self.x}

    def shared(self) -> None:
        pass

    def restore(self, shared: None) -> None:
        pass


@dataclass(frozen=True)
class Halting(Toy):
    """Stop between its two parts as if there was no time left, in every session."""

    def execute(self, context: Context) -> None:
        context.deadline = 0.0
        share = (
            range(2) if context.comm is None or context.comm.Get_size() == 1 else range(context.rank, context.rank + 1)
        )
        for _ in context.parts(2, Rows(share)):
            pass
        super().execute(context)


@dataclass(frozen=True)
class AloneHalting(Halting):
    """As `Halting`, beside others."""

    placement: ClassVar[Placement] = Placement.ALONE


@dataclass(frozen=True)
class Alone(Toy):
    """As `Toy`, beside others."""

    placement: ClassVar[Placement] = Placement.ALONE


@dataclass(frozen=True)
class Large(Toy):
    """As `Toy`, too large for the memory that one rank has."""

    def execute(self, context: Context) -> None:
        if context.ranks == 1:
            raise DoesNotFit("it takes two")
        super().execute(context)
