"""The file of verdicts: what replaces what, which session decided what, and what is refused."""

import errno
import json
import multiprocessing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from reproductions.harness.runs.provenance import provenance
from reproductions.harness.verdicts import kept
from reproductions.harness.verdicts.kept import KeptError, check, fallen, keep, read, replaces, set_aside
from reproductions.harness.verdicts.record import Verdict

pytestmark = pytest.mark.fault("files of verdicts")
HERE: dict[str, Any] = provenance() | {"time": "1", "commit": None, "argv": []}


def verdict(name: str, word: str = "reproduced", seeds: int = 5, scale: str = "smoke") -> Verdict:
    return Verdict(name, "toy", scale, "test", word, seeds=seeds)


def words(path: Path) -> dict[str, str]:
    return {row["id"]: row["verdict"] for row in read(path)["claims"]}


@pytest.mark.parametrize(
    ("old", "new", "taken"),
    [
        # verdict and seeds of what is kept, and of what a session found
        (("reproduced", 5), ("deviates", 5), True),
        (("reproduced", 5), ("deviates", 6), True),
        (("reproduced", 5), ("deviates", 4), False),
        (("deviates", 5), ("reproduced", 3), False),
        (("trend", 5), ("inconclusive", 5), False),
        (("trend", 5), ("inconclusive", 6), True),
        (("inconclusive", 5), ("inconclusive", 5), True),
        (("inconclusive", 5), ("trend", 5), True),
        (("inconclusive", 5), ("trend", 3), False),
        (("erratum", 0), ("erratum", 0), True),
        (("reproduced", 1), ("reproduced", 0), True),  # what has no randomness is decided once
        (("reproduced", 5), ("not run", 0), False),
        (("reproduced", 0), ("crashed", 0), False),
        (("inconclusive", 3), ("crashed", 0), False),
        (("not run", 0), ("not run", 0), True),
        (("not run", 0), ("crashed", 0), True),
        (("crashed", 0), ("not run", 0), False),
        (("crashed", 0), ("inconclusive", 1), True),
        (("not run", 0), ("trend", 3), True),
    ],
)
def test_what_replaces_what(old: tuple[str, int], new: tuple[str, int], taken: bool) -> None:
    before, after = ({"verdict": word, "seeds": seeds} for word, seeds in (old, new))
    assert replaces(before, after) == taken
    nothing = new[0] in ("not run", "crashed")
    assert replaces(before, after, forced=True) == (taken if nothing else True)


def test_a_session_says_what_it_found_but_did_not_keep(tmp_path: Path) -> None:
    path = tmp_path / "smoke" / "verdicts.json"
    assert keep(path, [verdict("a"), verdict("b"), verdict("c")], HERE) == []
    before = path.read_bytes()
    new = [replace(verdict("a", "inconclusive", 3), reason="few"), verdict("b", "not run", 0), verdict("c", seeds=3)]
    assert keep(path, new, HERE) == ["a: reproduced (5 seeds) is kept, this session found inconclusive (3 seeds): few"]
    assert path.read_bytes() == before
    keep(path, new[:1], HERE, replace=True)
    assert words(path) == {"a": "inconclusive", "b": "reproduced", "c": "reproduced"}


