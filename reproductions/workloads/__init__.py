"""Learning problems: data, model, loss and evaluation behind one small interface."""

from reproductions.workloads.atis import Atis
from reproductions.workloads.base import DataError, Task, Workload
from reproductions.workloads.cifar10 import Cifar10
from reproductions.workloads.digits import Digits
from reproductions.workloads.grammar import SlotGrammar
from reproductions.workloads.imagenet import ImageNet
from reproductions.workloads.sharding import minibatch, shard, steps_per_epoch

__all__ = [
    "Atis",
    "Cifar10",
    "DataError",
    "Digits",
    "ImageNet",
    "SlotGrammar",
    "Task",
    "Workload",
    "minibatch",
    "shard",
    "steps_per_epoch",
]
