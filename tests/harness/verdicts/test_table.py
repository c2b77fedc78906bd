"""The table at the end of a session fits into the terminal and loses nothing that has room."""

from dataclasses import replace

import pytest

from reproductions.harness.verdicts.claims import Claim, load_claims
from reproductions.harness.verdicts.record import VERDICTS, Verdict, open_verdict
from reproductions.harness.verdicts.table import table
from tests.harness.toy_session import TOY

CLAIMS = list(load_claims(TOY / "claims.yaml").values())
LONG = "a long text of what was found, in the words of the test " * 3


def found() -> list[tuple[Claim, Verdict]]:
    opened = (open_verdict(claim, "smoke", "t") for claim in CLAIMS)
    rows = [replace(row, verdict=name, found=LONG) for row, name in zip(opened, VERDICTS, strict=False)]
    return list(zip(CLAIMS, rows, strict=True))


@pytest.mark.parametrize("width", [40, 80, 120, 250])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = table(found(), width)
    assert max(map(len, lines)) <= width
    for claim, verdict in found():
        assert any(line.startswith(claim.id) and f"  {verdict.verdict}" in line for line in lines)
    assert all(f"1 {name}" in " ".join(lines) for name in VERDICTS)


def test_columns_come_and_cells_grow_with_the_width() -> None:
    heads = [table(found(), width)[0].split() for width in (40, 80, 120, 600)]
    assert heads[0] == ["claim", "verdict"]
    assert heads[1][:4] == ["claim", "verdict", "found", "reported"]
    assert heads[2][:5] == ["claim", "verdict", "found", "reported", "source"]
    assert heads[3] == ["claim", "verdict", "found", "reported", "source", "scale", "data", "tolerance", "hardware"]
    assert " ".join(LONG.split()) in table(found(), 600)[1]
    assert table(found(), 80)[1].count("…") == 1


@pytest.mark.parametrize("name", VERDICTS)
def test_data_and_hardware_are_of_what_was_decided(name: str) -> None:
    claim, row = found()[0]
    shown = table([(claim, replace(row, verdict=name, found="", workload="digits", hardware="9 cores"))], 600)[1]
    assert [text in shown for text in ("digits", "9 cores")] == [name not in ("not run", "crashed")] * 2


def test_the_interval_stands_beside_what_was_found() -> None:
    claim, row = found()[0]
    line = table([(claim, replace(row, found="1.5", interval=(1.25, 1.75), estimate=1.5))], 80)[1]
    assert "  1.5 [1.25, 1.75]  " in line
