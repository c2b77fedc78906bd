"""``python -m tests.algorithms.rps.datagram_training SEEDS``, on a host: digits over UDP that the kernel loses.

Prints, as JSON and for every seed, the final metrics of that run, of simulated losses at the rate of its blocks, and of
workers that lose everything.
"""

from __future__ import annotations

import json
import sys
from unittest import mock

import torch

from algorithms.network import IndependentDrops, Network
from algorithms.rps.averaging import ModelAveraging
from algorithms.rps.datagrams import Datagrams, block_loss
from algorithms.schedule import StepDecay
from reproductions.experiments import training
from reproductions.experiments.training import Training
from reproductions.harness.runs import real_links
from reproductions.harness.runs.context import Context
from reproductions.workloads.digits import Digits

WORKERS, LOSS, PARAMETERS = 8, 0.05, 5018
BLOCK = 4 * -(-PARAMETERS // WORKERS)  # bytes of the longer blocks


def run(network: Network, seed: int) -> dict[str, float]:
    """Return the final metrics of a run."""
    schedule, context = StepDecay(0.5), Context()
    Training(ModelAveraging(), Digits("small"), schedule, WORKERS, 8, 6, seed, network, 6).execute(context)
    return {metric: value for _, metric, value in context.rows}


def over_udp(comm: None, workers: int, network: Network, seed: int) -> Datagrams:
    """Return a world on UDP in place of one that simulates losses."""
    return Datagrams(comm, workers, seed)


if __name__ == "__main__":
    torch.set_num_threads(1)
    real_links.lose(1, LOSS)
    found = []
    for seed in range(int(sys.argv[1])):
        drops = IndependentDrops(block_loss(LOSS, BLOCK), seed)
        with mock.patch.object(training, "World", over_udp):
            real = run(drops, seed)
        found.append({"real": real, "simulated": run(drops, seed), "alone": run(IndependentDrops(1.0), seed)})
    print(json.dumps(found))
