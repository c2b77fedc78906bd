"""What pip installs: a wheel with all that is needed at run time, a core without the extras, one version."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from reproductions.__main__ import main
from reproductions.harness.verdicts.claims import load_claims
from reproductions.report import views
from reproductions.report.merge import finding
from tests.harness.installed import PROJECT
from tests.harness.toy_session import ROOT, Session
from tests.report.generated import write_papers, write_results

EXTRAS = ("jinja2", "latex2mathml", "pytest_benchmark")
PAGES = {"README.md", "verdicts.svg"}  # made for a checkout, and read by nothing


def test_a_session_needs_neither_the_report_nor_what_developers_have(tmp_path: Path) -> None:
    session, blocked = Session(tmp_path), tmp_path / "blocked"
    for name in EXTRAS:
        (blocked / name).mkdir(parents=True)
        (blocked / name / "__init__.py").write_text(f"raise ModuleNotFoundError('no {name} here', name={name!r})\n")
    path = os.pathsep.join(map(str, (blocked, ROOT)))
    done = session.run(f"{session.paper}/test_toy.py::test_number", "-p", "no:benchmark", PYTHONPATH=path)
    assert "reproduced against reported" in done.stdout, done.stdout + done.stderr
    assert session.verdicts()["toy-number"]["verdict"] == "reproduced"


def test_a_report_without_its_extra_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results, papers = str(write_results(tmp_path / "results", write_papers(tmp_path))), ["--papers", str(tmp_path)]
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert main(["table", results, *papers]) == 0
    capsys.readouterr()
    assert main(["site", results, *papers, "--to", str(tmp_path / "site")]) == 2
    said = capsys.readouterr().err
    assert said == "reproductions: this needs jinja2: pip install 'distributed-sgd-reproductions[report]'\n"
    assert not (tmp_path / "site").exists()


def test_the_version_has_one_place() -> None:
    for name in ("CITATION.cff", "CHANGELOG.md"):
        text = (ROOT / name).read_text()
        found = re.search(r"^(?:version: |## )(\d+\.\d+\.\d+)", text, re.MULTILINE)
        assert found, name
        assert found[1] == PROJECT["version"], name


def test_what_was_installed_writes_nothing_beside_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("reproductions.report.papers.CHECKOUT", False)
    verdicts = ROOT / "results" / "baseline" / "smoke" / "verdicts.json"
    for command in (["pages", "--results", str(ROOT / "results")], ["schema"], ["costs"], ["pilots", str(verdicts)]):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert said == "reproductions: this writes into a checkout of the suite, and the one that runs was installed\n"


def test_a_claim_is_decided_again_by_the_name_of_the_package_where_there_is_no_checkout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    claim = next(iter(load_claims(ROOT / "reproductions" / "rps" / "claims.yaml").values()))
    waiting = finding(claim, [])
    assert views.rerun(waiting).startswith(f"pytest reproductions/rps -k {claim.id}")
    monkeypatch.setattr(views, "CHECKOUT", False)
    assert views.rerun(waiting).startswith(f"pytest --pyargs reproductions.rps -k {claim.id}")
    guest = finding(claim.model_copy(update={"paper": "mine"}), [])
    assert views.rerun(guest).startswith(f"pytest mine -k {claim.id}")


# ------------------------------------------------------------------------------------------------------------ wheel


def run(*command: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=900, **options)  # type: ignore[call-overload,no-any-return]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel of what git has, built apart from this checkout; a build needs setuptools, here or by pip."""
    folder = tmp_path_factory.mktemp("wheel")
    names = run("git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "-z")
    if names.returncode:
        pytest.skip("this is no checkout of git")
    for name in filter(None, names.stdout.split("\0")):
        if name.split("/")[0] not in ("tests", "results", "docs") and (ROOT / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "source" / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, folder / "source"]
    done = run(*command, "--no-build-isolation")
    if done.returncode:
        done = run(*command)
    if done.returncode and "No matching distribution" in done.stderr:
        pytest.skip("setuptools is neither here nor in reach")
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment with the wheel, and with the libraries that are installed here."""
    folder = tmp_path_factory.mktemp("environment")
    assert run(sys.executable, "-m", "venv", "--without-pip", folder).returncode == 0
    python = folder / "bin" / "python"
    install = ["--no-deps", "--no-index", "--ignore-installed", str(wheel)]
    done = run(sys.executable, "-m", "pip", "--python", python, "install", *install)
    assert done.returncode == 0, done.stderr
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return python


def environment(python: Path) -> dict[str, str]:
    """Return the environment of somebody who has not this checkout, but an mpiexec."""
    path = os.pathsep.join([str(python.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("REPRO_", "PYTHONPATH"))}
    return inherited | {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1", "REPRO_DEVICE": "cpu", "REPRO_RANKS": "2"}


@pytest.mark.slow
def test_the_wheel_has_all_that_is_needed_at_run_time_and_no_more(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    tracked = run("git", "-C", ROOT, "ls-files", "algorithms", "reproductions").stdout.splitlines()
    wanted = {name for name in tracked if Path(name).name not in PAGES}
    assert wanted - inside == set()
    assert {name.split("/")[0] for name in inside - wanted} == {f"{wheel.name.rsplit('-', 3)[0]}.dist-info"}


@pytest.mark.slow
def test_a_wheel_in_a_fresh_environment_decides_reports_and_begins_a_paper(python: Path, tmp_path: Path) -> None:
    def tell(*command: str | Path, folder: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        return run(*command, cwd=folder, env=environment(python))

    before = sorted(path for path in python.parents[1].rglob("*") if "__pycache__" not in path.parts)
    reproductions = python.with_name("reproductions")
    assert tell(reproductions, "--version").stdout == f"{PROJECT['version']}\n"
    assert (
        tell(python, "-c", "import reproductions; print(reproductions.__version__)").stdout.strip()
        == PROJECT["version"]
    )
    assert "no results folder results" in tell(reproductions, "tabulate").stderr

    done = tell(python, "-m", "pytest", "--pyargs", "reproductions.rps", "-k", "mixing")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    table = tell(reproductions, "tabulate")
    assert table.returncode == 0, table.stderr
    assert re.search(r"rps-EW-fixes-A +reproduced", table.stdout)
    assert tell(reproductions, "site").returncode == 0
    assert tell(reproductions, "pages").returncode == 2

    assert tell(reproductions, "new", "mine").returncode == 0
    done = tell(python, "-m", "pytest", folder=tmp_path / "mine")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 reproduced" in done.stdout
    assert before == sorted(path for path in python.parents[1].rglob("*") if "__pycache__" not in path.parts)
