"""The workflows name scripts, modules and papers that exist; their scripts do what they say, without GitHub."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from reproductions.__main__ import main, parser
from reproductions.report import issues
from reproductions.report.records import add, read
from tests.harness.installed import PROJECT
from tests.report.lab import night

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCRIPTS = [ROOT / ".ci" / "install", ROOT / ".ci" / "run", *sorted((ROOT / ".github" / "scripts").glob("*.sh"))]


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document


def commands() -> list[str]:
    jobs = [job for path in WORKFLOWS for job in load(path)["jobs"].values()]
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


def test_both_workflows_are_there():
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "nightly.yml"]
    assert all(load(path)["jobs"] for path in WORKFLOWS)


@pytest.mark.parametrize("command", commands())
def test_what_a_step_runs_exists(command):
    subprocess.run(["bash", "-n"], input=command, text=True, check=True)
    for script in re.findall(r"^\s*(\.(?:ci|github)/\S+)", command, re.MULTILINE):
        assert os.access(ROOT / script, os.X_OK), script
    for module in re.findall(r"-m (reproductions\S*)", command):
        assert importlib.util.find_spec(module), module
    for line in re.findall(r"bin/reproductions (.*?)(?: \||$)", command, re.MULTILINE):
        assert parser().parse_args(line.split()).run
    for folder in re.findall(r'pytest "?(\w+/)', command):
        assert (ROOT / folder).is_dir()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_valid_shell(script):
    subprocess.run(["bash", "-n", script], check=True)
    assert os.access(script, os.X_OK)


def steps() -> list[dict[str, Any]]:
    return [step for path in WORKFLOWS for job in load(path)["jobs"].values() for step in job["steps"]]


def test_a_night_is_one_job_on_one_runner_that_ends_before_the_next():
    jobs = load(ROOT / ".github" / "workflows" / "nightly.yml")["jobs"]
    assert [name for name, job in jobs.items() if "self-hosted" in job["runs-on"]] == ["reproduce"]
    assert "strategy" not in jobs["reproduce"]
    (command,) = [step["run"] for step in jobs["reproduce"]["steps"] if "--time-limit" in step.get("run", "")]
    limit = 60 * int(re.findall(r"pytest reproductions/ .*--time-limit (\d+)h", command)[0])
    assert limit + 60 < jobs["reproduce"]["timeout-minutes"] < 720
    assert all(job["timeout-minutes"] < 720 for job in jobs.values())


def test_the_site_of_a_night_has_its_history_with_this_night_in_it():
    lines = re.findall(r"bin/reproductions (.*)", "\n".join(commands()))
    (site,) = [line for line in lines if line.startswith("site ")]
    (added,) = [line for line in lines if line.startswith("history add ")]
    history = parser().parse_args(site.split()).history
    assert history == parser().parse_args(added.split()).history
    assert lines.index(added) < lines.index(site)


def test_actions_are_pinned_and_keep_no_credentials():
    for step in steps():
        if "uses" in step:
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"]), step
            assert "checkout" not in step["uses"] or step["with"]["persist-credentials"] is False


def test_only_the_report_may_write():
    for path in WORKFLOWS:
        workflow = load(path)
        assert set(workflow["permissions"].values()) <= {"read"}
        for name, job in workflow["jobs"].items():
            assert name == "report" or set(job.get("permissions", {}).values()) <= {"read"}


def test_ci_runs_the_python_versions_that_the_readme_names():
    matrix = load(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["cpu"]["strategy"]["matrix"]
    versions = matrix["python"]
    assert f"Python {versions[0]} to {versions[-1]} on Linux" in (ROOT / "README.md").read_text()
    named = [name.rpartition(" :: ")[2] for name in PROJECT["classifiers"] if " :: 3." in name]
    assert named == versions
    assert PROJECT["requires-python"] == f">={versions[0]}"
    assert f"py3{{{','.join(version[2:] for version in versions)}}}" in (ROOT / "tox.ini").read_text()


# ------------------------------------------------------------------------------------------------------------- issues

GH = """#!{python}
import json, pathlib, sys
path = pathlib.Path({store!r})
issues = json.loads(path.read_text()) if path.exists() else []
what, given = sys.argv[1:3], dict(zip(sys.argv[3::2], sys.argv[4::2]))
if what == ["issue", "list"]:
    print(json.dumps([{{"body": issue["--body"]}} for issue in issues]))
