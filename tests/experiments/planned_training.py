"""Train on noise in this process; print the plan and the measured growth of its memory, as JSON.

Takes the depth of a ResNet, the number of workers and their batch.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from algorithms.rps.averaging import ModelAveraging
from algorithms.schedule import StepDecay
from reproductions.experiments.training import Training
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.free_memory import FreeMemory
from reproductions.workloads.images import Images, ImageTask
from reproductions.workloads.resnet import ResNet


@dataclass(frozen=True)
class Noise:
    """Images of 32x32 pixels that mean nothing: what is measured does not depend on them."""

    name: ClassVar[str] = "noise"
    tiny: ClassVar[bool] = False
    net: ResNet
    train_size: int
    test_size: int

    @property
    def epoch_samples(self) -> int:
        return self.train_size

    @property
    def epoch_seconds(self) -> float:
        return self.net.sample_seconds * self.train_size

    def load(self, data: Path | None = None, device: str = "cpu") -> ImageTask:
        rng = np.random.default_rng(0)
        train, test = (
            Images(rng.integers(256, size=(size, 32, 32, 3), dtype=np.uint8), rng.integers(10, size=size))
            for size in (self.train_size, self.test_size)
        )
        return ImageTask("noise", train, test, self.net.build, 256.0, device=device)

    def checksum(self, data: Path | None = None) -> str:
        return "noise"


def noisy(net: ResNet, workers: int, batch: int) -> Training:
    """Return a run of one step per worker and an evaluation on few images."""
    workload = Noise(net, workers * batch, 500)
    return Training(ModelAveraging(), workload, StepDecay(0.1), workers, batch, epochs=1, seed=0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    said: list[str] = []
    context = Context(free_memory=FreeMemory("cpu", 1 << 40), announce=said.append)
    noisy(ResNet(8, width=8), 1, 2).execute(context)  # loads libraries, and what a plan needs to be made
    run = noisy(ResNet(int(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3]))
    run.execute(context)
    print(json.dumps(context.notes["memory"] | {"said": said}))
