"""A plan of one proof and two toy papers, and commands that run it in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from algorithms.network import IndependentDrops
from algorithms.rps.averaging import ModelAveraging
from algorithms.schedule import StepDecay
from reproductions.experiments.training import Training
from reproductions.frames import load
from reproductions.harness.runs.context import Context
from reproductions.workloads.digits import Digits
from tests.harness.toy_session import ROOT, TOY

NUMERIC = ["seed", "step", "metric", "value"]


@dataclass(frozen=True)
class Slow(Training):
    """Make a checkpoint after every epoch."""

    def execute(self, context: Context) -> None:
        context.checkpoint_every = 0.0
        super().execute(context)


@dataclass(frozen=True)
class Halting(Training):
    """Stop after every epoch as if there was no time left."""

    def execute(self, context: Context) -> None:
        context.deadline = 0.0
        super().execute(context)


def trained(kind: type[Training], arrival: float, epochs: int, seed: int) -> Training:
    """Return a run of a few seconds."""
    drops = IndependentDrops(round(1 - arrival, 10), seed=seed)
    return kind(ModelAveraging(), Digits("small"), StepDecay(0.2), 4, 32, epochs, seed, drops)


PAPER = """
from reproductions.harness.plugin import decides
from reproductions.harness.verdicts.statistics import within
from reproductions.experiments.training import Training
from tests.gpu_hour.toys import Halting, Slow, trained

def experiments(settings):
    return {{"toy": [trained({kind}, {arrival}, {epochs}, seed) for seed in range(settings.seeds)]}}

@decides("{name}-number")
def test_number(claim, runs):
    claim.decide(within(runs.final("train_loss", "toy"), 0, 100), runs=runs)

def test_figure(runs, figures):
    from reproductions.harness.figures import panels
    import pandas as pd
    figure, axes = panels(1)
    figures.save("figure1", figure, pd.DataFrame(dict(loss=runs.final("train_loss", "toy"))))
"""
PROOF = """
import os

def test_the_engine():
    assert os.environ.get("TOY_ENGINE") != "wrong"
"""


@dataclass(frozen=True)
class Toys:
    """A plan of two toy papers in a folder: the first halts, or checkpoints, after every epoch."""

    folder: Path
    kind: str = "Halting"
    epochs: int = 3
    seeds: tuple[int, ...] = (1,)

    def __post_init__(self) -> None:
        claims = yaml.safe_load((TOY / "claims.yaml").read_text())
        number = claims["claims"][0]
        for name, kind, arrival in (("one", self.kind, 0.9), ("two", "Training", 0.8)):
            paper = self.folder / name
            paper.mkdir(parents=True)
            (paper / "claims.yaml").write_text(
                yaml.dump({"paper": name, "claims": [number | {"id": f"{name}-number"}]})
            )
            text = PAPER.format(name=name, kind=kind, arrival=arrival, epochs=self.epochs)
            (paper / f"test_{name}.py").write_text(text)
        (self.folder / "test_proof.py").write_text(PROOF)
        self.write_plan()

    @property
    def plan(self) -> Path:
        """File of the plan."""
        return self.folder / "plan.yaml"

    def write_plan(self, **changes: object) -> None:
        """Write the plan, with changes."""
        plan = {
            "proofs": [{"name": "engine", "pytest": [str(self.folder / "test_proof.py")], "minutes": 2}],
            "figures": [{"name": name, "pytest": [str(self.folder / name)]} for name in ("one", "two")],
            "seeds": list(self.seeds),
            "tiny_seeds": list(self.seeds),
            "options": ["-p", "reproductions.harness.plugin", "-c", os.devnull, f"--rootdir={self.folder}"],
        }
        self.plan.write_text(yaml.dump(plan | changes))

    def command(self, out: Path, work: Path, *more: str) -> list[str]:
        """Return the command line; more arguments go last."""
        own = ["--tiny", "--plan", str(self.plan), "--work", str(work)]
        return [sys.executable, "-m", "reproductions", "gpu-hour", str(out), *own, *more]

    def run(self, out: Path, work: Path, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(out, work, *more), cwd=ROOT, env=variables(**environment),
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip


def variables(**more: str) -> dict[str, str]:
    """Return the environment of commands."""
    return {name: value for name, value in os.environ.items() if not name.startswith("REPRO_")} | more


def rows(results: Path) -> list[tuple[object, ...]]:
    """Return what the runs of a results folder logged, apart from times, in order."""
    frame = load(results)
    frame = frame[~frame["metric"].str.endswith("_seconds")]
    return sorted(frame[["experiment", "network.p", *NUMERIC]].itertuples(index=False, name=None))


def expected(kinds: Sequence[Callable[[int], Training]], seeds: int) -> list[tuple[object, ...]]:
    """Return the same of runs that nothing interrupts, without MPI."""
    found = []
    for kind in kinds:
        for seed in range(seeds):
            run, context = kind(seed), Context()
            Training.execute(run, context)
            head = (type(run).__name__, run.network.p, seed)  # type: ignore[attr-defined]
            found += [(*head, *row) for row in context.rows if not row[1].endswith("_seconds")]
    return sorted(found)


def outcomes(folder: Path) -> dict[str, str]:
    """Return the outcome of each part, by the state in a folder."""
    parts = json.loads((folder / "state.json").read_text())["parts"]
    return {name: part["outcome"] for name, part in parts.items()}
