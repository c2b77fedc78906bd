"""Every command of the README exists, with its options; its Python works on what a checkout keeps."""

import math
import re
import shlex

import pandas as pd
import pytest

from reproductions import frames
from reproductions.__main__ import parser
from reproductions.harness import options
from tests.harness.toy_session import ROOT

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = [
    " ".join(shlex.split(line, comments=True))
    for language, text in BLOCKS
    for line in text.splitlines()
    if language == "sh" and not line.startswith(("#", "while"))
]
OWN = [command.removeprefix("reproductions ") for command in COMMANDS if command.startswith("reproductions ")]
SESSIONS = [line for line in README.splitlines() if re.search(r"pytest (reproductions|tests)/", line)]


@pytest.mark.parametrize("command", OWN)
def test_a_command_of_the_suite_is_understood(command: str) -> None:
    assert parser().parse_args(command.split()).run


def test_all_forms_of_the_command_are_named() -> None:
    (subcommands,) = [action for action in parser()._actions if hasattr(action, "choices") and action.choices]
    assert subcommands.choices is not None
    unnamed = {"costs", "tabulate"}  # of developers, and another word for table
    assert {command.split()[0] for command in OWN} | unnamed == set(subcommands.choices)


class Known:
    """A parser of pytest that notes the options that it is given."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def getgroup(self, *_: object) -> "Known":
        return self

    def addoption(self, *names: str, **_: object) -> None:
        self.names |= set(names)

    def addini(self, *_: object, **__: object) -> None:
        pass


def suite_options() -> set[str]:
    known = Known()
    options.add_options(known)  # type: ignore[arg-type]
    return known.names


def test_the_table_of_options_has_each_option_once() -> None:
    rows = re.findall(r"^\| `(--[\w-]+)` \|", README, re.MULTILINE)
    assert sorted(rows) == sorted(suite_options())


def test_sessions_use_options_that_exist() -> None:
    used = {name for line in SESSIONS for name in re.findall(r"(--[\w-]+)", line)}
    assert used
    assert used - suite_options() <= {"--dist", "--benchmark-only", "--benchmark-autosave", "--benchmark-compare"}


def test_costs_are_those_of_the_page_on_costs() -> None:
    rows = re.findall(r"^\| (\S+/test_\w+) \|(.*)\|$", (ROOT / "docs" / "costs.md").read_text(), re.MULTILINE)
    cells = {name: [float(cell.strip().replace(",", "") or 0) for cell in row.split("|")] for name, row in rows}
    imagenet = cells.pop("popsgd/test_figure2")
    hours, days, best = (max(math.ceil(row[column]) for row in cells.values()) for column in (2, 5, 6))
    assert imagenet[5] > 2 * 365
    text = " ".join(README.split())
    assert f"up to {hours} hours of two cores at small scale" in text
    assert f"up to {days} days of them, ImageNet years, or of an H100 up to {best} hours at the very best" in text


def test_python_is_python3() -> None:
    assert not re.findall(r"\bpython3\.\d+|(?<![\w-])python -", README)


def test_the_table_of_a_figure_is_read_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = [text for language, text in BLOCKS if language == "python"]
    monkeypatch.chdir(ROOT)
    read = re.findall(r'read_csv\("(.*?)"\)\s+# (.*)', code)
    ((path, columns),) = read
    assert list(pd.read_csv(path).columns) == columns.split(", ")
    figure, _ = code.split("\n\nruns")
    found: dict[str, object] = {}
    exec(figure, found)
    assert isinstance(found["figure"], pd.DataFrame)
    assert "load" in found
    assert found["load"] is frames.load


def test_every_page_of_the_documentation_is_linked() -> None:
    pages = {path.name for path in (ROOT / "docs").iterdir() if path.is_file()}
    assert pages == {link for link in re.findall(r"\]\(docs/([^)#]+)", README) if link in pages}


def test_what_is_not_decided_is_said_before_the_commands() -> None:
    assert README.index("**Not decided yet.**") < README.index("## Two commands")
