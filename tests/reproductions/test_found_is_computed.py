"""What a verdict says was found is computed: a text that is printed whatever the outcome is a defect."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAPERS = [path.parent for path in sorted((ROOT / "reproductions").glob("*/claims.yaml"))]
MODULES = [path for paper in PAPERS for path in sorted(paper.rglob("*.py"))]
POSITION = {"decide": 1, "decide_readings": 1, "decide_erratum": 2, "decide_misprint": 2}


def by_hand(source: str) -> list[tuple[str, int]]:
    """Return function and line of every decision whose text of what was found holds nothing that is computed."""
    module = ast.parse(source)
    constants = _assigned(module.body)
    found = []
    for function in [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]:
        names = constants | _assigned(list(ast.walk(function)))
        found += [
            (function.name, text.lineno) for text in _texts(function) if text is not None and _is_literal(text, names)
        ]
    return sorted(set(found), key=lambda each: each[1])


def _texts(function: ast.FunctionDef) -> Iterator[ast.expr | None]:
    for call in [node for node in ast.walk(function) if isinstance(node, ast.Call)]:
        if isinstance(call.func, ast.Attribute) and call.func.attr in POSITION:
            position = POSITION[call.func.attr]
            keywords = [keyword.value for keyword in call.keywords if keyword.arg == "found"]
            yield next(iter([*call.args[position : position + 1], *keywords]), None)


def _assigned(nodes: list[ast.AST] | list[ast.stmt]) -> dict[str, ast.expr]:
    """Return what is assigned once to a name; what is assigned several times depends on something."""
    found: dict[str, list[ast.expr]] = {}
    for node in nodes:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append(node.value)
    return {name: values[0] for name, values in found.items() if len(values) == 1}


def _is_literal(text: ast.expr, names: dict[str, ast.expr]) -> bool:
    match text:
        case ast.Constant(value=value):
            return bool(value)
        case ast.JoinedStr(values=parts):
            return all(_is_literal(p.value if isinstance(p, ast.FormattedValue) else p, names) for p in parts)
        case ast.BinOp(left=left, right=right):
            return _is_literal(left, names) and _is_literal(right, names)
        case ast.Name(id=name):
            return name.isupper() or (name in names and _is_literal(names[name], names))
    return False


@pytest.mark.parametrize(
    ("body", "literal"),
    [
        ("claim.decide(d, 'holds exactly')", True),
        ("claim.decide(d, found='n = 2')", True),
        ("claim.decide_erratum(d, e, 'd' + ' ' + 'e')", True),
        ("claim.decide(d, f'{WORKERS} workers')", True),
        ("text = 'holds'\n    claim.decide(d, text)", True),
        ("claim.decide(d)", False),
        ("claim.decide(d, '')", False),
        ("claim.decide_erratum(d, 'not a text', e)", False),
        ("claim.decide(d, f'{x.mean():.3f}')", False),
        ("claim.decide(d, ', '.join(parts))", False),
        ("text = 'a'\n    text = 'b'\n    claim.decide(d, text)", False),
    ],
)
def test_a_text_by_hand_is_found(body: str, literal: bool) -> None:
    assert bool(by_hand(f"WORKERS = 8\n\ndef test(claim, d, e, x, parts):\n    {body}\n")) == literal


def test_every_text_is_computed() -> None:
    found = {f"{path.relative_to(ROOT)}::{function}" for path in MODULES for function, _ in by_hand(path.read_text())}
    assert not found, "compute what was found, or leave it out: then it is the estimate"


if __name__ == "__main__":
    for path in MODULES:
        for function, line in by_hand(path.read_text()):
            print(f"{path.relative_to(ROOT)}:{line} {function}")
