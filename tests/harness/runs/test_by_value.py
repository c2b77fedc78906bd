"""What a script or a notebook defines is named by what it does: what changes that name, and what does not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from reproductions.harness.runs.by_value import ByValueError, Definitions, pickled
from reproductions.harness.runs.key import in_main, key
from reproductions.harness.runs.provenance import ROOT
from tests.harness.toy_experiments import Toy

SOURCE = """
import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np

import torch

import algorithms.blocks
from tests.harness.runs.test_by_value import made_by
from algorithms.rps.averaging import average_blocks
from reproductions.harness.runs.experiment import Experiment

FACTOR, UNUSED, TABLE = 2.0, 1, np.arange(3)
WEIGHTS, OPERATION = torch.ones(2), made_by(4, class_of=5)
WORDS = {"left", "right", "above", "below"}


def scaled(lr, *, by=1.0):
    return FACTOR * lr * by


def cached(lr):
    return scaled(lr) + TABLE[1]


def decorated(function):
    def wrapper(*arguments):
        return function(*arguments) * 4

    return wrapper


class Base(Experiment):
    power = 1

    @property
    def workers(self):
        return 2

    @staticmethod
    def halved(x):
        return x / 2


@dataclass(frozen=True)
class Mine(Base):
    kind: Literal["a", "b"] = "a"
    other: int | None = None

    @classmethod
    def width(cls):
        return 7

    @decorated
    def start(self):
        return 11

    def execute(self, context):
        from algorithms.qprsgd.ring import RingQPRSGD

        algorithms.blocks.partition(10, 2)
        steps = [step - cached(0.1) for step in range(3) if step in WORDS]
        average_blocks(super().halved(steps), self.power, t=1, function=lambda x: x**5)

    def itself(self):
        return Mine, UNKNOWN, WEIGHTS, OPERATION
"""


def made_by(closure: int, class_of: int) -> Any:
    """Return a function and a class of this module that are not found by their names."""

    class Made:
        number = class_of

    return lambda x, also=class_of + 1: x * closure, Made


def made(source: str) -> Any:
    """Return an experiment of a script."""
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, "script", "exec", dont_inherit=True), space)
    return space["Mine"]()


def digest(source: str) -> str:
    return Definitions(made(source)).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("step - cached", "step + cached"),
        ("x**5", "x**6"),
        ("FACTOR, UNUSED, TABLE = 2.0", "FACTOR, UNUSED, TABLE = 2.5"),
        ("np.arange(3)", "np.arange(1, 4)"),
        ("by=1.0", "by=1.5"),
        ("scaled(lr) +", "scaled(lr) -"),
        ('"left", ', ""),
        ("* 4", "* 5"),
        ("power = 1", "power = 2"),
        ("return 2", "return 3"),
        ("x / 2", "x / 3"),
        ("return 7", "return 8"),
        ("return 11", "return 12"),
        ("partition(10, 2)", "partition(10, 2.0)"),
        ("(10, 2)", "(10, True)"),
        ("UNKNOWN", "UNUSED"),
        ("torch.ones", "torch.zeros"),
        ("made_by(4", "made_by(3"),
        ("class_of=5", "class_of=6"),
    ],
)
def test_a_change_of_what_is_done_changes_the_name(old: str, new: str) -> None:
    assert SOURCE.count(old) == 1
    assert digest(SOURCE.replace(old, new)) != digest(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n\ndef scaled", "\n\n# a comment\n\n\ndef scaled"),
        ("UNUSED, TABLE = 2.0, 1", "UNUSED, TABLE = 2.0, 3"),
        ("class Base(Experiment):", 'class Base(Experiment):\n    """Says what it is."""\n'),
        ("\n\nclass Base", "\n\ndef plot(frame):\n    frame.plot()\n\n\nclass Base"),
    ],
)
def test_what_a_run_does_not_refer_to_is_no_part_of_its_name(old: str, new: str) -> None:
    assert SOURCE.count(old) == 1
    assert digest(SOURCE.replace(old, new)) == digest(SOURCE)


def test_the_name_is_the_same_in_every_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"{SOURCE}\nfrom reproductions.harness.runs.key import key\nprint(key(Mine(), None, 'cpu'))\n")
    names = set()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed}
        names.add(subprocess.check_output([sys.executable, str(script)], env=environment, cwd=tmp_path, text=True))
    assert names == {key(made(SOURCE), None, "cpu") + "\n"}


def test_modules_that_it_refers_to_are_found() -> None:
    wanted = {"algorithms.rps.averaging", "algorithms.blocks", "algorithms.qprsgd.ring", "numpy"}
    assert wanted <= Definitions(made(SOURCE)).modules


def test_a_changed_module_that_it_refers_to_changes_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from reproductions.harness.runs import key as keys

    seen: list[frozenset[str]] = []
    monkeypatch.setattr(keys, "source_digest", lambda modules: seen.append(modules) or "")
    key(made(SOURCE), None, "cpu")
    assert "algorithms.rps.averaging" in seen[0]
    assert "__main__" not in seen[0]


@pytest.mark.parametrize(
    ("definition", "why"),
    [
        ("import threading\n\nUNKNOWN = threading.Lock()", "cannot pickle '_thread.lock' object"),
        ("UNKNOWN = open(__file__)", "cannot pickle '_io.TextIOWrapper' object"),
        ("UNKNOWN = functools.cache(decorated)", "a _lru_cache_wrapper is found by its name only"),
        ("UNKNOWN = (each for each in WORDS)", "cannot pickle 'generator' object"),
    ],
)
def test_what_ranks_cannot_be_handed_is_one_sentence(definition: str, why: str) -> None:
    with pytest.raises(ByValueError, match=f"^what .* refers to .*, which cannot be handed to ranks: {why}") as error:
        key(made(SOURCE + "\n\n" + definition.replace("__file__", repr(__file__))), None, "cpu")
    assert "\n" not in str(error.value)


def test_only_what_main_defines_needs_more_than_a_pickle() -> None:
    assert not in_main(Toy("", 1.0, 0))
    assert in_main(made(SOURCE))
    with pytest.raises(ByValueError, match=r"^what a script or notebook defines cannot be handed to ranks: "):
        pickled(threading.Lock(), main=True)
