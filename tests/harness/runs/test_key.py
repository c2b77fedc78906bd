"""The name of a run: what changes it, what does not, and that nothing which a run loads is missing from it."""

from __future__ import annotations

import functools
import importlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import reproductions
from algorithms.algorithm import Algorithm
from algorithms.qprsgd.messages import Dense
from algorithms.qprsgd.quantize import Quantizer
from algorithms.qprsgd.ring import RingQPRSGD
from algorithms.schedule import StepDecay
from reproductions.experiments.training import Training
from reproductions.harness.runs import key as keys
from reproductions.harness.runs import real_links
from reproductions.harness.runs.experiment import Experiment, Placement
from reproductions.harness.runs.key import key, sources
from reproductions.harness.runs.provenance import ROOT
from reproductions.harness.runs.runner import Runner
from reproductions.harness.runs.settings import Settings
from reproductions.workloads.digits import Digits
from tests.harness.runs.loaded import Loaded

QUANTIZED = Training(RingQPRSGD(1, Quantizer()), Digits("mlp"), StepDecay(0.5), nodes=2, batch=32, epochs=1, seed=0)


def named(experiment: Experiment) -> str:
    """Return the key as a new process would."""
    return all_named([experiment])[0]


def all_named(experiments: Sequence[Experiment]) -> list[str]:
    """Return the keys as a new process would."""
    keys.forget()
    return [key(experiment, None, "cpu") for experiment in experiments]


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    keys.forget()


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the project's source, from which keys are made."""
    for name in keys.PROJECT:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.yaml", "*.md"))
    monkeypatch.setattr(keys, "ROOT", tmp_path)
    return tmp_path


def change(path: Path) -> None:
    path.write_text(f"{path.read_text()}CHANGED = True\n")


# ------------------------------------------------------------------------------------------------- of the project


@pytest.mark.parametrize("name", ["qprsgd/ring", "qprsgd/quantize", "qprsgd/wire", "qprsgd/wire_torch", "qprsgd/elias"])
def test_a_changed_quantizer_makes_its_runs_anew(name: str, copy: Path) -> None:
    before, dense = named(QUANTIZED), named(replace(QUANTIZED, algorithm=RingQPRSGD(1, Dense())))
    change(copy / "algorithms" / f"{name}.py")
    assert named(QUANTIZED) != before
    assert (named(replace(QUANTIZED, algorithm=RingQPRSGD(1, Dense()))) != dense) == (name == "qprsgd/ring")


@pytest.mark.parametrize("name", ["workloads/digits", "experiments/engine", "workloads/__init__"])
def test_what_is_run_and_on_what_are_part_of_the_name(name: str, copy: Path) -> None:
    before = named(QUANTIZED)
    change(copy / "reproductions" / f"{name}.py")
    assert named(QUANTIZED) != before


def test_names_that_scripts_import_change_no_run(copy: Path) -> None:
    before, path = named(QUANTIZED), copy / "reproductions" / "__init__.py"
    path.write_text(f"{path.read_text()}\nfrom reproductions.api import run\n")
    assert named(QUANTIZED) == before


@pytest.mark.parametrize(("text", "same"), [('"""One."""\n\nx = 1\n', True), ("x = 2\n", False)])
def test_what_does_nothing_changes_no_name(text: str, same: bool, copy: Path) -> None:
    path, found = copy / "algorithms" / "qprsgd" / "ring.py", []
    for each in ("x = 1\n", text):
        path.write_text(each)
        found.append(named(QUANTIZED))
    assert (found[0] == found[1]) == same


def test_all_that_is_remembered_of_sources_can_be_forgotten() -> None:
    named(QUANTIZED)
    keys.forget()
    caches = [value for value in vars(keys).values() if hasattr(value, "cache_info")]
    assert len(caches) > 5
    assert not any(cache.cache_info().currsize for cache in caches)


def test_a_change_of_the_harness_changes_no_name(copy: Path) -> None:
    grid = [cheapest for _, cheapest in kinds()]
    before = all_named(grid)
    for path in [*copy.glob("reproductions/harness/**/*.py"), *copy.glob("reproductions/report/**/*.py")]:
        change(path)
    assert all_named(grid) == before


def test_a_result_of_the_harness_that_changed_is_said_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    before = named(QUANTIZED)
    monkeypatch.setattr(keys, "RESULT", 2)
    assert named(QUANTIZED) != before


