"""What the training figures cost: ``reproductions costs`` renews their table in docs/costs.md."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import TypeGuard

import reproductions
from reproductions.experiments.roofline import H100, image_cost, roofline
from reproductions.experiments.training import Training
from reproductions.harness.runs.experiment import Experiment
from reproductions.harness.runs.settings import Settings
from reproductions.popsgd.training import NodeTraining
from reproductions.report.render import around
from reproductions.workloads.base import Workload
from reproductions.workloads.cifar10 import Cifar10
from reproductions.workloads.resnet import ResNet, ResNet34
from reproductions.workloads.vgg import Vgg

PAGE = Path(reproductions.__path__[0]).parent / "docs" / "costs.md"
BEGIN, END = "<!-- costs: begin -->", "<!-- costs: end -->"
HEAD = """| tests | small: runs | million samples | two cores, hours | paper: runs | million samples | two cores, days | H100, hours |
|---|---:|---:|---:|---:|---:|---:|---:|"""  # noqa: E501


@functools.cache
def table() -> str:
    """Return a row for each test module that trains networks beyond smoke scale, as a table in Markdown."""
    rows = [row for module in _modules() if (row := _row(module))]
    return "\n".join([HEAD, *rows])


def renewed(page: str) -> str:
    """Return the text of the page with the table as it is now; a ReportError if its two markers are not there."""
    before, after = around(page, BEGIN, END, PAGE)
    return f"{before}\n{table()}\n{after}"


def _modules() -> Iterator[ModuleType]:
    """Yield the test modules of all papers that have experiments."""
    root = Path(reproductions.__path__[0])
    for path in sorted(root.rglob("test_*.py")):
        module = importlib.import_module(".".join(path.relative_to(root.parent).with_suffix("").parts))
        if hasattr(module, "experiments"):
            yield module


def _row(module: ModuleType) -> str | None:
    small, paper = (_trained(module.experiments(Settings(scale=scale, seeds=3))) for scale in ("small", "paper"))
    if not small and not paper:
        return None
    name = module.__name__.removeprefix("reproductions.").replace(".", "/")
    return f"| {name} | {_sizes(small, 3600)} | {_sizes(paper, 86_400)} | {_on_gpu(paper)} |"


def _trained(grid: dict[object, Iterable[Experiment]]) -> list[Experiment]:
    """Return the runs of a grid that train a network, each once."""
    return [each for each in dict.fromkeys(chain.from_iterable(grid.values())) if each.samples]


def _sizes(runs: list[Experiment], unit: int) -> str:
    if not runs:
        return " | | "
    samples, time = sum(each.samples for each in runs), sum(each.cost for each in runs) / 2 / unit
    return f"{len(runs)} | {samples / 1e6:,.1f} | {time:,.1f}"


def _on_gpu(runs: list[Experiment]) -> str:
    """Return the hours that the arithmetic or the memory of an H100 alone would take, of networks for CIFAR-10."""
    trained = [each for each in runs if isinstance(each, Training | NodeTraining)]
    rated = [(each.samples, _limit(each.workload.net, each.batch)) for each in trained if _is_cifar(each.workload)]
    return f"{sum(samples / rate for samples, rate in rated) / 3600:,.1f}" if rated else ""


def _is_cifar(workload: Workload) -> TypeGuard[Cifar10]:
    return isinstance(workload, Cifar10)


@functools.cache
def _limit(net: ResNet | ResNet34 | Vgg, batch: int) -> float:
    return roofline(image_cost(net.build(), batch), H100).rate