elif what == ["issue", "create"]:
    path.write_text(json.dumps([*issues, given]))
elif what != ["label", "create"]:
    sys.exit(f"fake gh does not know {{what}}")
"""


@pytest.fixture
def gh(tmp_path, monkeypatch):
    """Put a fake ``gh`` on the path; return where it keeps the issues."""
    store, program = tmp_path / "issues.json", tmp_path / "bin" / "gh"
    program.parent.mkdir()
    program.write_text(GH.format(python=sys.executable, store=str(store)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    return store


def opened(store: Path) -> list[dict[str, str]]:
    return json.loads(store.read_text()) if store.exists() else []


def test_one_issue_a_changed_verdict_and_not_two(tmp_path, gh):
    history = tmp_path / "history"
    add([night(0, estimate=1.0), night(0, claim="other"), night(1, estimate=2.0, verdict="deviates")], history)
    add([night(1, claim="other", verdict="not run")], history)
    for _ in range(2):
        assert issues.run(history, None) == 0
    (issue,) = opened(gh)
    assert issue["--title"] == "toy-number at smoke scale: reproduced, now deviates"
    assert "`1111111111`" in issue["--body"]
    add([night(2, verdict="deviates")], history)
    assert issues.run(history, "0000") == 0
    assert len(opened(gh)) == 1
    add([night(3)], history)  # another change
    assert issues.run(history, None) == 0
    assert len(opened(gh)) == 2


def test_a_gh_that_fails_is_one_sentence(tmp_path, monkeypatch, capsys):
    add([night(0), night(1, verdict="deviates")], tmp_path / "history")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["history", "issues", "--history", str(tmp_path / "history")]) == 2
    assert "no issue can be opened: " in capsys.readouterr().err


def test_nothing_to_open_asks_nobody(tmp_path, monkeypatch, capsys):
    add([night(0), night(1)], tmp_path / "history")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["history", "issues", "--history", str(tmp_path / "history")]) == 0
    assert main(["history", "issues", "--history", str(tmp_path / "nothing")]) == 2
    assert "holds no history" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------ history branch


def git(*arguments: object, folder: Path) -> str:
    identity = ["-c", "user.name=toy", "-c", "user.email=toy@example.org"]
    command = ["git", *identity, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def clone(remote: Path, folder: Path) -> Path:
    git("clone", "--quiet", remote, folder, folder=remote)
    return folder


def branch_of_history(what: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = ROOT / ".github" / "scripts" / "history.sh"
    arguments = [script, *what.split()]
    return subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)


def test_the_history_survives_on_its_branch(tmp_path):
    remote = tmp_path / "remote"
    git("init", "--quiet", "--bare", remote, folder=tmp_path)
    first = clone(remote, tmp_path / "first")
    (first / "code.py").write_text("pass\n")
    git("add", ".", folder=first)
    git("commit", "--quiet", "--message", "code", folder=first)
    git("push", "--quiet", "origin", "HEAD", folder=first)
    for number, folder in enumerate([first, clone(remote, tmp_path / "second"), clone(remote, tmp_path / "third")]):
        assert branch_of_history("checkout history", folder).returncode == 0
        assert not (folder / "history" / "code.py").exists()
        add([night(number)], folder / "history")
        done = branch_of_history("publish history", folder)
        assert done.returncode == 0, done.stderr
        assert len(read(folder / "history")) == number + 1
        assert "nothing new" in branch_of_history("publish history", folder).stdout
    assert git("ls-tree", "-r", "--name-only", "history", folder=remote) == "smoke/toy.csv\n"
    assert git("rev-list", "--count", "history", folder=remote) == "3\n"


def test_the_script_says_how_it_is_used(tmp_path):
    for arguments in ("", "publish", "throw history"):
        result = branch_of_history(arguments, tmp_path)
        assert (result.returncode, "usage" in result.stderr) == (2, True)