@pytest.mark.parametrize("package", keys.PACKAGES)
def test_versions_of_the_libraries_are_part_of_the_name(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, found = named(QUANTIZED), keys._versions()
    assert found[package]
    monkeypatch.setattr(keys, "_versions", lambda: found | {package: "another"})
    assert key(QUANTIZED, None, "cpu") != before


# ----------------------------------------------------------------------------------------------- outside the project

MINE = """
from dataclasses import dataclass

import numpy
from algorithms.algorithm import Algorithm
from {rule} import apply


@dataclass(frozen=True)
class Mine(Algorithm):
    def step(self, world, x, g, state, t, lr):
        apply(x, g, lr)
"""
RULE = "def apply(x, g, lr):\n    x.sub_(g, alpha=lr)\n"
Package = Callable[[str], Experiment]


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    """Return what makes a run of the algorithm of a module outside the project."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def run(module: str) -> Experiment:
        algorithm: Algorithm = importlib.import_module(module).Mine()
        return replace(QUANTIZED, algorithm=algorithm)

    yield run
    for name in [name for name in sys.modules if name.split(".")[0] in ("mine", "left", "right")]:
        del sys.modules[name]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("rule", ["left.rule", ".rule", "."])
def test_an_algorithm_of_ones_own_with_a_flipped_sign_has_another_name(
    rule: str, mine: Package, tmp_path: Path
) -> None:
    place = {"left.rule": "left/rule", ".rule": "mine/rule", ".": "mine/__init__"}[rule]
    write(tmp_path / "mine/__init__.py", "")
    write(tmp_path / "mine/own.py", MINE.format(rule=rule))
    write(tmp_path / f"{place}.py", RULE)
    experiment = mine("mine.own")
    right = named(experiment)
    assert named(experiment) == right
    write(tmp_path / f"{place}.py", RULE.replace("sub_", "add_"))
    assert named(experiment) != right, "the rule that it imports"
    write(tmp_path / f"{place}.py", RULE)
    change(tmp_path / "mine/own.py")
    assert named(experiment) != right, "the algorithm"


def test_files_of_the_same_name_in_different_folders_are_told_apart(mine: Package, tmp_path: Path) -> None:
    write(tmp_path / "mine.py", MINE.format(rule="left.rule") + "from right import rule\n")
    found = set()
    for first, second in [("1", "2"), ("2", "1"), ("1", "1")]:
        write(tmp_path / "left/rule.py", RULE + f"FIRST = {first}\n")
        write(tmp_path / "right/rule.py", RULE + f"SECOND = {second}\n")
        found.add(named(mine("mine")))
    shutil.rmtree(tmp_path / "right")
    found.add(named(mine("mine")))
    assert len(found) == 4


def test_what_is_installed_is_named_by_its_version(mine: Package, tmp_path: Path) -> None:
    write(tmp_path / "mine.py", MINE.format(rule="right"))
    write(tmp_path / "right.py", RULE)
    experiment = mine("mine")
    named(experiment)
    names = sources(frozenset(keys.modules_of(experiment)))
    assert {"mine", "right", "algorithms.algorithm", "algorithms", "reproductions.workloads.digits"} <= set(names)
    assert not [name for name in names if name.split(".")[0] in ("numpy", "torch", "dataclasses", "functools")]
    before = named(experiment)
    (tmp_path / "right-1.0.dist-info").mkdir()
    assert named(experiment) != before, "what is installed beside it is not hashed any more"


# ----------------------------------------------------------------------------------------------------------- guard


@functools.cache
def kinds() -> list[tuple[frozenset[str], Experiment]]:
    """Return the cheapest experiment of every kind in all grids: kinds differ in the modules that their values name."""
    found: dict[frozenset[str], Experiment] = {}
    for experiment in everything():
        modules = frozenset(keys.modules_of(experiment))
        found[modules] = min(found.get(modules, experiment), experiment, key=lambda each: each.cost)
    return list(found.items())


@functools.cache
def everything() -> list[Experiment]:
    found: list[Experiment] = []
    for path in sorted(Path(reproductions.__path__[0]).rglob("test_*.py")):
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        if hasattr(module, "experiments"):
            grid = module.experiments(Settings())
            found += (each for group in grid.values() for each in group) if isinstance(grid, dict) else grid
    return found


def placed(*placements: Placement) -> list[tuple[frozenset[str], Experiment]]:
    return [(modules, experiment) for modules, experiment in kinds() if experiment.placement in placements]


def check(modules: frozenset[str], loaded: list[str]) -> None:
    missing = set(loaded) - set(sources(modules)) - {keys.FACADE}
    assert not missing, f"a run of {sorted(modules)} loads what is not part of its name: {sorted(missing)}"


def test_every_module_that_a_run_loads_is_part_of_its_name(tmp_path: Path) -> None:
    cases = placed(Placement.SHARED, Placement.ALONE)
    (tmp_path / "cases").write_bytes(pickle.dumps([pickle.dumps(experiment) for _, experiment in cases]))
    command = [sys.executable, "-m", "tests.harness.runs.loaded", str(tmp_path / "cases")]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    for (modules, _), line in zip(cases, done.stdout.splitlines(), strict=True):
        check(modules, json.loads(line))


DEPLOYED = (Placement.RANK_EACH, Placement.HOST_EACH, Placement.HOST_WINDOWS, Placement.MORTAL)


@pytest.mark.slow
@pytest.mark.parametrize("placement", DEPLOYED)
def test_every_module_that_a_deployment_loads_is_part_of_its_name(placement: Placement, tmp_path: Path) -> None:
    if placement.hosts and (reason := real_links.unavailable()):
        pytest.skip(reason)
    mpich = os.environ.get("REPRO_MPICH")
    if placement is Placement.HOST_WINDOWS and mpich is None:
        pytest.skip("REPRO_MPICH names no environment with an MPICH")
    for number, (modules, experiment) in enumerate(placed(placement)):
        settings = Settings(device="cpu", network="real", results=tmp_path / str(number))
        runner = Runner(replace(settings, mpich=Path(mpich)) if mpich else settings)
        (run,) = runner.run([Loaded(experiment)])
        check(modules, run.provenance["modules"])


def test_every_kind_of_experiment_is_in_a_grid() -> None:
    everywhere = {type(experiment) for experiment in everything()}
    assert everywhere >= {kind for kind in concrete(Experiment) if kind.__module__.startswith("reproductions.")}


def concrete(kind: type) -> Iterator[type]:
    for each in kind.__subclasses__():
        if not each.__abstractmethods__:
            yield each
        yield from concrete(each)
