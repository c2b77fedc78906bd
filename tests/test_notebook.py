"""`docs/first-run.ipynb` works as it stands, and a step that is changed in it makes its runs anew, and only those."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat
import pytest

from reproductions.frames import load

NOTEBOOK = Path(__file__).parents[1] / "docs" / "first-run.ipynb"


@pytest.mark.slow
def test_the_notebook_runs_and_a_changed_step_makes_its_runs_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRO_DEVICE", "cpu")
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1]))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = [number for number, cell in enumerate(notebook.cells) if "class EveryFourth" in cell.source][-1]
    changed = nbformat.v4.new_code_cell(notebook.cells[place].source.replace("t % 4 == 3", "t % 2 == 1"))
    assert changed.source != notebook.cells[place].source
    again = nbformat.v4.new_code_cell(notebook.cells[place].source)
    notebook.cells += [changed, again]
    for _ in range(2):  # the second kernel finds what the first has stored
        nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert sum(map(is_plot, notebook.cells)) == 4
    frame = load(tmp_path / "results")
    found = frame.groupby("algorithm")["run"].nunique().to_dict()
    assert found == {"ModelAveraging": 3, "EveryFourth": 6}, "three seeds, and of two steps"
    sent = frame[(frame["metric"] == "sent_messages") & (frame["step"] == 8)].groupby("algorithm")["value"]
    every_step = sent.max()["ModelAveraging"]
    assert sorted(set(sent.get_group("EveryFourth"))) == [every_step / 4, every_step / 2]


def test_the_notebook_shows_what_it_gave_and_ten_lines_lead_to_its_first_plot() -> None:
    cells = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    assert len([line for line in cells[0].source.splitlines() if line]) <= 10
    assert sum(is_plot(cell) for cell in cells) == 2
    assert not [each for cell in cells for each in cell.outputs if each.output_type in ("error", "stream")]


def is_plot(cell: nbformat.NotebookNode) -> bool:
    return any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))
