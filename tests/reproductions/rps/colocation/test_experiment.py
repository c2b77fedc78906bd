"""Traffic, experiments and the network that training sees."""

from __future__ import annotations

import numpy as np
import pytest

from reproductions.harness.runs.context import Context
from reproductions.rps.colocation.experiment import Colocated, Colocation, Scene
from reproductions.rps.colocation.ports import UPPER
from reproductions.rps.colocation.simulation import SECOND, Fabric
from reproductions.rps.colocation.traffic import PHASES, Learning, Web

SMALL = Scene(Web(5000, marked=1.0), Learning(parameters=300_000))


@pytest.mark.parametrize("order", ["pairwise", "same", "interleaved"])
def test_everybody_sends_a_block_to_everybody_else_twice(order) -> None:
    learning = Learning(parameters=300_001, order=order)
    messages = learning.messages(Fabric(), 0, 0)
    pairs = list(zip(messages.source.tolist(), messages.destination.tolist(), strict=True))
    everybody = {(i, j) for i in range(16) for j in range(16) if i != j}
    assert set(pairs[:240]) == set(pairs[240:]) == everybody
    assert messages.nbytes.sum() == learning.round_bytes(16)
    assert messages.start.min() > 0
    assert messages.start.max() < learning.period(16) * SECOND


def test_web_messages_are_a_poisson_process_and_degrees_add_priority() -> None:
    low, high = (Web(5000, marked=m).messages(Fabric(), 10.0, 3, 0) for m in (0.25, 0.75))
    assert abs(len(low.start) - 50_000) < 4 * 50_000**0.5
    gaps = np.diff(low.start) / SECOND
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.03)
    assert (low.source != low.destination).all()
    assert np.bincount(low.destination, minlength=16).min() > 50_000 / 16 * 0.9
    assert (low.start == high.start).all()
    assert (high.queue[low.queue == UPPER] == UPPER).all()
    assert (high.queue == UPPER).mean() == pytest.approx(0.75, abs=0.01)


def test_a_run_logs_every_round_and_its_progress() -> None:
    seen: list[float] = []
    context = Context(on_progress=seen.append)
    Colocation(SMALL, rounds=3, seed=0).execute(context)
    assert seen == pytest.approx([1 / 3, 2 / 3, 1])
    rounds = {(step, metric): value for step, metric, value in context.rows}
    assert {step for step, _ in rounds} == {0, 1, 2}
    assert all(rounds[step, "learning_gbps"] == pytest.approx(2.4) for step in range(3))
    assert len({rounds[step, "completion_ms"] for step in range(3)}) == 3


@pytest.mark.parametrize(("unit", "metric", "off"), [("block", "block_loss", 1e-12), ("packet", "learning_loss", 0.05)])
def test_training_sees_the_losses_of_the_simulation(unit, metric, off) -> None:
    context = Context()
    Colocation(SMALL, rounds=4, seed=1).execute(context)
    lost = np.mean([value for _, name, value in context.rows if name == metric])
    network = Colocated(SMALL, 4, 1, unit)
    delivered = np.array([[network.delivered(step, phase, 16) for phase in PHASES] for step in range(4)])
    assert delivered.diagonal(axis1=-2, axis2=-1).all()
    assert (~delivered).sum() / (4 * 480) == pytest.approx(lost, abs=off)
    assert (network.delivered(4, "all-gather", 16) == delivered[0, 1]).all()
    with pytest.raises(ValueError, match="no network of 8 workers"):
        network.delivered(0, "all-gather", 8)
