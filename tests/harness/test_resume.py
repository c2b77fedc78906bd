"""Checkpoint and resume: an interrupted run ends with the same bits as an uninterrupted one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.network import IndependentDrops
from algorithms.rps import ModelAveraging, average_blocks
from algorithms.schedule import StepDecay
from algorithms.world import World
from reproductions.harness.context import Context
from reproductions.harness.training import Training
from reproductions.workloads.digits import Digits


@dataclass(frozen=True)
class WithMomentum(Algorithm):
    """An algorithm that remembers something between steps."""

    def state(self, world: World, x: Tensor) -> dict[str, Tensor]:
        return {"velocity": torch.zeros_like(x)}

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        state["velocity"].mul_(0.9).add_(g)
        x.sub_(state["velocity"], alpha=lr)
        average_blocks(world, x, t)


RUN = Training(
    ModelAveraging(), Digits("small"), StepDecay(0.2), nodes=4, batch=32, epochs=4, seed=3,
    network=IndependentDrops(0.2, seed=3),
)  # fmt: skip


class Interrupted(Exception):
    pass


def interrupt_after(fraction: float) -> Callable[[float], None]:
    def on_progress(done: float) -> None:
        if done > fraction:
            raise Interrupted

    return on_progress


def log(run: Training, context: Context) -> list[tuple[int, str, float]]:
    run.execute(context)
    return sorted(row for row in context.rows if not row[1].endswith("_seconds"))


@pytest.mark.parametrize("algorithm", [ModelAveraging(), WithMomentum()])
@pytest.mark.parametrize("fraction", [0.3, 0.6, 0.99])
def test_resumed_run_is_bitwise_the_uninterrupted_one(tmp_path: Path, algorithm: Algorithm, fraction: float) -> None:
    run = replace(RUN, algorithm=algorithm)
    whole = log(run, Context())
    with pytest.raises(Interrupted):
        run.execute(Context(checkpoints=tmp_path, checkpoint_every=0, on_progress=interrupt_after(fraction)))
    assert (tmp_path / "latest.json").exists()
    steps: list[float] = []
    resumed = log(run, Context(checkpoints=tmp_path, checkpoint_every=0, on_progress=steps.append))
    assert resumed == whole
    assert steps[0] > 0.24, "the run started over"


def test_checkpoint_of_several_ranks_is_read_by_one(tmp_path: Path) -> None:
    rows = torch.arange(8.0).view(4, 2)
    for workers in (range(2, 4), range(2)):  # as two ranks would write them
        part = Context(checkpoints=tmp_path, checkpoint_every=0)
        part.log(1, {"loss": 0.5, **({"test_loss": 0.7} if workers.start == 0 else {})})
        part.save_checkpoint(1, workers, {"x": rows[workers.start : workers.stop]}, shared=workers.start)
    restored, context = torch.zeros(4, 2), Context(checkpoints=tmp_path)
    assert context.load_checkpoint(range(4), {"x": restored}) == (1, 0)
    assert torch.equal(restored, rows)
    assert [metric for _, metric, _ in context.rows] == ["loss", "test_loss"]


def test_no_checkpoint_is_made_before_it_is_due(tmp_path: Path) -> None:
    RUN.execute(Context(checkpoints=tmp_path, checkpoint_every=3600))
    assert not list(tmp_path.iterdir())
