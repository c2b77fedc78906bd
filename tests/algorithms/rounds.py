"""A round of every synchronous algorithm on a small network: what all engines and devices have to agree about."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from algorithms.algorithm import Algorithm
from algorithms.coopsgd import cooperative as co
from algorithms.network import IndependentDrops
from algorithms.qprsgd.gossip import GossipQPRSGD
from algorithms.qprsgd.messages import Dense
from algorithms.qprsgd.quantize import Quantizer
from algorithms.qprsgd.ring import RingQPRSGD
from algorithms.replicas import Batch, Engine, Replicas
from algorithms.rps.averaging import GradientAveraging, ModelAveraging, ReliableAveraging
from algorithms.topology import ring, uniform, value
from algorithms.world import World

WORKERS, BATCH = 4, 6
RING = uniform(ring(WORKERS))

# in any precision, and those whose messages are float32 or less
EXACT: dict[str, Algorithm] = {
    "RPS": ModelAveraging(),
    "gradient averaging": GradientAveraging(),
    "reliable averaging": ReliableAveraging(),
    "fully synchronous": co.fully_synchronous(WORKERS),
    "PASGD": co.periodic_averaging(WORKERS, 2),
    "EASGD": co.elastic_averaging(WORKERS, 0.125),
    "D-PSGD": co.decentralized(RING),
    "decentralized periodic": co.decentralized_periodic(RING, 2),
    "generalized elastic": co.generalized_elastic(RING, 0.125),
    "hierarchical": co.hierarchical_averaging([2, 2], 0.25, 0.125, tau=2),
}
PACKED: dict[str, Algorithm] = {
    "PR-SGD, ring": RingQPRSGD(2, Dense()),
    "PR-SGD, gossip": GossipQPRSGD(2, Dense(), value(RING)),
    "QPRSGD, ring": RingQPRSGD(2, Quantizer()),
    "QPRSGD, gossip": GossipQPRSGD(2, Quantizer(), value(RING)),
}


def network() -> nn.Module:
    """Return a small network with batch norm, in torch's default precision."""
    features = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(inplace=True))
    return nn.Sequential(features, nn.Flatten(), nn.Linear(12, 5))


def batches(step: int, device: str = "cpu") -> list[Batch]:
    """Return a batch for every worker, in torch's default precision."""
    generator = torch.Generator().manual_seed(step)
    images = torch.randn(WORKERS, BATCH, 1, 4, 4, generator=generator).to(device)
    labels = torch.randint(5, (WORKERS, BATCH), generator=generator).to(device)
    return list(zip(images, labels, strict=True))


def train(algorithm: Algorithm, engine: Engine, device: str, rounds: int = 5) -> tuple[Replicas, Tensor]:
    """Train with drops; return the replicas and the losses, (rounds, workers)."""
    world = World(None, WORKERS + algorithm.auxiliaries, IndependentDrops(0.2, seed=3), seed=7)
    replicas = Replicas(network, world.workers, 1, device, engine)
    state, losses = algorithm.state(world, replicas.parameters), []
    for t in range(rounds):
        losses.append(replicas.backward(batches(t, device), functional.cross_entropy))
        algorithm.step(world, replicas.parameters, replicas.gradients, state, t, 0.3)
    algorithm.settle(world, replicas.parameters)
    return replicas, torch.stack(losses)
