"""Runs of every kind of algorithm, of which the number of ranks has to be a detail of deployment."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace

from algorithms.coopsgd import cooperative as co
from algorithms.coopsgd.cooperative import CooperativeSGD
from algorithms.network import IndependentDrops
from algorithms.qprsgd.gossip import GossipQPRSGD
from algorithms.qprsgd.messages import Codec, Dense
from algorithms.qprsgd.quantize import Quantizer
from algorithms.qprsgd.ring import RingQPRSGD
from algorithms.rps.averaging import GradientAveraging, ModelAveraging
from algorithms.rps.servers import ServerAveraging
from algorithms.schedule import StepDecay
from algorithms.topology import ring, uniform, value
from reproductions.experiments.training import Training
from reproductions.harness.runs.experiment import Experiment
from reproductions.popsgd.recipes import ONE_SIDED, SYMMETRIC
from reproductions.popsgd.training import NodeTraining
from reproductions.rps.mixing import MixingMatrices
from reproductions.workloads.digits import Digits
from tests.algorithms.collectives import Collectives
from tests.reproductions.lab import Frame, frames, simulate

CODECS: dict[str, Codec] = {
    "dense": Dense(),
    "12 bits": Quantizer(),
    "buckets": Quantizer(7, bucket=2),
    "Elias": Quantizer(3, wire="elias"),
}
NODES = NodeTraining(SYMMETRIC, Digits("mlp"), StepDecay(0.2, milestones=(0.5,)), 4, 8, 30, 10, seed=3, momentum=0.9)


def rounds() -> list[Experiment]:
    """20 rounds of RPS with drops on a linear model and a conv net with batch norm, n = 16, and collectives alone."""
    base = Training(
        ModelAveraging(), Digits("linear"), StepDecay(0.5), nodes=16, batch=22, epochs=5, seed=1,
        network=IndependentDrops(0.2, seed=1),
    )  # fmt: skip
    checks = [Collectives(16, 1000, 0.3), Collectives(5, 7, 0.3), Collectives(4, 2, 0.3)]
    return [base, replace(base, workload=Digits("small")), replace(base, algorithm=GradientAveraging()), *checks]


def servers() -> list[Experiment]:
    """RPS with servers apart from the workers."""
    return [MixingMatrices(4, p, 20, seed=1, algorithm=ServerAveraging(3)) for p in (0.2, 0.7)]


def cooperative() -> list[Experiment]:
    """20 iterations of every member on 5 or more models, linear and convolutional with batch norm."""
    eight, seven = uniform(ring(8)), uniform(ring(7))
    members: Sequence[CooperativeSGD] = (
        co.fully_synchronous(5),
        co.periodic_averaging(8, 3),
        co.elastic_averaging(8, 0.2),
        co.elastic_averaging(8, 0.2, overlap=True),
        co.elastic_averaging(5, 0.2, tau=3, overlap=True),
        co.decentralized(eight),
        co.decentralized_periodic(seven, 3),
        co.generalized_elastic(seven, 0.2, tau=2),
        co.generalized_elastic(seven, 0.2, tau=2, overlap=True),
        co.hierarchical_averaging([3, 2], 0.2, 0.1, tau=2),
        co.hierarchical_averaging([3, 2], 0.2, 0.1, tau=2, overlap=True),
    )
    runs = [
        Training(member, Digits("linear"), StepDecay(0.5), member.workers, batch=1437 // 20 // member.workers, epochs=1,
                 seed=1, sampling="shared", evaluate_train=True, evaluate_workers=True)
        for member in members
    ]  # fmt: skip
    return [*runs, *(replace(run, workload=Digits("small")) for run in runs[2:4])]


def quantized() -> list[Experiment]:
    """QPRSGD with every codec on a linear model, and with one on a conv net with batch norm."""
    five = value(uniform(ring(5)))
    algorithms = [
        *(RingQPRSGD(4, codec) for codec in CODECS.values()),
        *(GossipQPRSGD(4, codec, five) for codec in CODECS.values()),
    ]
    base = Training(algorithms[0], Digits("linear"), StepDecay(0.5), nodes=5, batch=14, epochs=1, seed=1)
    runs = [replace(base, algorithm=algorithm) for algorithm in algorithms]
    return [*runs, replace(runs[1], workload=Digits("small")), replace(runs[5], workload=Digits("small"))]


def nodes() -> list[NodeTraining]:
    """Networks that PopSGD trains, each on one rank."""
    return [replace(NODES, method=method, nodes=8, seed=seed) for method in (SYMMETRIC, ONE_SIDED) for seed in (0, 1)]


FAMILIES: dict[str, Callable[[], Sequence[Experiment]]] = {
    family.__name__: family for family in (rounds, servers, cooperative, quantized, nodes)
}


@functools.cache
def in_process(name: str) -> list[Frame]:
    """Return what the runs of a family log in this process."""
    return frames(simulate(FAMILIES[name]()))
