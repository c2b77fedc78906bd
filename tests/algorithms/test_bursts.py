"""Losses in bursts: how many, how long, and bad values."""

import numpy as np
import pytest
import torch

from algorithms.bursts import CHUNK, GilbertElliott
from algorithms.network import IndependentDrops
from algorithms.world import World

STEPS = 4000
LINK = GilbertElliott(0.1, length=10, bad=0.9, seed=3)


def bad(link: GilbertElliott, workers: int = 4) -> np.ndarray:
    off = ~np.eye(workers, dtype=bool)
    return np.array([link.probability(step, workers)[off] > 0 for step in range(STEPS)])


def test_links_are_bad_as_often_and_as_long_as_asked() -> None:
    states = bad(LINK)
    ends = (states[:-1] & ~states[1:]).sum()
    assert abs(states.mean() - LINK.share) < 0.015
    assert abs(states.sum() / ends - 10) < 1


def test_as_many_messages_are_lost_as_asked() -> None:
    off = ~np.eye(4, dtype=bool)
    lost = np.array([~LINK.delivered(step, "phase", 4)[off] for step in range(STEPS)])
    assert abs(lost.mean() - 0.1) < 0.012


def test_a_state_goes_on_from_one_chunk_to_the_next() -> None:
    """With bursts of 10 steps, nine of ten links that are bad at the end of a chunk are so at the start of the next."""
    states = bad(LINK, workers=16)
    ends = np.arange(CHUNK, STEPS, CHUNK)
    assert abs(states[ends][states[ends - 1]].mean() - 0.9) < 0.05


def test_draws_do_not_depend_on_what_was_asked_before() -> None:
    later = GilbertElliott(0.1, seed=9).delivered(200, "phase", 4)
    assert (GilbertElliott(0.1, seed=9).delivered(200, "phase", 4) == later).all()
    assert not (GilbertElliott(0.1, seed=8).delivered(200, "phase", 4) == later).all()


def test_what_a_worker_keeps_is_never_lost() -> None:
    assert all(LINK.delivered(step, "phase", 4).diagonal().all() for step in range(200))


def test_a_world_takes_it_as_a_network() -> None:
    world = World(None, 4, GilbertElliott(0.5, seed=1))
    arrives = world.network.delivered(0, "phase", 4)
    inbox = world.alltoall([torch.zeros(4, 1)] * 4, 0, "phase")
    assert [[inbox[j][i] is not None for j in range(4)] for i in range(4)] == arrives.tolist()
    assert not arrives.all()


def test_draws_are_those_of_independent_losses_while_links_are_bad() -> None:
    link, step = GilbertElliott(0.5, bad=0.9, seed=2), 5
    independent = IndependentDrops(0.9, seed=2).delivered(step, "phase", 4)
    states = link.probability(step, 4) > 0
    assert (link.delivered(step, "phase", 4)[states] == independent[states]).all()


@pytest.mark.parametrize("values", [{"p": 0.95}, {"p": -0.1}, {"p": 0.1, "bad": 1.1}, {"p": 0.1, "length": 0.5}])
def test_values_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"losses of|bursts of"):
        GilbertElliott(**values)


def test_bursts_that_cannot_be_so_frequent_are_refused() -> None:
    with pytest.raises(ValueError, match="make them longer"):
        GilbertElliott(0.8, length=1, bad=0.9)
