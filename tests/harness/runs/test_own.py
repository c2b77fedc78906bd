"""An algorithm of one's own by its name: what is found, and one sentence for what is not."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from algorithms.network import IndependentDrops
from algorithms.rps.averaging import GradientAveraging, ModelAveraging
from algorithms.schedule import StepDecay
from reproductions.experiments.training import Training
from reproductions.harness.runs.key import forget, key
from reproductions.harness.runs.own import Own, exchanged, load
from reproductions.rps.mixing import MixingMatrices
from reproductions.workloads.digits import Digits
from tests.harness.toy_experiments import Toy
from tests.harness.toy_session import ROOT
from tests.reproductions.lab import swapped

GOOD = """
from dataclasses import dataclass
from algorithms.algorithm import Algorithm

@dataclass(frozen=True)
class Mine(Algorithm):
    every: int = 4

    def step(self, world, x, g, state, t, lr):
        x.sub_(g, alpha=lr)

def make():
    return Mine(every=8)
"""
TRAINING = Training(ModelAveraging(), Digits("linear"), StepDecay(1.0), 4, 8, 1, 0, IndependentDrops(0.1, 0))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the current folder, whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if "own" in name:
            del sys.modules[name]


def test_a_class_or_a_function_of_a_module_or_a_file_is_found(folder: Path) -> None:
    (folder / "good_own.py").write_text(GOOD)
    (folder / "inner").mkdir()
    (folder / "inner" / "__init__.py").touch()
    (folder / "inner" / "deep_own.py").write_text(GOOD)
    found = [load(spec) for spec in ("good_own:Mine", "good_own.py:Mine", "good_own:make()", "inner/deep_own.py:Mine")]
    assert [own.algorithm.every for own in found] == [4, 4, 8, 4]
    assert [own.name for own in found] == ["Mine", "Mine", "make", "Mine"]
    assert [own.folder for own in found] == ["good_own.Mine", "good_own.Mine", "good_own.make", "deep_own.Mine"]
    assert type(found[3].algorithm).__module__ == "inner.deep_own"
    assert sys.path[-1] == str(folder)
    assert load("algorithms.rps.averaging:GradientAveraging").algorithm == GradientAveraging()


def mine(body: str, decorator: str = "@dataclass(frozen=True)") -> str:
    return f"from dataclasses import dataclass\nfrom algorithms.algorithm import Algorithm\n{decorator}\n{body}"


STEP = "    def step(self, world, x, g, state, t, lr): pass\n"


@pytest.mark.parametrize(
    ("spec", "source", "sentence"),
    [
        ("Mine", "", "but must be module:Class, file.py:Class or module:make_function()"),
        ("bad_own:", "", "but must be module:Class, file.py:Class or module:make_function()"),
        ("bad_own:Mine Own", "", "but must be module:Class"),
        ("bad-own:Mine", "", "but bad-own is no name of a module: it must be module:Class"),
        ("nothing_here:Mine", "", "but there is no module nothing_here in "),
        ("nothing_here.py:Mine", "", "but there is no file "),
        ("bad_own.inner:Mine", "", "but there is no module bad_own.inner in "),
        ("bad_own:Mine", "import nothing_here", "importing bad_own raised ModuleNotFoundError: No module named"),
        ("bad_own:Mine", "def", "importing bad_own raised SyntaxError: invalid syntax"),
        ("bad_own:Mine", "import sys; sys.exit(3)", "importing bad_own raised SystemExit: 3"),
        ("bad_own:Mine", "1 / 0", "importing bad_own raised ZeroDivisionError: division by zero"),
        ("bad_own:Mine", GOOD.replace("Mine", "Yours"), "bad_own.py has no Mine, only Yours"),
        ("bad_own:Mine", "", "bad_own.py has no Mine, nor any other algorithm"),
        ("bad_own:make", GOOD, "but make is no class: it must be module:Class"),
        ("bad_own:Mine()", GOOD, "but Mine is no function: it must be module:Class"),
        ("bad_own:Mine", "Mine = 3", "but Mine is no class: it must be"),
        ("bad_own:Mine", mine("class Mine(Algorithm):\n    k: int\n" + STEP), "Mine() raised TypeError: Mine."),
        ("bad_own:Mine", "class Mine: pass", "but a Mine is no subclass of algorithms.algorithm.Algorithm"),
        ("bad_own:Mine", mine("class Mine(Algorithm): pass"), "but Mine has no method step(world, x, g, state, t, lr)"),
        (
            "bad_own:Mine",
            mine("class Mine(Algorithm):\n    def step(self, x, g): pass"),
            "but Mine.step must take (world, x, g, state, t, lr)",
        ),
        (
            "bad_own:Mine",
            mine("class Mine(Algorithm):\n    auxiliaries = 'one'\n" + STEP),
            "but Mine.auxiliaries is 'one': it must be a number of rows",
        ),
        (
            "bad_own:Mine",
            mine("class Mine(Algorithm):\n    def __init__(self): self.k = 3\n" + STEP, ""),
            "but Mine keeps k outside of its dataclass fields",
        ),
        (
            "bad_own:Mine",
            mine("class Mine(Algorithm):\n    def __init__(self): self.k = 3 / 0\n" + STEP, ""),
            "but Mine() raised ZeroDivisionError: division by zero",
        ),
        (
            "bad_own:Mine",
            mine("class Mine(Algorithm):\n    k: object = print\n" + STEP),
            "but Mine raised TypeError: an experiment cannot hold <built-in function print>",
        ),
        (
            "bad_own:make()",
            mine("class Mine(Algorithm): pass\ndef make():\n    class A(Algorithm):\n    " + STEP + "    return A()"),
            "but make raised",
        ),
    ],
)  # fmt: skip
def test_what_is_no_algorithm_gets_one_sentence(folder: Path, spec: str, source: str, sentence: str) -> None:
    (folder / "bad_own.py").write_text(source)
    with pytest.raises(ValueError, match=rf"^is {re.escape(repr(spec))}, .*{re.escape(sentence)}[^\n]*$"):
        load(spec)


def test_a_file_with_the_name_of_another_module_is_told_from_it(folder: Path) -> None:
    (folder / "wsgiref.py").write_text(GOOD)
    with pytest.raises(ValueError, match=r"but wsgiref is also the name of .*__init__\.py: rename the file"):
        load("wsgiref.py:Mine")


def test_the_source_of_ones_own_algorithm_is_part_of_the_name_of_its_runs(folder: Path) -> None:
    names = []
    for source in (GOOD, GOOD.replace("alpha=lr", "alpha=-lr"), GOOD):
        (folder / "keyed_own.py").write_text(source)
        forget()
        changed = exchanged(TRAINING, load("keyed_own:Mine"))
        assert changed
        names.append(key(changed, None, "cpu"))
    assert names[0] == names[2] != names[1]
    forget()


def test_the_example_of_the_documentation_is_an_algorithm(folder: Path) -> None:
    text = (ROOT / "docs" / "own-algorithm.md").read_text()
    (code,) = re.findall(r"^```python\n# mine\.py\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (folder / "my_own.py").write_text(code)
    (changed,) = swapped([TRAINING], lambda run: exchanged(run, load("my_own:MyAveraging")) or run)
    (paper,) = swapped([TRAINING], lambda run: run)
    assert changed.final("sent_messages") == paper.final("sent_messages") / 2


@dataclass(frozen=True)
class Picky(Toy):
    """An experiment with an algorithm that is none of those that make steps."""

    algorithm: str = "push"


def test_it_takes_the_place_of_an_algorithm_and_of_nothing_else() -> None:
    own = Own("mine:Mine", "Mine", GradientAveraging())
    changed = exchanged(TRAINING, own)
    assert isinstance(changed, Training)
    assert changed.algorithm == GradientAveraging()
    assert (changed.network, changed.seed, changed.workload) == (TRAINING.network, TRAINING.seed, TRAINING.workload)
    assert exchanged(MixingMatrices(4, IndependentDrops(0.1, 0), 1, 1), own) is not None
    assert exchanged(Toy("", 1.0, 0), own) is None
    assert exchanged(Picky("", 1.0, 0), own) is None
