"""Whatever is trained is, bit for bit, the same in this process and on any number of ranks."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.algorithms.families import FAMILIES, cooperative, in_process
from tests.reproductions.lab import Frame, on_ranks

Launch = tuple[int, tuple[str, ...]]
"""A number of ranks and the families that they make together."""
LAUNCHES: list[Launch] = [(2, tuple(FAMILIES)), (3, ("rounds", "servers"))]
SLOW: list[Launch] = [
    (3, ("cooperative", "quantized")),
    *((ranks, ("rounds", "cooperative", "quantized")) for ranks in (4, 5)),
    *((ranks, ("rounds",)) for ranks in (8, 16)),
]
CASES = [
    pytest.param(launch, family, marks=marks, id=f"{family}-{launch[0]}")
    for launches, marks in ((LAUNCHES, ()), (SLOW, pytest.mark.slow))
    for launch in launches
    for family in launch[1]
]


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Launch], dict[str, list[Frame]]]:
    """Return what tells what every family of a launch logs on its ranks, which start once."""

    @functools.cache
    def logged(launch: Launch) -> dict[str, list[Frame]]:
        ranks, grids = launch[0], {name: FAMILIES[name]() for name in launch[1]}
        runs = [run for grid in grids.values() for run in grid]
        frames = iter(on_ranks(ranks, runs, tmp_path_factory.mktemp("ranks")))
        return {name: [next(frames) for _ in grid] for name, grid in grids.items()}

    return logged


@pytest.mark.parametrize(("launch", "family"), CASES)
def test_runs_are_bitwise_the_same_on_any_number_of_ranks(
    launch: Launch, family: str, launched: Callable[[Launch], dict[str, list[Frame]]]
) -> None:
    for run, got, wanted in zip(FAMILIES[family](), launched(launch)[family], in_process(family), strict=True):
        assert got == wanted, run


def test_rounds_are_20_with_drops() -> None:
    first, second = (dict(zip(frame["metric"], frame["value"], strict=True)) for frame in in_process("rounds")[:2])
    assert first["sent_messages"] == 20 * 2 * 16 * 15
    assert first["received_messages"] < first["sent_messages"]
    assert first["digest"] != second["digest"]


def test_overlap_is_bitwise_the_blocking_run() -> None:
    runs = dict(zip(cooperative(), in_process("cooperative"), strict=True))
    pairs = [(run, replace(run, algorithm=replace(run.algorithm, overlap=False))) for run in runs]
    compared = [runs[run] == runs[twin] for run, twin in pairs if run != twin and twin in runs]
    assert compared == [True] * 4
