"""The plugin is in every repository after `pip install`, and does nothing where no folder has a `claims.yaml`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from reproductions.harness import entry
from reproductions.harness.session import claims_of
from reproductions.harness.workers import refuse_workers
from reproductions.report.errors import ReportError
from reproductions.report.papers import load_papers
from tests.harness.installed import environment
from tests.harness.test_start import SLOW
from tests.harness.toy_session import ROOT, TOY

# a repository with options of the same names, which would clash
CONFTEST = """
import json, sys

def pytest_addoption(parser):
    for name in ("--data", "--device", "--scale", "--seeds", "--results"):
        parser.addoption(name)

def pytest_unconfigure(config):
    markers = [line for line in config.getini("markers") if line.startswith("claim")]
    with open("seen.json", "w") as file:
        json.dump([sorted(sys.modules), markers], file)
"""


def pytest_in(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(folder.parent / "installed", **more), capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    return folder


def test_it_does_nothing_in_a_repository_without_claims(repository: Path) -> None:
    (repository / "conftest.py").write_text(CONFTEST)
    (repository / "test_it.py").write_text("def test_it(request): assert request.config.getoption('--scale') == 'big'")
    done = pytest_in(repository, "--scale", "big")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "reproductions:" not in done.stdout
    modules, markers = json.loads((repository / "seen.json").read_text())
    assert entry.__name__ in modules
    assert not {*modules} & {*SLOW, "mpi4py", "pandas", "pydantic", "yaml", entry.PLUGIN}
    assert markers == []
    assert not (repository / "results").exists()


@pytest.mark.parametrize("deep", [False, True])
def test_claims_near_the_tests_load_the_plugin_once_and_deep_ones_by_their_name(deep: bool, repository: Path) -> None:
    paper = repository / "src/package/papers/more/toy" if deep else repository / "src/package/toy"
    paper.mkdir(parents=True)
    (paper / "claims.yaml").write_text((TOY / "claims.yaml").read_text())
    (paper / "test_toy.py").write_text("import pytest\n@pytest.mark.claim('toy-number')\ndef test_toy(): pass\n")
    (repository / "conftest.py").write_text(f"pytest_plugins = [{entry.PLUGIN!r}]\n" if not deep else "")
    done = pytest_in(repository, "--collect-only")
    if deep:
        assert done.returncode == 4
        assert "claims.yaml lies too deep to be found as pytest starts: name its folder" in done.stderr
        done = pytest_in(repository, "--collect-only", str(paper / "test_toy.py::test_toy"), "--scale", "small")
        assert "reproductions: scale small" in done.stdout
    else:
        assert done.returncode == 4, done.stdout + done.stderr
        assert "no test decides these claims" in done.stderr


def test_papers_of_an_installed_package_are_found_by_its_name(repository: Path) -> None:
    wanted = ["reproductions.rps.test_lemmas6_8", "-k", "mixing"]
    done = pytest_in(repository, "--collect-only", "-q", "--pyargs", *wanted)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rps-EW-fixes-A" in done.stdout
    assert (repository / "results").is_dir()
    assert not list(entry._package("reproductions.rps").glob("results"))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        *((name, None) for name in ("nowhere", "nowhere.at.all", "", ".")),
        ("reproductions.rps.no", "rps"),
        ("reproductions.rps.test_lemmas6_8", "rps"),
        ("reproductions.rps", "rps"),
    ],
)
def test_a_module_lies_in_its_package_and_what_is_neither_nowhere(name: str, folder: str | None) -> None:
    assert entry._package(name) == (folder and ROOT / "reproductions" / folder)


def test_folders_of_data_are_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "WIDTH", 3)
    for i in range(4):
        (tmp_path / "data" / str(i)).mkdir(parents=True)
    (tmp_path / "data" / "0" / "claims.yaml").touch()
    assert not entry.has_claims(tmp_path)
    assert entry.has_claims(tmp_path / "data" / "0")
    monkeypatch.setattr(entry, "WIDTH", 4)
    assert entry.has_claims(tmp_path)


def test_a_folder_that_cannot_be_read_has_no_claims(tmp_path: Path) -> None:
    assert not entry.has_claims(tmp_path / "nowhere")


def test_workers_of_xdist_are_refused_where_papers_are_and_nowhere_else(tmp_path: Path) -> None:
    def refused(*arguments: str, testpaths: tuple[str, ...] = ()) -> bool:
        config: Any = SimpleNamespace(
            option=SimpleNamespace(numprocesses=2), rootpath=tmp_path, args=arguments, getini=lambda name: testpaths,
            invocation_params=SimpleNamespace(dir=tmp_path),
        )  # fmt: skip
        try:
            refuse_workers(config)
        except pytest.UsageError:
            return True
        return False

    for folder in ("mine", "tests", "tests/toy"):
        (tmp_path / folder).mkdir()
    (tmp_path / "mine" / "claims.yaml").touch()
    assert not refused("tests")
    assert refused("mine")
    assert refused("tests", "mine/test_it.py::test_one")
    assert refused(".")
    assert refused("mine", testpaths=("mine",))
    (tmp_path / "tests" / "toy" / "claims.yaml").touch()
    assert refused("tests")
    assert not refused("tests", testpaths=("tests",))


def test_a_paper_has_the_name_of_its_folder(tmp_path: Path) -> None:
    paper = tmp_path / "renamed"
    paper.mkdir()
    (paper / "claims.yaml").write_text((TOY / "claims.yaml").read_text())
    sentence = f"{paper / 'claims.yaml'}: paper is 'toy', but its folder is 'renamed'"
    with pytest.raises(pytest.UsageError) as error:
        claims_of(cast(Any, SimpleNamespace(path=paper / "test_it.py")))
    assert str(error.value) == sentence
    with pytest.raises(ReportError) as said:
        load_papers(tmp_path)
    assert str(said.value) == sentence
