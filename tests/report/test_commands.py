"""The commands that are no report: pilots, the schema of claims files, the roofline."""

from reproductions.__main__ import main
from reproductions.harness.verdicts import schema
from tests.harness.toy_session import ROOT


def test_pilots_are_those_of_a_file_of_verdicts(tmp_path, capsys):
    assert main(["pilots", str(tmp_path / "verdicts.json")]) == 2
    assert "there is no file of verdicts" in capsys.readouterr().err
    (tmp_path / "verdicts.json").write_text("[]")
    assert main(["pilots", str(tmp_path / "verdicts.json")]) == 2
    assert "is no file of verdicts" in capsys.readouterr().err


def test_the_schema_is_written_as_it_is_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(schema, "SCHEMA_FILE", tmp_path / "schema.json")
    assert main(["schema"]) == 0
    assert (tmp_path / "schema.json").read_text() == (ROOT / "reproductions" / "claims.schema.json").read_text()


def test_the_roofline_is_that_of_the_page(capsys):
    assert main(["roofline"]) == 0
    assert capsys.readouterr().out.split("\n\n")[0] in (ROOT / "docs" / "gpu.md").read_text()
