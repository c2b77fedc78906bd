"""`docs/add-your-own-paper.md` works as it stands: its files, its commands and what it says that they print."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "add-your-own-paper.md"
BLOCK = re.compile(r"^```(?P<language>\w+)(?: title=(?P<title>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
ALGORITHM = "algorithms/signsgd.py"


@dataclass(frozen=True)
class Block:
    language: str
    title: str | None
    text: str


BLOCKS = [Block(found["language"], found["title"], found["text"]) for found in BLOCK.finditer(PAGE.read_text())]


def texts(language: str) -> list[str]:
    return [block.text for block in BLOCKS if block.language == language and block.title is None]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the suite with the files of the page."""
    folder = tmp_path_factory.mktemp("suite")
    sources = shutil.ignore_patterns("__pycache__")
    for name in ("algorithms", "reproductions"):
        shutil.copytree(ROOT / name, folder / name, ignore=sources)
    for name in ("conftest.py", "tox.ini"):
        shutil.copy(ROOT / name, folder)
    for block in BLOCKS:
        if block.title:
            path = folder / block.title
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text)
    return folder


def run(suite: Path) -> subprocess.CompletedProcess[str]:
    (command,) = texts("sh")
    program, *arguments = shlex.split(command)
    assert program == "pytest"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("REPRO_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, "-p", "no:cacheprovider"],
        cwd=suite,
        env=inherited | {"PYTHONPATH": str(suite), "REPRO_RANKS": "2", "REPRO_DEVICE": "cpu"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_an_algorithm_a_claim_and_a_reproduction_take_less_than_60_lines() -> None:
    files = [block for block in BLOCKS if block.title]
    assert len(files) == 4
    assert sum(len(block.text.splitlines()) for block in files) < 60


def test_the_claim_is_decided_and_a_wrong_algorithm_turns_it_red(suite: Path) -> None:
    green, red = (text.splitlines() for text in texts("text"))
    result = run(suite)
    assert result.returncode == 0, result.stdout + result.stderr
    assert all(line in result.stdout for line in green), result.stdout
    (wrong_line,) = texts("python")
    right = (suite / ALGORITHM).read_text()
    (suite / ALGORITHM).write_text(re.sub(r"^ +votes = .*\n", wrong_line, right, flags=re.MULTILINE))
    wrong = run(suite)
    assert wrong.returncode == 1, wrong.stdout
    assert all(line in wrong.stdout for line in red), wrong.stdout
