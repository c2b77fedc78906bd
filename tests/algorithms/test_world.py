import numpy as np
import pytest
import torch

from algorithms import topology
from algorithms.blocks import BIG_CHUNK, ordered_mean, partition
from algorithms.network import IndependentDrops, Trace
from algorithms.rps.averaging import GradientAveraging, ModelAveraging, ReliableAveraging, average_blocks
from algorithms.world import World

N = 5


def rows(world: World, d: int = 12) -> torch.Tensor:
    return torch.from_numpy(world.stream("rows").normal(size=(world.workers, d)))


# ---------------------------------------------------------------------------------------------------- meaning


@pytest.mark.parametrize(("length", "parts"), [(10, 4), (3, 5), (12, 4), (1, 1), (0, 3)])
def test_partition_covers_with_sizes_that_differ_by_one(length: int, parts: int) -> None:
    slices = partition(length, parts)
    sizes = [part.stop - part.start for part in slices]
    assert [i for part in slices for i in range(part.start, part.stop)] == list(range(length))
    assert len(sizes) == parts
    assert max(sizes) - min(sizes) <= 1


def test_ordered_mean_is_the_mean_across_chunks() -> None:
    blocks = list(torch.randn(3, 100_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(ordered_mean(blocks, torch.empty(100_000, dtype=torch.float64)), sum(blocks) / 3)


def test_alltoall_delivers_block_j_to_worker_j_unless_lost() -> None:
    world = World(None, N, Trace(((0, "push", 2, 4),), steps=1))
    x = rows(world)
    parts = partition(12, N)
    inbox = world.alltoall([x[:, part] for part in parts], 0, "push")
    assert inbox[4][2] is None
    for target in range(N):
        for source in {*range(N)} - ({2} if target == 4 else set()):
            assert torch.equal(inbox[target][source], x[source, parts[target]])


def test_allgather_delivers_every_block_unless_lost() -> None:
    world = World(None, N, Trace(((0, "pull", 2, 4),), steps=1))
    blocks = list(rows(world, 3))
    inbox = world.allgather(blocks, 0, "pull", [3] * N)
    assert inbox[4][2] is None
    assert all(torch.equal(inbox[i][j], blocks[j]) for i in range(N) for j in range(N) if (i, j) != (4, 2))


@pytest.mark.parametrize("by", [1, -1, 2, N])
def test_shift_receives_from_the_worker_before(by: int) -> None:
    world = World(None, N)
    x = rows(world)
    assert torch.equal(world.shift(x, by), torch.roll(x, by, dims=0))


def test_mix_is_the_product_with_the_mixing_matrix() -> None:
    world = World(None, N)
    x = rows(world, 70_000)  # more than one chunk
    weights = world.stream("W").random((N, N)) * (world.stream("zeros").random((N, N)) < 0.5)
    expected = (x.numpy().T @ weights).T
    world.mix(x, weights)
    np.testing.assert_allclose(x.numpy(), expected, rtol=1e-12, atol=1e-12)


def test_sums_are_bitwise_the_same_alone_and_together() -> None:
    x = torch.randn(3, BIG_CHUNK + 1001, generator=torch.Generator().manual_seed(0))  # one worker a rank: long chunks
    weights = topology.uniform(topology.ring(3))
    together, alone = x.clone(), x.clone()
    World(None, 3).mix(together, weights)
    for i in range(3):
        World(None, 3).combine(alone, dict(enumerate(x)) | {i: alone[i]}, weights, [i])
    assert torch.equal(together, alone)


def test_allreduce_and_reliable_averaging_give_the_mean() -> None:
    world = World(None, N)
    x, g = rows(world), rows(world) * 0.5
    expected = (x - 0.1 * g).mean(dim=0)
    ReliableAveraging().step(world, x, g, {}, 0, lr=0.1)
    torch.testing.assert_close(x, expected.expand(N, -1))
    torch.testing.assert_close(world.allreduce(x), expected)


# ---------------------------------------------------------------------------------------------------- algorithm


@pytest.mark.parametrize("d", [3, 7, 40])
def test_without_drops_rps_is_the_mean_of_models_for_any_block_sizes(d: int) -> None:
    world = World(None, N)
    x = rows(world, d)
    expected = x.mean(dim=0).expand(N, -1).clone()
    average_blocks(world, x, 0)
    torch.testing.assert_close(x, expected)


def test_without_drops_both_averagings_are_the_same_step() -> None:
    world = World(None, N)
    start, g = torch.zeros(N, 12, dtype=torch.float64), rows(world)
    models, gradients = start.clone(), start.clone()
    ModelAveraging().step(world, models, g.clone(), {}, 0, lr=0.1)
    GradientAveraging().step(world, gradients, g.clone(), {}, 0, lr=0.1)
    torch.testing.assert_close(models, gradients, rtol=0, atol=1e-15)


def test_when_nothing_arrives_every_worker_keeps_its_model() -> None:
    world = World(None, N, IndependentDrops(1.0))
    x = rows(world)
    expected = x.clone()
    average_blocks(world, x, 0)
    assert torch.equal(x, expected)


# ------------------------------------------------------------------------------------------------------- ledger


def test_ledger_of_an_rps_round_is_exact() -> None:
    n, d, p = 16, 1000, 0.3
    world = World(None, n, IndependentDrops(p))
    x = torch.zeros(n, d)
    average_blocks(world, x, 0)
    blocks = np.array([part.stop - part.start for part in partition(d, n)])
    pushed, pulled = (world.network.delivered(0, phase, n) for phase in ("reduce-scatter", "all-gather"))
    assert (world.traffic.sent_messages == 2 * (n - 1)).all()
    # pushes: all blocks but the own one; pulls: the own one to all others
    owner = world.stream("rps/owner", step=0).permutation(n)
    owned = 4 * blocks[np.argsort(owner)]
    np.testing.assert_array_equal(world.traffic.sent_bytes, 4 * d - owned + (n - 1) * owned)
    assert world.traffic.sent_bytes.sum() == 2 * 4 * d * (n - 1)
    arrived = pushed.sum() + pulled.sum() - 2 * n
    assert world.traffic.received_messages.sum() == arrived
    received = (pushed.sum(axis=0) - 1) * owned + (pulled - np.eye(n)).T @ owned
    np.testing.assert_array_equal(world.traffic.received_bytes, received)


def test_ledger_of_reliable_collectives_is_exact() -> None:
    n, d = 8, 64
    world = World(None, n)
    x = torch.zeros(n, d, dtype=torch.float64)
    world.allreduce(x)
    assert (world.traffic.sent_bytes == 2 * (n - 1) * d * 8 // n).all()
    world = World(None, n)
    world.shift(x)
    assert (world.traffic.sent_bytes == 8 * d).all()
    world = World(None, n)
    world.mix(x, topology.metropolis(topology.ring(n)))
    assert (world.traffic.sent_bytes == 2 * 8 * d).all()
    assert (world.traffic.received_messages == 2).all()
    world.collect(x)
    world.mean(x)
    assert (world.traffic.sent_bytes == 2 * 8 * d).all()  # measurements are free


def test_buffers_are_reused_between_rounds() -> None:
    world = World(None, N, IndependentDrops(0.2))
    x = rows(world)
    average_blocks(world, x, 0)
    before = {key: buffer.data_ptr() for key, buffer in world.buffer._memory.items()}
    for t in range(1, 5):
        average_blocks(world, x, t)
    assert {key: buffer.data_ptr() for key, buffer in world.buffer._memory.items()} == before


# ----------------------------------------------------------------------------------------------------- bad input


def test_more_ranks_than_workers_is_refused() -> None:
    class Comm:
        def Get_rank(self) -> int:
            return 0

        def Get_size(self) -> int:
            return 4

    with pytest.raises(ValueError, match="3 workers cannot be spread over 4 ranks"):
        World(Comm(), 3)  # type: ignore[arg-type]


def test_mixing_matrix_of_the_wrong_size_is_refused() -> None:
    world = World(None, N)
    with pytest.raises(ValueError, match="5 workers"):
        world.mix(rows(world), np.eye(4))
