"""The algorithms over torch.distributed: the bits of a single process."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch
from torch import multiprocessing
from torch.nn import functional

from algorithms.distributed import DistributedWorld
from algorithms.replicas import Replicas
from algorithms.rps.averaging import ModelAveraging
from algorithms.world import World
from tests.algorithms.process_group import ALGORITHMS, DROPS, PATIENCE, SEED, process, train
from tests.algorithms.rounds import WORKERS, batches, network

PROCESSES = 3


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return what every process of a job found."""
    folder = tmp_path_factory.mktemp("group")
    processes = multiprocessing.spawn(process, (PROCESSES, folder), PROCESSES, join=False)
    end = time.monotonic() + 2 * PATIENCE
    try:
        while not processes.join(timeout=max(0.0, end - time.monotonic())):  # raises what a process raised
            assert time.monotonic() < end, f"the processes are not through after {2 * PATIENCE} s"
    finally:
        for member in processes.processes:
            member.kill()
    return [torch.load(folder / f"found-{rank}") for rank in range(PROCESSES)]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_two_processes_compute_the_bits_of_one(name: str, found: list[dict[str, Any]]) -> None:
    algorithm = ALGORITHMS[name]
    alone = train(World(None, WORKERS + algorithm.auxiliaries, DROPS, SEED), algorithm)
    for ours in found[1:]:
        assert torch.equal(ours[name]["parameters"], alone["parameters"])
        assert torch.equal(ours[name]["losses"], alone["losses"])
        assert ours[name]["traffic"] == alone["traffic"]
    start = Replicas(network, 1, 1).parameters
    assert not torch.equal(alone["parameters"][:1], start), "nothing was learned"


def test_messages_were_lost(found: list[dict[str, Any]]) -> None:
    traffic = found[1]["RPS"]["traffic"]
    assert 0 < traffic["received_messages"] < traffic["sent_messages"]


def test_wrong_use_gets_one_sentence(found: list[dict[str, Any]]) -> None:
    assert all(each["few workers"].startswith("1 workers cannot be spread over 3 ranks") for each in found)
    assert found[0]["stranger"] == "process 0 is not in the group that it was given: only members have a world"
    assert all("overlap=True" in each["background"] for each in found[1:])
    assert all("tensors on meta cannot travel" in each["GPU"] for each in found[1:])


def test_without_a_process_group_it_says_what_to_call() -> None:
    with pytest.raises(RuntimeError, match=r"call torch\.distributed\.init_process_group first"):
        DistributedWorld(WORKERS)


def test_an_optimizer_of_torch_and_a_step_of_length_zero_are_a_step() -> None:
    """As `docs/own-training-loop.md` says: parameters of the modules are views of the rows."""
    rows = []
    for own in (False, True):
        world, replicas = World(None, WORKERS, DROPS, SEED), Replicas(network, WORKERS, 1)
        optimizers = [torch.optim.SGD(model.parameters(), lr=0.25) for model in replicas.models]
        for t in range(3):
            replicas.backward(batches(t), functional.cross_entropy)
            for optimizer in optimizers if own else []:
                optimizer.step()
            ModelAveraging().step(world, replicas.parameters, replicas.gradients, {}, t, 0.0 if own else 0.25)
        rows.append(replicas.parameters)
    assert torch.equal(*rows)
