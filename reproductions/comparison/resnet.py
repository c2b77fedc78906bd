"""The largest task of the comparison: ResNet-20 on CIFAR-10; all are charged for messages of its length."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from algorithms.replicas import Replicas
from reproductions.comparison.tasks import Indices, Part, RaceTask
from reproductions.experiments.engine import prepared
from reproductions.experiments.speed import speed
from reproductions.harness.runs.context import Context
from reproductions.workloads.cifar10 import Cifar10
from reproductions.workloads.images import ImageTask

TESTED = 1000  # samples of the test set that are looked at


@dataclass(frozen=True)
class ResNetTask(RaceTask):
    """A network on CIFAR-10 without augmentation; the loss is the cross entropy.

    Batch norm takes its statistics from the samples at hand, in evaluations from 500 of them: workers have no running
    statistics, which no algorithm here would average.

    Parameters
    ----------
    workload
        Network and data.
    tuned
        Training samples, the last ones, that are for validation.
    data
        Folder of the data, once they are `ready`.
    """

    name: ClassVar[str] = "ResNet-20"
    batch: ClassVar[int] = 32
    target: ClassVar[float] = 1.60
    rates: ClassVar[tuple[float, float]] = (0.03, 0.5)
    looks: ClassVar[int] = 8
    large: ClassVar[bool] = True
    sample_seconds: ClassVar[float] = 2.7e-3
    workload: Cifar10 = field(default_factory=lambda: Cifar10(test_size=TESTED, augment=False))
    tuned: int = 500
    data: Path | None = None

    @contextmanager
    def ready(self, context: Context) -> Iterator[RaceTask]:
        """See `RaceTask.ready`."""
        with prepared(_loaded(self.workload, context.data)[0], context):
            yield replace(self, data=context.data)

    def checksum(self, data: Path | None) -> str:
        """See `RaceTask.checksum`."""
        return self.workload.checksum(data)

    def speed(self, context: Context) -> float:
        """See `RaceTask.speed`."""
        return speed(self.workload, self.batch, context)

    def start(self) -> Tensor:
        """See `RaceTask.start`."""
        return Replicas(self._images.model, 1, 0).parameters[0]

    def gradients(self, models: Tensor, samples: Indices) -> Tensor:
        """See `RaceTask.gradients`."""
        images, network = self._images, self._network
        found = torch.empty_like(models)
        for row, model, own in zip(found, models, samples, strict=True):
            network.parameters[0] = model
            network.backward(images.batches({0: own}, 0, 0), images.loss)
            row.copy_(network.gradients[0])
        return found

    def losses(self, models: Tensor, part: Part) -> NDArray[np.float64]:
        """See `RaceTask.losses`."""
        images, (network,) = self._images, self._network.models
        found: NDArray[np.float64] = np.empty(len(models))
        for k, model in enumerate(models):
            self._network.parameters[0] = model
            if part == "validation":
                found[k] = images.training_loss(network, slice(-self.tuned, None))
            else:
                found[k] = images.evaluate(network)["test_loss"]
        return np.nan_to_num(found, nan=np.inf)

    def targets(self) -> NDArray[np.float64]:
        """See `RaceTask.targets`."""
        return self._images.train.labels[: -self.tuned].astype(np.float64)

    @property
    def _images(self) -> ImageTask:
        return _loaded(self.workload, self.data)[0]

    @property
    def _network(self) -> Replicas:
        return _loaded(self.workload, self.data)[1]


@functools.lru_cache(maxsize=2)
def _loaded(workload: Cifar10, data: Path | None) -> tuple[ImageTask, Replicas]:
    """Return the images, and one network that every model in turn is put into."""
    images = workload.load(data)
    images = replace(images, net=lambda: _without_memory(workload.net.build()))
    return images, Replicas(images.model, 1, 0)


def _without_memory(model: nn.Module) -> nn.Module:
    """Take the running statistics out of all batch norms, so that they use those of the batch, in evaluations too."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.track_running_stats = False
            module.running_mean = module.running_var = module.num_batches_tracked = None
    return model
