"""`docs/add-your-own-paper.md` works as it stands, in a repository that one command makes, beside the five papers."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from reproductions.__main__ import main
from tests.harness.installed import environment
from tests.harness.toy_session import ROOT

PAGE = (ROOT / "docs" / "add-your-own-paper.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCK.findall(PAGE) if name == language]


@dataclass
class Shell:
    """A person at a terminal who has installed the suite and types what the page says."""

    folder: Path
    installed: Path

    def type(self, lines: str) -> str:
        """Run lines; return what they wrote. Only sessions of pytest may fail: then it ends with their exit code."""
        said = ""
        for line in lines.splitlines():
            program, *arguments = shlex.split(line.replace("SUITE", str(ROOT)))
            if program == "cd":
                self.folder /= arguments[0]
            else:
                said += {"pytest": self.pytest, "reproductions": self.reproductions}[program](*arguments)
        return said

    def pytest(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments], cwd=self.folder,
            env=environment(self.installed, REPRO_RANKS="2"), capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        return f"{done.stdout}{done.stderr}exit code {done.returncode}\n"

    def reproductions(self, *arguments: str) -> str:
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(io.StringIO()) as written:
            assert main(arguments) == 0
        return written.getvalue()


def committed(folder: Path) -> str:
    """Commit all files of a folder to a new repository; return the commit."""
    git = ["git", "-C", str(folder), "-c", "user.name=me", "-c", "user.email=me@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "begin"]):
        subprocess.run([*git, *command], check=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    folder = tmp_path_factory.mktemp("tutorial")
    (folder / "desk").mkdir()
    return Shell(folder / "desk", folder / "installed")


def test_a_new_repository_is_decided_shown_and_turned_red(shell: Shell) -> None:
    make, show = blocks("sh")
    green, red = (text.splitlines() for text in blocks("text"))
    begin, session = make.rsplit("\n", 2)[0], make.splitlines()[-1]
    shell.type(begin)
    commit = committed(shell.folder)
    said = shell.type(session)
    assert all(line in said for line in (*green, "exit code 0")), said
    ours = {"signsgd", "results", "papers.yaml", "pyproject.toml", "README.md", ".gitignore", ".git"}
    assert {path.name for path in shell.folder.iterdir()} - {".benchmarks"} == ours  # of pytest-benchmark
    assert {path.name for path in (shell.folder / "results/smoke/signsgd").iterdir()} == {
        "votes.svg", "votes.csv", "votes.json"
    }  # fmt: skip

    row = json.loads((shell.folder / "results/smoke/verdicts.json").read_text())["claims"][0]
    assert row["commit"] == commit  # of this repository, not of the suite

    table, site = show.splitlines()
    said = shell.type(table)
    assert "signsgd-vote-noise" in said
    assert "rps" not in said
    shell.type(site)
    made = shell.folder / "site"
    pages = {path.stem for path in made.glob("*.html")}
    assert pages >= {"index", "signsgd", *(path.parent.name for path in ROOT.glob("reproductions/*/claims.yaml"))}
    assert "signSGD: Compressed Optimisation" in (made / "index.html").read_text()
    page = (made / "signsgd.html").read_text()
    assert "figures/smoke/signsgd/votes.svg" in page
    words = " ".join(re.sub(r"<[^>]*>", " ", page).split())
    assert "pytest signsgd/test_vote.py -k signsgd-vote-noise --scale smoke" in words
    shell.type("reproductions pages")
    assert "[Bernstein et al." in (shell.folder / "README.md").read_text()
    written = shell.folder / "signsgd" / "README.md"
    assert all((written.parent / link).exists() for link in re.findall(r"\]\(([^)#]+)\)", written.read_text()))

    (wrong_line,) = blocks("python")
    algorithm = shell.folder / "signsgd" / "algorithm.py"
    algorithm.write_text(re.sub(r"^ +votes = .*\n", wrong_line, algorithm.read_text(), flags=re.MULTILINE))
    said = shell.type("pytest")
    assert all(line in said for line in (*red, "exit code 1")), said


def test_the_files_of_the_template_are_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "mine", "--name", "other"]) == 0
    assert "$" not in "".join(path.read_text() for path in Path("mine").rglob("*") if path.is_file())
    assert list(yaml.safe_load(Path("mine/papers.yaml").read_text())) == ["other"]
    for command in (["check"], ["format", "--check"]):
        ruff = [Path(sys.executable).with_name("ruff"), *command, "--line-length", "120", "--no-cache", "mine"]
        assert subprocess.run(ruff, check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["Mine!"], "a paper cannot be called 'mine!': its name is a folder and a Python package, of a-z, 0-9 and _"),
        (["x", "--name", "a b"], "a paper cannot be called 'a b': its name is"),
        (["x", "--name", "../x"], "a paper cannot be called '../x': its name is"),
        (["3rd"], "a paper cannot be called '3rd': its name is"),
        (
            ["class"],
            "a paper cannot be called 'class': that is a word or a module of Python; choose another with --name",
        ),
        (["json"], "a paper cannot be called 'json': that is a word or a module of Python"),
        (["rps"], "a paper cannot be called 'rps': this suite has something of that name"),
        (["results"], "a paper cannot be called 'results': this suite has something of that name"),
        (["numpy"], "a paper cannot be called 'numpy': a package of that name is installed"),
        (["full"], "full is there already: name a folder that is new or empty"),
        (["a_file"], "a_file is there already: name a folder that is new or empty"),
        (["a_file/mine"], "cannot write a_file/mine/"),
    ],
)
def test_a_bad_name_or_place_is_one_sentence_and_loses_nothing(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("full").mkdir()
    Path("full/README.md").write_text("mine")
    Path("a_file").write_text("mine")
    assert main(["new", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"reproductions: {sentence}")
    assert said.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"full", "a_file"}
    assert Path("full/README.md").read_text() == Path("a_file").read_text() == "mine"


def test_a_fresh_clone_is_a_place(tmp_path: Path) -> None:
    (tmp_path / "mine" / ".git").mkdir(parents=True)
    assert main(["new", str(tmp_path / "mine")]) == 0
    assert (tmp_path / "mine" / "mine" / "claims.yaml").exists()


def test_two_papers_of_one_name_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place in ("a", "b"):
        assert main(["new", str(tmp_path / place / "mine")]) == 0
    results = str(ROOT / "results")
    both = [word for place in ("a", "b") for word in ("--papers", str(tmp_path / place / "mine"))]
    capsys.readouterr()
    assert main(["table", results, *both]) == 2
    assert "there are two papers 'mine': in " in capsys.readouterr().err
