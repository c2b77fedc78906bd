"""Slot filling: files, grammar, padding and measures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from reproductions.workloads import Atis, DataError, SlotGrammar
from reproductions.workloads.grammar import generate
from reproductions.workloads.slots import Sentence, SlotTask, slot_task, spans

SMALL = Atis(hidden=8, embedding=4)


class Fixed(torch.nn.Module):
    """Answers with given tags, whatever it reads."""

    def __init__(self, tags: np.ndarray, outputs: int) -> None:
        super().__init__()
        self.scores = torch.nn.Parameter(20.0 * torch.nn.functional.one_hot(torch.from_numpy(tags), outputs))

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        return self.scores[:, : words.shape[1]]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O B-a I-a O", {(1, 3, "a")}),
        ("B-a B-a I-a", {(0, 1, "a"), (1, 3, "a")}),
        ("B-a I-b I-b", {(0, 1, "a"), (1, 3, "b")}),
        ("O I-a I-a", {(1, 3, "a")}),
        ("B-a O I-a", {(0, 1, "a"), (2, 3, "a")}),
        ("O O", set()),
    ],
)
def test_spans_follow_conlleval(tags: str, expected: set[tuple[int, int, str]]) -> None:
    assert spans(tags.split()) == expected


def test_atis_files_are_read(atis_data: Path) -> None:
    task = SMALL.load(atis_data)
    assert task.label == "atis"
    assert task.train_size == 2
    assert task.tags == ("B-from", "B-to", "I-to", "O", "B-airport")
    assert (task.outputs, task.words) == (4, 2 + 8)
    words, tags = task.batch(np.array([1, 0]), 0, 0, 0)
    assert words.shape == tags.shape == (2, 6)
    assert words.dtype == tags.dtype == torch.int64
    assert tags[0].tolist() == [3, 3, 1, -100, -100, -100]
    assert tags[1].tolist() == [3, 3, 0, 3, 1, 2]
    assert words[0, 3:].tolist() == [0, 0, 0]
    assert words[0, 1] == words[1, 3]
    assert task.test.words[1, 1] == task.test.words[1, 2] == 1


def test_a_batch_is_padded_to_its_longest_sentence(atis_data: Path) -> None:
    words, tags = SMALL.load(atis_data).batch(np.array([1]), 0, 0, 0)
    assert words.shape == tags.shape == (1, 3)


def test_padding_changes_neither_scores_nor_loss(atis_data: Path) -> None:
    task = SMALL.load(atis_data)
    model = task.model()
    alone, padded = (task.batch(np.array(indices), 0, 0, 0) for indices in ([1], [1, 0]))
    torch.testing.assert_close(model(alone[0])[0], model(padded[0])[0, :3])
    other = task.batch(np.array([0]), 0, 0, 0)
    mean = (3 * task.loss(model(alone[0]), alone[1]) + 6 * task.loss(model(other[0]), other[1])) / 9
    torch.testing.assert_close(task.loss(model(padded[0]), padded[1]), mean)


def test_tags_that_training_lacks_count_as_errors_but_not_in_the_loss(atis_data: Path) -> None:
    task = SMALL.load(atis_data)
    best = np.array([[3, 3, 1], [3, 1, 1]])
    values = task.evaluate(Fixed(best, task.outputs))
    assert values["test_accuracy"] == pytest.approx(5 / 6)
    assert values["test_f1"] == pytest.approx(2 * 2 / 6)
    assert values["test_loss"] < 1e-6


def test_measures_of_wrong_answers(atis_data: Path) -> None:
    task = SMALL.load(atis_data)
    values = task.evaluate(Fixed(np.array([[3, 3, 0], [3, 1, 3]]), task.outputs))
    assert values["test_accuracy"] == pytest.approx(4 / 6)
    assert values["test_f1"] == pytest.approx(2 * 1 / 5)
    assert values["test_loss"] == pytest.approx(20 / 5)


def test_no_slot_at_all_has_f1_zero(atis_data: Path) -> None:
    task = SMALL.load(atis_data)
    assert task.evaluate(Fixed(np.full((2, 3), 3), task.outputs))["test_f1"] == 0


def test_evaluation_does_not_depend_on_how_sentences_are_grouped(monkeypatch: pytest.MonkeyPatch) -> None:
    task = SlotGrammar(train_size=64).load(None)
    model = task.model()
    grouped = task.evaluate(model)
    monkeypatch.setattr("reproductions.workloads.slots._EVALUATION_BATCH", 10_000)
    assert task.evaluate(model) == pytest.approx(grouped)


def test_a_line_with_too_few_tags_is_named(atis_data: Path) -> None:
    path = atis_data / "atis" / "train" / "seq.out"
    path.write_text("O O B-from O B-to I-to\nO O\n")
    with pytest.raises(DataError, match=r"train/seq.in, line 2: 3 words, but 2 tags in seq.out"):
        SMALL.load(atis_data)


def test_a_missing_line_is_named(atis_data: Path) -> None:
    (atis_data / "atis" / "test" / "seq.in").write_text("fly to boston\n")
    with pytest.raises(DataError, match=r"test/seq.in, line 2: 0 words, but 3 tags"):
        SMALL.load(atis_data)


def test_files_that_are_empty_or_no_text_are_named(atis_data: Path) -> None:
    folder = atis_data / "atis" / "train"
    (folder / "seq.in").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"train/seq.in is damaged: it is not UTF-8 text"):
        SMALL.load(atis_data)
    for name in ("seq.in", "seq.out"):
        (folder / name).write_text("\n")
    with pytest.raises(DataError, match=r"train/seq.in holds no sentence"):
        SMALL.load(atis_data)


@pytest.mark.parametrize("use", ["load", "checksum"])
def test_missing_data_are_named_with_the_option(tmp_path: Path, use: str) -> None:
    for data in (None, tmp_path):
        with pytest.raises(DataError, match=r"ATIS was not found: looked for train/seq.in, .*--data or REPRO_DATA"):
            getattr(SMALL, use)(data)


def test_the_grammar_has_the_size_it_promises() -> None:
    sentences = generate("train", 2048)
    words = {word for sentence in sentences for word in sentence.words}
    assert 90 <= len(words) <= 130
    assert max(len(sentence.words) for sentence in sentences) < 40
    assert not any(word.isupper() for word in words)
    assert generate("train", 9) == sentences[:9]
    assert generate("test", 512) != generate("train", 512)


def test_words_and_tags_of_the_test_set_all_occur_in_training() -> None:
    task = SlotGrammar().load(None)
    assert len(task.tags) == task.outputs
    assert not (task.test.words == 1).any()


def test_each_tag_of_the_grammar_follows_from_the_words_so_far() -> None:
    tags: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for words, labels in generate("train", 4096):
        for end in range(1, len(words) + 1):
            tags[words[:end]].add(labels[end - 1])
    assert all(len(found) == 1 for found in tags.values())


def test_tags_are_well_formed() -> None:
    for _, tags in generate("train", 300):
        for before, tag in zip(("O", *tags), tags, strict=False):
            assert not tag.startswith("I-") or before[2:] == tag[2:]


def test_real_atis_can_be_learnt(train: Callable, real_data: Path) -> None:
    task: SlotTask = Atis(hidden=64, embedding=32).load(real_data)
    assert (task.train_size, len(task.test.lengths), task.words, task.outputs) == (4478, 893, 869, 120)
    model, _ = train(task, 16, 2.0, 250)
    values = task.evaluate(model)
    assert values["test_accuracy"] > 0.8
    assert values["test_f1"] > 0.4
    assert values["test_loss"] < 1


def test_one_known_tag_is_enough() -> None:
    sentence = Sentence(("hello",), ("O",))
    task = slot_task("tiny", [sentence], [sentence], embedding=2, hidden=2, device="cpu")
    assert task.evaluate(task.model()) == {"test_loss": 0.0, "test_accuracy": 1.0, "test_f1": 0.0}
