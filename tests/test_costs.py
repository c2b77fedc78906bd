"""The page on costs is what the recipes give."""

from __future__ import annotations

import pytest

from reproductions import costs
from reproductions.report.errors import ReportError


def test_the_page_is_up_to_date() -> None:
    text = costs.PAGE.read_text()
    assert costs.renewed(text) == text, "reproductions costs renews docs/costs.md"


def test_a_row_counts_every_run_once_and_its_samples() -> None:
    (row,) = [line for line in costs.table().splitlines() if line.startswith("| rps/test_figure4b ")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:3] == ["15", "12.0"], "five arrival probabilities, three seeds, 16 epochs of 50,000 samples"
    assert cells[4:6] == ["15", "120.0"]


@pytest.mark.parametrize("page", ["", costs.END + costs.BEGIN, 2 * (costs.BEGIN + costs.END)])
def test_a_page_without_its_two_markers_is_refused(page: str) -> None:
    with pytest.raises(ReportError, match=r"docs/costs\.md needs the lines .* once and in this order"):
        costs.renewed(page)
