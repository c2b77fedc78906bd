"""A results folder under git with decisions, and sessions in this process that may spoil them."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from reproductions.harness.runs.provenance import provenance
from reproductions.harness.verdicts import kept
from reproductions.harness.verdicts.record import Verdict
from tests.harness.toy_session import ROOT, TOY

NUMBER = itertools.count()
HERE: dict[str, Any] = provenance() | {"time": "earlier", "commit": None}

MODULE = """
import os, signal, sys
import pandas as pd
import pytest
from reproductions.harness.plugin import decides
from reproductions.harness.runs.labelled import Runs
from reproductions.harness.runs.store import Run
from reproductions.harness.verdicts.statistics import less, within
from reproductions.harness.session import Refused
from reproductions.workloads.base import DataError
from tests.harness.toy_experiments import Toy

class NeedsData(Toy):
    def checksum(self, data):
        raise DataError("there is no cifar10 here")

def made(seeds):
    return [Run(Toy("", 1.0, seed), pd.DataFrame(), {"ranks": 1}) for seed in range(seeds)]

def decide(claim, seeds=5, value=1.0, spread=0.01):
    samples = [value + spread * (seed - (seeds - 1) / 2) for seed in range(seeds)]
    claim.decide(within(samples, 0.9, 1.1), runs=made(seeds))

@pytest.fixture
def broken():
    raise RuntimeError("a broken fixture")

@pytest.fixture
def stopped():
    raise KeyboardInterrupt

@decides("toy-number")
def test_number(claim, run):
    @BODY@
"""


class Kept:
    """A results folder with decisions, and sessions that may spoil them."""

    def __init__(self, folder: Path, marks: str) -> None:
        self.folder, self.results, self.marks = folder, folder / "results", marks
        self.path = self.results / "smoke" / "verdicts.json"
        self.paper = folder / "toy"
        self.paper.mkdir()
        for path in (self.path, self.results / "baseline" / "smoke" / "verdicts.json"):
            kept.keep(path, [Verdict("toy-number", "toy", "smoke", "test", "reproduced", seeds=5)], HERE)
        (self.results / "smoke" / "toy").mkdir()
        (self.results / "smoke" / "toy" / "figure1.csv").write_text("step,value\n1,2\n")
        self.before = self.path.read_bytes()
        self.git("init", "-q")
        (self.results / ".git" / "info" / "exclude").write_text("runs/\n")
        self.git("add", ".")
        self.git("-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "what is kept")

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.results), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    @property
    def changed(self) -> str:
        """What git says of the results folder."""
        return self.git("status", "--porcelain")

    def write(self, body: str, decorator: str = "", signature: str = "claim, run", **claim: Any) -> None:
        document = yaml.safe_load((TOY / "claims.yaml").read_text())
        entry = document["claims"][0] | claim
        (self.paper / "claims.yaml").write_text(yaml.dump(document | {"claims": [entry]}))
        text = MODULE.replace("@BODY@", body).replace("def test_number(claim, run)", f"def test_number({signature})")
        text = text.replace('@decides("toy-number")', f'{decorator}\n@decides("toy-number")')
        for old in self.paper.glob("test_*.py"):
            old.unlink()
        (self.paper / f"test_case{next(NUMBER)}.py").write_text(text)  # a module is loaded once in a process

    def arguments(self, *more: str) -> list[str]:
        plugin = ["-p", "reproductions.harness.plugin", "--import-mode=importlib"]
        quick = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
        where = ["-c", os.devnull, "--rootdir", str(self.folder), "--results", str(self.results), "--device", "cpu"]
        return [*plugin, *quick, *where, "--ranks", "2", str(self.paper), *more]

    def run(self, *more: str) -> int:
        return int(pytest.main(self.arguments(*more)))

    def run_apart(self, *more: str) -> int:
        command = [sys.executable, "-m", "pytest", *self.arguments(*more)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False).returncode

    @property
    def verdict(self) -> str:
        return str(json.loads(self.path.read_text())["claims"][0]["verdict"])
