"""The steps of both workflows, run as GitHub runs them, with stub programs."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.report.test_workflows import ROOT, WORKFLOWS, load

BASH = ["bash", "--noprofile", "--norc", "-euo", "pipefail"]  # GitHub's, and what is not set is an error
STUB = '#!/bin/sh\necho "${0##*/} $*" >> calls\nexit "${CODE:-0}"\n'
PROGRAM = r"^\s*(\.(?:venv/bin|ci|github/scripts)/\S+)"
SCALES = ["smoke", "small", "paper"]


@dataclass(frozen=True)
class Step:
    """What a step runs, with its variables where the repository sets none."""

    name: str
    run: str
    env: dict[str, str]

    def calls(self, folder: Path, scale: str, code: int = 0) -> tuple[int, list[str]]:
        """Run it as GitHub does; return its exit code, and the calls of programs, which exit with `code`."""
        for program in re.findall(PROGRAM, self.run, re.MULTILINE):
            stub(folder / program)
        given = {name: scale if name == "SCALE" else value for name, value in self.env.items()}
        more = {"PATH": os.environ["PATH"], "GITHUB_STEP_SUMMARY": "summary", "CODE": str(code)}
        done = subprocess.run([*BASH, "-c", self.run], cwd=folder, env=given | more, check=False)
        calls = folder / "calls"
        return done.returncode, calls.read_text().splitlines() if calls.exists() else []


def stub(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(STUB)
    path.chmod(0o755)


def run_steps() -> list[Step]:
    found = []
    for workflow in map(load, WORKFLOWS):
        for job in workflow["jobs"].values():
            for step in job["steps"]:
                env = {name: each for part in (workflow, job, step) for name, each in part.get("env", {}).items()}
                unset = {name: re.sub(r"\$\{\{(?:.*\|\| '(.*)')?.*\}\}", r"\1", each) for name, each in env.items()}
                found += [Step(step["name"], step["run"], unset)] if "run" in step else []
    return found


@pytest.fixture
def folder(tmp_path):
    """Return the folder of a runner, with the results of earlier nights beside it."""
    for scale in SCALES:
        (tmp_path / "reproductions-nightly" / scale).mkdir(parents=True)
    (tmp_path / "checkout").mkdir()
    return tmp_path / "checkout"


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("step", run_steps(), ids=lambda step: step.name)
def test_a_step_ends_well_and_calls_all_its_programs(folder, step, scale):
    code, calls = step.calls(folder, scale)
    assert code == 0
    programs = re.findall(PROGRAM, step.run, re.MULTILINE)
    assert [call.split()[0] for call in calls] == [Path(program).name for program in programs]


@pytest.mark.parametrize(
    ("scale", "kept", "baseline"),
    [
        ("smoke", ["baseline/smoke", "paper"], "results/baseline/smoke/verdicts.json"),
        ("smoke", ["baseline/smoke", "smoke"], "results/smoke/verdicts.json"),
        ("small", ["baseline/smoke", "small"], "results/small/verdicts.json"),
        ("paper", ["small", "paper"], "results/paper/verdicts.json"),
        ("paper", [], None),
    ],
)
def test_a_night_reproduces_at_its_scale_against_what_is_kept_of_it(folder, scale, kept, baseline):
    for name in kept:
        path = folder / "results" / name / "verdicts.json"
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    (step,) = [step for step in run_steps() if step.name == "Reproduce"]
    _, (call,) = step.calls(folder, scale)
    assert f"pytest reproductions/ --scale {scale} --results ../reproductions-nightly --time-limit " in call
    assert re.findall(r"--baseline (\S*)", call) == ([baseline] if baseline else [])


@pytest.mark.parametrize(("code", "ends"), [(0, 0), (75, 0), (1, 1), (2, 1), (4, 1)])
def test_a_night_that_goes_on_is_no_failure(folder, code, ends):
    (step,) = [step for step in run_steps() if step.name == "Reproduce"]
    assert step.calls(folder, "paper", code)[0] == ends


def test_no_speed_and_no_slow_test_cancels_what_comes_after_it():
    for steps in [job["steps"] for job in load(ROOT / ".github" / "workflows" / "nightly.yml")["jobs"].values()]:
        timed = [number for number, step in enumerate(steps) if re.search("benchmark|-m ", step.get("run", ""))]
        after = [step for number in timed for step in steps[number + 1 :]]
        assert all(step.get("if") in ("always()", "${{ !cancelled() }}") for step in after)


@pytest.mark.parametrize("index", ["", "https://example.org/cpu"])
def test_torch_and_torchvision_are_from_one_index_if_one_is_named(folder, index):
    copy = folder / ".ci" / "install"
    copy.parent.mkdir()
    copy.write_text((ROOT / ".ci" / "install").read_text())
    for program in ("python", ".venv/bin/pip"):
        stub(folder / program)
    given = {"PATH": os.environ["PATH"], "PYTHON": "./python", "TORCH_INDEX": index}
    subprocess.run(["bash", copy], env=given, check=True)
    first = [f"pip install -q torch torchvision --index-url {index}"] if index else []
    assert (folder / "calls").read_text().splitlines() == ["python -m venv .venv", *first, "pip install -q -e .[dev]"]


def test_jobs_without_a_gpu_take_the_index_of_the_repository():
    found = [step.env.get("TORCH_INDEX") for step in run_steps() if re.search(r"\.ci/(install|run)", step.run)]
    assert found == ["", None, "", ""]  # empty: of a repository that sets none; None: on the GPU
