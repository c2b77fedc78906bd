"""ATIS: slots in spoken questions to an air travel information system."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import ClassVar

from reproductions.workloads.base import DataError, file_checksum, missing
from reproductions.workloads.slots import Sentence, SlotTask, slot_task

_FILES = ("train/seq.in", "train/seq.out", "test/seq.in", "test/seq.out")


@dataclass(frozen=True)
class Atis:
    """Fill the slots of ATIS with a one-layer LSTM; a batch counts sentences.

    Files are ``{train,test}/seq.in`` and ``seq.out``, one sentence a line. Sizes are those of CNTK's example, without
    its self-stabilisers.

    Parameters
    ----------
    hidden, embedding
        Sizes of the LSTM and of the word vectors.
    """

    name: ClassVar[str] = "atis"
    tiny: ClassVar[bool] = False
    hidden: int = 300
    embedding: int = 150

    @property
    def epoch_samples(self) -> int:
        """See `Workload.epoch_samples`."""
        return 4_478

    @property
    def epoch_seconds(self) -> float:
        """See `Workload.epoch_seconds`."""
        return 4.0

    def load(self, data: Path | None, device: str = "cpu") -> SlotTask:
        """Read the sentences; `DataError` if files are missing or a line does not have one tag for each word."""
        words, tags, test_words, test_tags = _locate(data)
        train, test = _read(words, tags), _read(test_words, test_tags)
        return slot_task("atis", train, test, self.embedding, self.hidden, device)

    def checksum(self, data: Path | None) -> str:
        """Return the SHA-256 of the files; `DataError` if they are not there."""
        return file_checksum(_locate(data))


def _locate(data: Path | None) -> list[Path]:
    for folder in (data / "atis", data) if data else ():
        files = [folder / name for name in _FILES]
        if all(file.is_file() for file in files):
            return files
    raise missing(data, "ATIS", f"{', '.join(_FILES)}, there and in atis/")


def _read(words: Path, tags: Path) -> list[Sentence]:
    sentences = []
    for number, (text, slots) in enumerate(zip_longest(_lines(words), _lines(tags), fillvalue=""), start=1):
        sentence = Sentence(tuple(text.split()), tuple(slots.split()))
        if len(sentence.words) != len(sentence.tags):
            counts = f"{len(sentence.words)} words, but {len(sentence.tags)} tags in {tags.name}"
            raise DataError(f"{words}, line {number}: {counts}; each word needs one tag.")
        if sentence.words:
            sentences.append(sentence)
    if not sentences:
        raise DataError(f"{words} holds no sentence.")
    return sentences


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is damaged: it is not UTF-8 text: {error}") from error
