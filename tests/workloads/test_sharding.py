"""Shards and the order of samples."""

from __future__ import annotations

import numpy as np
import pytest

from reproductions.workloads import minibatch, shard, steps_per_epoch


@pytest.mark.parametrize(("size", "workers"), [(16, 16), (1437, 16), (100, 7), (5, 1)])
def test_shards_are_disjoint_cover_the_data_and_differ_by_at_most_one(size: int, workers: int) -> None:
    shards = [shard(size, workers, worker, seed=3) for worker in range(workers)]
    lengths = [len(part) for part in shards]
    assert sorted(np.concatenate(shards)) == list(range(size))
    assert max(lengths) - min(lengths) <= 1
    assert min(lengths) == steps_per_epoch(size, workers, batch=1)


def test_shards_depend_on_the_seed_alone() -> None:
    np.testing.assert_array_equal(shard(50, 4, 2, seed=1), shard(50, 4, 2, seed=1))
    assert not np.array_equal(shard(50, 4, 2, seed=1), shard(50, 4, 2, seed=2))


def test_an_epoch_repeats_no_sample_and_the_next_one_has_another_order() -> None:
    mine = np.arange(100, 123)
    epochs = [[minibatch(mine, 5, 0, 1, step) for step in range(4 * k, 4 * k + 4)] for k in range(2)]
    for epoch in epochs:
        seen = np.concatenate(epoch)
        assert len(set(seen)) == 20
        assert set(seen) <= set(mine)
    assert not np.array_equal(epochs[0], epochs[1])


def test_the_order_is_keyed_by_seed_worker_and_step_not_by_calls() -> None:
    mine = np.arange(40)
    draws = {key: tuple(minibatch(mine, 10, *key)) for key in [(0, 0, 9), (0, 1, 9), (1, 0, 9), (0, 0, 3)]}
    assert len(set(draws.values())) == 4
    assert tuple(minibatch(mine, 10, 0, 0, 9)) == draws[0, 0, 9]


def test_a_whole_shard_may_be_one_batch() -> None:
    assert sorted(minibatch(np.arange(6), 6, 0, 0, 11)) == list(range(6))


@pytest.mark.parametrize("batch", [0, 7, -1])
def test_an_impossible_batch_is_named(batch: int) -> None:
    with pytest.raises(ValueError, match=rf"batch is {batch}, but a shard of 6 samples needs 1 <= batch <= 6"):
        minibatch(np.arange(6), batch, 0, 0, 0)
    with pytest.raises(ValueError, match=rf"batch is {batch}"):
        steps_per_epoch(13, 2, batch)


def test_impossible_shards_are_named() -> None:
    with pytest.raises(ValueError, match="worker is 4, but 4 workers"):
        shard(50, 4, 4, seed=0)
    with pytest.raises(ValueError, match="3 training samples cannot be cut into shards for 4 workers"):
        shard(3, 4, 0, seed=0)
