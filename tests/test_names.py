"""Two things never share a name: a class is found by its name alone."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAPERS = {path.parent.name for path in (ROOT / "reproductions").glob("*/claims.yaml")}
SHARED = {  # to be renamed once no long run, which its source names, is under way
    "Constant": {"algorithms/schedule.py", "reproductions/popsgd/recipes.py"},
    "Graph": {"algorithms/graphs.py", "algorithms/popsgd/population.py"},
    "Panel": {"reproductions/rps/figure4.py", "reproductions/rps/figure5.py"},
    "Rounds": {
        "reproductions/experiments/link_rounds.py",
        "reproductions/popsgd/training.py",
        "reproductions/rps/repeated_rounds.py",
    },
    "Simulation": {"algorithms/popsgd/simulation.py", "reproductions/experiments/descent.py"},
    "State": {
        "algorithms/popsgd/loops.py",
        "reproductions/harness/runs/context.py",
        "reproductions/rps/colocation/ports.py",
    },
}


def shared(root: Path) -> dict[str, set[str]]:
    """Return the files of each public class whose name more than one class has.

    The `Recipe` of a paper, how it trains at each scale, is the same idea in the same file of every paper.
    """
    places = defaultdict(set)
    for path in sorted(file for name in ("algorithms", "reproductions") for file in (root / name).rglob("*.py")):
        where = path.relative_to(root).as_posix()
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].add(where)
    recipes = {f"reproductions/{paper}/recipes.py" for paper in PAPERS}
    return {name: found for name, found in places.items() if len(found) > 1 and not found <= recipes}


def test_no_two_classes_share_a_name() -> None:
    assert shared(ROOT) == SHARED


def test_a_name_that_is_taken_is_found(tmp_path: Path) -> None:
    for name in ("algorithms/a.py", "reproductions/rps/b.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("class Taken: ...\nclass _Own: ...\n")
    assert shared(tmp_path) == {"Taken": {"algorithms/a.py", "reproductions/rps/b.py"}}
