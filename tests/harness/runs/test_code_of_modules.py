"""The code of a module, which is part of a run's name: what does nothing is left out of it, and nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from reproductions.harness.runs import key as keys
from reproductions.harness.runs.provenance import ROOT

IDLE = {  # what does nothing, and the same a little otherwise
    "a comment": ("x = 1\n", "x = 1  # the first\n# the second\n"),
    "a comment inside": ("f(\n    1,\n)\n", "f(\n    # the first\n    1,  # the second\n\n)\n"),
    "a docstring": ("def f():\n    return 1\n", 'def f():\n    """One.\n\n    # Always.\n    """\n    return 1\n'),
    "a docstring of an attribute": ("class A:\n    x: int\n", "class A:\n    x: int\n    'the only one'\n"),
    "a docstring on the line": ("def f(): 'One.'\n", "def f(): 'Two.'  # 2\n"),
    "blank lines": ("x = 1\ny = 2\n", "\n\nx = 1   \n\n \ny = 2"),
    "Windows": ("x = 1\ny = 2\n", "x = 1\r\ny = 2\r\n"),
}
BUSY = {
    "a statement": ("x = 1\n", "x = 2\n"),
    "an indentation": ("for i in a:\n    f()\n    g()\n", "for i in a:\n    f()\ng()\n"),
    "a sign in a string": ("x = '# 1'\n", "x = '# 2'\n"),
    "lines of a string": ('x = """\n# 1\n"""\n', 'x = """\n# 2\n"""\n'),
    "blank lines of a string": ('x = """1\n\n2"""\n', 'x = """1\n2"""\n'),
    "a string after a quote": ("x = '\\'', '# 1'\n", "x = '\\'', '# 2'\n"),
    "a string of a call": ('f(\n    """1""",\n)\n', 'f(\n    """2""",\n)\n'),
    "a string with the other quote": ("""x = "'" + '# 1'\n""", """x = "'" + '# 2'\n"""),
}


@pytest.mark.parametrize("what", [*IDLE, *BUSY])
def test_what_does_nothing_is_no_part_of_the_code(what: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    for path, text in zip((first, second), (IDLE | BUSY)[what], strict=True):
        path.write_bytes(text.encode())
    assert (keys.code(first) == keys.code(second)) == (what in IDLE)


def test_no_statement_of_the_project_is_taken_for_a_comment() -> None:
    for path in (path for name in keys.PROJECT for path in (ROOT / name).rglob("*.py")):
        source = path.read_bytes()
        assert ast.dump(ast.parse(keys._drop(keys.COMMENT, source))) == ast.dump(ast.parse(source)), path
