"""Training on made images of CIFAR-10's shape: how fast it is, and what limits it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from torch.profiler import ProfilerActivity, profile

from algorithms.network import IndependentDrops
from algorithms.rps.averaging import ModelAveraging
from algorithms.schedule import StepDecay
from algorithms.streams import stream
from reproductions.experiments.training import Training
from reproductions.harness.runs.context import Context
from reproductions.workloads.cifar10 import CropAndFlip
from reproductions.workloads.images import Images, ImageTask
from reproductions.workloads.resnet import ResNet, ResNet34
from reproductions.workloads.vgg import Vgg

_EVALUATED = 500


@dataclass(frozen=True)
class MadeImages:
    """Noise of 3x32x32 bytes with random classes."""

    name: ClassVar[str] = "made"
    tiny: ClassVar[bool] = False
    epoch_seconds: ClassVar[float] = 0.0
    net: ResNet | ResNet34 | Vgg
    size: int

    def load(self, data: Path | None, device: str = "cpu") -> ImageTask:
        """Return the task; `data` is not used."""
        rng = stream(0, "made-images")
        images = Images(
            rng.integers(256, size=(self.size, 32, 32, 3), dtype=np.uint8), rng.integers(10, size=self.size)
        )
        few = Images(*(part[:_EVALUATED] for part in images))
        return ImageTask("made", images, few, self.net.build, 256.0, CropAndFlip(), device)

    def checksum(self, data: Path | None) -> str:
        """Return nothing: the numbers are keyed."""
        return ""


@dataclass(frozen=True)
class Rate:
    """What was measured of one epoch after the first, in which libraries choose kernels and a graph is recorded.

    Attributes
    ----------
    samples
        Samples per second: gradients and RPS over a network that loses a tenth.
    mixing
        Fraction of the time that is RPS.
    """

    samples: float
    mixing: float


def training(net: ResNet | ResNet34 | Vgg, workers: int, batch: int, rounds: int) -> Training:
    """Return two epochs of so many rounds."""
    workload, network = MadeImages(net, workers * batch * rounds), IndependentDrops(0.1)
    return Training(ModelAveraging(), workload, StepDecay(0.1), workers, batch, 2, 0, network, evaluate_every=2)


def measure(run: Training, context: Context) -> Rate:
    """Train, and return the rate of the second epoch."""
    run.execute(context)
    logged = {(step, metric): value for step, metric, value in context.rows}
    compute, mixing = (
        logged[2, f"{part}_seconds"] - logged[1, f"{part}_seconds"] for part in ("compute", "communication")
    )
    assert isinstance(run.workload, MadeImages)
    return Rate(run.workload.size / (compute + mixing), mixing / (compute + mixing))


def kernels(run: Training, context: Context) -> tuple[int, float]:
    """Return the number of kernels of a training run, and the seconds that they take one after the other."""
    activity = ProfilerActivity.CUDA if context.device.startswith("cuda") else ProfilerActivity.CPU
    with profile(activities=[activity], acc_events=True) as profiler:
        run.execute(context)
    events = profiler.key_averages()
    return sum(event.count for event in events), sum(event.self_device_time_total for event in events) / 1e6