def test_every_record_keeps_the_provenance_of_its_session(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.json"

    def sessions() -> dict[str, list[str]]:
        rows = read(path)["claims"]
        return {name: [row["id"] for row in rows if row["session"] == name] for name in read(path)["sessions"]}

    keep(path, [verdict("a"), verdict("b")], HERE)
    keep(path, [verdict("a")], HERE | {"time": "2"})
    assert sessions() == {"1": ["b"], "2": ["a"]}
    keep(path, [verdict("b")], HERE | {"time": "3"})
    assert sessions() == {"2": ["a"], "3": ["b"]}
    keep(path, [verdict("c")], HERE | {"time": "3", "argv": ["another session of this second"]})
    assert sessions() == {"2": ["a"], "3": ["b"], "3+": ["c"]}


def test_records_from_before_a_field_was_added_are_read(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.json"
    keep(path, [verdict("a")], HERE)
    document = json.loads(path.read_text())
    for name in ("by_reading", "samples"):
        del document["claims"][0][name]
    path.write_text(json.dumps(document))
    keep(path, [verdict("b")], HERE)
    assert words(path) == {"a": "reproduced", "b": "reproduced"}


def test_scales_do_not_replace_each_other(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.json"
    keep(path, [verdict("a"), verdict("a", "trend", scale="small")], HERE)
    assert [row["verdict"] for row in read(path)["claims"]] == ["reproduced", "trend"]


def _write_many(path: Path, first: int) -> None:
    for i in range(first, first + 20):
        keep(path, [verdict(f"claim{i}")], HERE | {"time": str(first)})


def test_sessions_that_share_a_file_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.json"
    writers = [multiprocessing.get_context("fork").Process(target=_write_many, args=(path, 20 * i)) for i in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert len(words(path)) == 80
    assert [each.name for each in tmp_path.iterdir()] == ["verdicts.json"]


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "verdicts.json"
    keep(path, [verdict("a")], HERE)
    before = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        keep(path, [verdict("a", "deviates")], HERE)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["verdicts.json"]


ROW = asdict(verdict("a", "trend", 3)) | {"session": "1"}
WHOLE = {"schema": 2, "provenance": {}, "sessions": {"1": HERE}, "claims": [ROW]}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is no file of verdicts (Expecting value"),
        (json.dumps(WHOLE)[:-20], "is no file of verdicts ("),
        ("[]", "is no file of verdicts (it holds a list): restore it or move it away"),
        (json.dumps(WHOLE | {"schema": 1}), "has schema 1, but this version writes schema 2: move it away"),
        (json.dumps(WHOLE | {"claims": {}}), "it has no list of claims or no sessions"),
        (json.dumps(WHOLE | {"sessions": {}}), "the record 'a': no session made it"),
        (json.dumps(WHOLE | {"claims": [ROW | {"session": []}]}), "the record 'a': unhashable"),
        (json.dumps(WHOLE | {"claims": [ROW | {"seeds": "3"}]}), "the record 'a': seeds is '3', but input should be"),
        (json.dumps(WHOLE | {"claims": [ROW | {"paper": "../x"}]}), "the record 'a': paper is '../x', but string"),
        (json.dumps(WHOLE | {"claims": [3]}), "the record 3: 'int' object is not iterable"),
        (json.dumps(WHOLE | {"sessions": {"1": HERE | {"argv": "x"}}}), "the session '1': argv is 'x', but input"),
        ("[" * 100000, "is no file of verdicts (maximum recursion"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "verdicts.json"
    path.write_text(text)
    for use in (check, read, lambda path: keep(path, [verdict("a")], HERE)):
        with pytest.raises(KeptError) as caught:
            use(path)
        assert str(caught.value).startswith(str(path))
        assert sentence in str(caught.value)
        assert "\n" not in str(caught.value)
    assert path.read_text() == text


def test_a_damaged_file_is_moved_beside_its_place_and_no_other_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.json"
    assert set_aside(path) == ""
    for text in ("", "[1]"):
        path.write_text(text)
        assert set_aside(path).startswith(f"{path} is no file of verdicts (")
        assert not path.exists()
    assert (tmp_path / "verdicts.json.damaged").read_text() == ""
    assert (tmp_path / "verdicts.json.damaged-1").read_text() == "[1]"
    for text in (json.dumps(WHOLE | {"schema": 1}), json.dumps(WHOLE)):
        path.write_text(text)
        if '"schema": 1' in text:
            with pytest.raises(KeptError, match="has schema 1"):
                set_aside(path)
        else:
            assert set_aside(path) == ""
        assert path.read_text() == text
    assert len(list(tmp_path.iterdir())) == 3


def test_drafts_of_a_killed_session_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".verdicts.json.123").write_text("{")
    keep(tmp_path / "verdicts.json", [verdict("a")], HERE)
    assert [path.name for path in tmp_path.iterdir()] == ["verdicts.json"]


def test_a_file_system_that_locks_nothing_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(kept.fcntl, "flock", none)
    keep(tmp_path / "verdicts.json", [verdict("a")], HERE)
    assert words(tmp_path / "verdicts.json") == {"a": "reproduced"}


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeptError, match="cannot be written"):
        check(tmp_path / "file" / "verdicts.json")
    (tmp_path / "verdicts.json").mkdir()
    with pytest.raises(KeptError, match="cannot be read \\(Is a directory"):
        check(tmp_path / "verdicts.json")
    check(tmp_path / "new" / "verdicts.json")


def test_verdicts_that_fall_are_found(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.json"
    before = {"a": "reproduced", "b": "trend", "c": "erratum", "d": "inconclusive", "e": "misprint", "f": "trend"}
    keep(path, [verdict(name, word) for name, word in before.items()], HERE)
    now = {"a": "deviates", "b": "inconclusive", "c": "erratum", "d": "deviates", "e": "not run", "g": "deviates"}
    found = fallen(path, [verdict(name, word) for name, word in now.items()])
    assert [sentence.split(" in ")[0] for sentence in found] == ["a was reproduced", "b was trend"]
    assert fallen(path, [verdict("a", "deviates", scale="small")]) == []
    with pytest.raises(KeptError, match="there is no baseline"):
        fallen(tmp_path / "missing.json", [])
