"""Sessions of pytest on the toy paper."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOY = Path(__file__).with_name("toy_paper")


class Session:
    """A pytest session on a copy of the toy paper, in a process of its own unless it is said to be here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results"
        self.paper = folder / "toy"
        shutil.copytree(TOY, self.paper, ignore=shutil.ignore_patterns("__pycache__"))

    def command(self, *arguments: str) -> list[str]:
        quick = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest"]  # which takes a second to load
        options = ["-p", "reproductions.harness.plugin", *quick, "--device", "cpu", "--ranks", "2"]
        folders = ["-c", os.devnull, "--rootdir", str(self.folder), "--results", str(self.results)]
        return [sys.executable, "-m", "pytest", *options, *folders, *arguments]

    def environment(self, **more: str) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("REPRO_")}
        return inherited | {"PYTHONPATH": str(ROOT), "TOY_MARKS": str(self.folder), "REPRO_SEEDS": "5"} | more

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        arguments = arguments or (str(self.paper),)
        return subprocess.run(
            self.command(*arguments), cwd=self.folder, env=self.environment(**environment),
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def run_here(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run as `run` does, in this process, which has loaded everything already: for sessions that start no ranks."""
        command = self.command(*(arguments or (str(self.paper),)))[3:]
        out, err = io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            for name in os.environ.keys() - self.environment().keys():
                patch.delenv(name)
            for name, value in self.environment(**environment).items():
                patch.setenv(name, value)
            patch.chdir(self.folder)
            patch.setattr(sys, "path", [*sys.path])
            code = int(pytest.main(command))
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None)).startswith(str(self.folder)):
                del sys.modules[name]  # another session has a module of this name as well
        return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())

    def executed(self) -> list[str]:
        path = self.folder / "executed"
        return path.read_text().splitlines() if path.exists() else []

    def verdicts(self) -> dict[str, dict[str, object]]:
        document = json.loads((self.results / "smoke" / "verdicts.json").read_text())
        return {row["id"]: row for row in document["claims"]}

    def write_test(self, text: str, claims: str = "toy-number") -> None:
        """Replace the toy paper by another test file and the claims it needs."""
        import yaml

        document = yaml.safe_load((TOY / "claims.yaml").read_text())
        document["claims"] = [claim for claim in document["claims"] if claim["id"] in claims.split()]
        (self.paper / "claims.yaml").write_text(yaml.dump(document))
        (self.paper / "test_toy.py").write_text(text)


SLOW = """
import os
from reproductions.harness.plugin import decides
from reproductions.harness.verdicts.statistics import within
from tests.harness.toy_experiments import Toy

def experiments(settings):
    seconds = float(os.environ.get("TOY_SECONDS", "0"))
    return {"toy": [Toy(os.environ["TOY_MARKS"], 1.0, seed, seconds=seconds * (seed == 2)) for seed in range(4)]}

@decides("toy-number")
def test_number(claim, runs):
    claim.decide(within(runs.final("loss", "toy"), 0.9, 1.1), runs=runs)
"""
