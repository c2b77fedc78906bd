"""Plots that a session leaves behind: the same bytes every time, and which test drew them."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure

from reproductions.harness.figures import FigureFolder, draw, name_of, panels
from reproductions.harness.runs.settings import Settings
from reproductions.workloads.resnet import ResNet
from reproductions.workloads.vgg import Vgg


def save(folder: Path) -> dict[str, bytes]:
    figure, (axis,) = panels(1)
    axis.plot([1, 2], [3, 4], label="a")
    axis.legend()
    FigureFolder(folder, "test_a.py::test_b").save("figure1", figure, pd.DataFrame({"x": [1, 2], "y": [3.0, 4.0]}))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_plot_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    files = save(tmp_path / "one")
    assert files.keys() == {"figure1.csv", "figure1.json", "figure1.svg"}
    assert files == save(tmp_path / "two")
    assert b"<dc:date>" not in files["figure1.svg"]
    assert json.loads(files["figure1.json"]) == {"schema": 1, "test": "test_a.py::test_b"}


def test_a_full_disk_leaves_the_earlier_plot_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = save(tmp_path)

    def full(figure: Figure, path: Path, **_: object) -> None:
        path.write_text("<svg")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_picture_is_small_and_its_words_are_text(tmp_path: Path) -> None:
    figure, (axis,) = panels(1)
    axis.plot([1, 2, 3], [1 / 3, 2 / 7, 0.1], label="of nodes")
    axis.legend()
    text = FigureFolder(tmp_path).save("toy", figure, pd.DataFrame({"x": [1]})).read_text()
    assert ">of nodes</text>" in text
    assert not re.findall(r' d="[^"]*\.\d{3}', text)
    assert len(text) < 14_000


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("loss", [float("nan"), float("inf"), 3.8e30])
def test_a_run_that_diverged_is_marked_and_bends_no_curve(tmp_path: Path, loss: float, scale: str) -> None:
    rows = [(label, seed, step, 0.01 / step) for label in "ab" for seed in range(2) for step in (1, 2, 3)]
    frame = pd.DataFrame(rows, columns=["label", "seed", "step", "value"]).assign(metric="train_loss")
    frame.loc[(frame["label"] == "b") & (frame["seed"] == 1) & (frame["step"] == 2), "value"] = loss
    figure, (axis,) = panels(1)
    axis.set_yscale(scale)
    draw(axis, frame)
    lines = {str(line.get_label()): line for line in axis.lines}
    assert list(lines)[:2] == ["a", "b (1 of 2 runs diverged)"]
    for line in list(lines.values())[:2]:
        assert list(line.get_ydata()) == [0.01, 0.005, 0.01 / 3]
    assert axis.get_ylim()[1] < 0.02
    (mark,) = list(lines.values())[2:]
    assert (mark.get_marker(), list(mark.get_xdata())) == ("x", [2])
    FigureFolder(tmp_path, "t").save("figure1", figure, frame)
    assert 'id="diverged"' in (tmp_path / "figure1.svg").read_text()
    everything, (axis,) = panels(1)
    draw(axis, frame.assign(value=loss))
    FigureFolder(tmp_path, "t").save("figure2", everything, frame)


@dataclass(frozen=True)
class Drawn:
    """What a title needs of a run."""

    experiment: SimpleNamespace
    provenance: dict[str, str]


@pytest.mark.parametrize(("scale", "net", "title"), [
    ("smoke", ResNet(20), "digits, stand-in for M (smoke)"),
    ("small", ResNet(20), "M on digits, shortened (small)"),
    ("small", Vgg(16, width=32), "M, 1/2 as wide, on digits, shortened (small)"),
    ("small", None, "M on digits, shortened (small)"),
    ("paper", Vgg(16), "M on digits (paper)"),
])  # fmt: skip
def test_a_title_says_what_was_trained(scale: str, net: object, title: str) -> None:
    run: Any = Drawn(SimpleNamespace(workload=SimpleNamespace(net=net)), {"workload": "digits"})
    assert name_of(Settings(scale=scale), "M", [run]) == title
