"""What a session leaves behind for the report: which session decided a claim, and which test drew a plot."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reproductions.harness import verdicts
from reproductions.harness.claims import load_claims
from reproductions.harness.figures import FigureFolder, panels
from reproductions.harness.verdicts import open_verdict, write
from tests.harness.toy_session import TOY


def sessions(path: Path) -> dict[str, list[str]]:
    """Return the claims of a file by the session that decided them."""
    document = json.loads(path.read_text())
    found: dict[str, list[str]] = {name: [] for name in document["sessions"]}
    for row in document["claims"]:
        found[row["session"]].append(row["id"])
    return found


def test_every_record_keeps_the_provenance_of_its_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "verdicts.json"
    first, second = (
        open_verdict(load_claims(TOY / "claims.yaml")[name], "smoke", "t") for name in ("toy-number", "toy-few")
    )
    here: dict[str, Any] = {"time": "1", "commit": None}
    monkeypatch.setattr(verdicts, "provenance", lambda: dict(here))
    write(path, [first, second], keep=True)
    here["time"] = "2"
    write(path, [first], keep=True)
    assert sessions(path) == {"1": ["toy-few"], "2": ["toy-number"]}
    here["time"] = "3"
    write(path, [second], keep=True)
    assert sessions(path) == {"2": ["toy-number"], "3": ["toy-few"]}


def test_a_file_of_one_session_without_a_name_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "verdicts.json"
    monkeypatch.setattr(verdicts, "provenance", lambda: {"time": "2", "commit": None})
    old = {"schema": 1, "provenance": {"time": "1"}, "claims": [{"id": "old"}]}
    path.write_text(json.dumps(old))
    write(path, [open_verdict(load_claims(TOY / "claims.yaml")["toy-number"], "smoke", "t")], keep=True)
    assert sessions(path) == {"1": ["old"], "2": ["toy-number"]}


def save(folder: Path) -> dict[str, bytes]:
    figure, (axis,) = panels(1)
    axis.plot([1, 2], [3, 4], label="a")
    axis.legend()
    FigureFolder(folder, "test_a.py::test_b").save("figure1", figure, pd.DataFrame({"x": [1, 2], "y": [3.0, 4.0]}))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_plot_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    files = save(tmp_path / "one")
    assert files.keys() == {"figure1.csv", "figure1.json", "figure1.png", "figure1.svg"}
    assert files == save(tmp_path / "two")
    assert b"<dc:date>" not in files["figure1.svg"]
    assert json.loads(files["figure1.json"]) == {"schema": 1, "test": "test_a.py::test_b"}
