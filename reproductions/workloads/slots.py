"""Slot filling: tag each word of a sentence, with a one-layer LSTM. What ATIS and the embedded grammar share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from reproductions.workloads.base import Indices, OneByOne, evaluating

_UNKNOWN = "<unk>"
_IGNORED = -100  # target of padding, as torch's cross entropy skips it
_EVALUATION_BATCH = 256


class Sentence(NamedTuple):
    """Words and their tags: ``O``, or ``B-`` and ``I-`` for the first and the further words of a slot."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


class Encoded(NamedTuple):
    """Sentences as indices, padded to the longest: words and tags (N, L) int64, lengths (N,) int64."""

    words: NDArray[np.int64]
    tags: NDArray[np.int64]
    lengths: NDArray[np.int64]


class Tagger(nn.Module):
    """Embedding, one LSTM layer, linear layer: words (B, L) to scores (B, L, tags).

    It reads from left to right only, so that padding at the end of a sentence cannot change its scores. Weights start
    as torch's defaults: under plain SGD the Glorot-uniform start of CNTK takes twice as many steps.
    """

    def __init__(self, words: int, tags: int, embedding: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, embedding)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.output = nn.Linear(hidden, tags)

    def forward(self, words: Tensor) -> Tensor:
        """Return the scores."""
        hidden, _ = self.lstm(self.embedding(words))
        scores: Tensor = self.output(hidden)
        return scores


@dataclass(frozen=True, eq=False)
class SlotTask(OneByOne):
    """Slot filling; see `base.Task`. A sample is a sentence, a batch is padded to its longest one.

    Parameters
    ----------
    label
        What was loaded.
    train, test
        The sentences.
    words
        Size of the vocabulary: words of the training sentences, padding and one entry for all unknown words.
    tags
        Names of the tags. The first `outputs` are those of the training sentences, in the order of the model's
        outputs; the others occur in the test set only. No model can predict these: they count as errors in
        accuracy and F1, and are left out of the test loss, where they would be infinite.
    outputs
        Number of tags that the model knows.
    embedding, hidden
        Sizes of the model.
    device
        Where models live.
    """

    label: str
    train: Encoded
    test: Encoded
    words: int
    tags: tuple[str, ...]
    outputs: int
    embedding: int
    hidden: int
    onednn: ClassVar[bool] = True
    even: ClassVar[bool] = False
    device: str = "cpu"

    @property
    def train_size(self) -> int:
        """Number of training sentences."""
        return len(self.train.lengths)

    def model(self) -> nn.Module:
        """Return a fresh model; built on the CPU, so that its start does not depend on the device."""
        return Tagger(self.words, self.outputs, self.embedding, self.hidden).to(self.device)

    def batch(self, indices: Indices, seed: int = 0, worker: int = 0, step: int = 0) -> tuple[Tensor, Tensor]:
        """Return words and tags, both (B, L) int64; the key is not used."""
        words, tags = _pack(self.train, indices)
        return words.to(self.device), tags.to(self.device)

    @property
    def evaluation_batch(self) -> int:
        """See `base.Task.evaluation_batch`."""
        return max(len(_chunks(len(part.lengths))[0]) for part in (self.train, self.test))

    def specimen(self, size: int) -> tuple[Tensor, Tensor]:
        """Return words and tags of sentences that are all as long as the longest; see `base.Task.specimen`."""
        longest = max(part.words.shape[1] for part in (self.train, self.test))
        words = torch.empty(size, longest, dtype=torch.int64, device="meta")
        return words, torch.empty_like(words)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean cross entropy in nats over the words of the batch, padding left out."""
        return functional.cross_entropy(output.flatten(0, 1), target.flatten(), ignore_index=_IGNORED)

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Return ``test_loss`` in nats per word, ``test_accuracy`` per word and ``test_f1`` of slots, in [0, 1]."""
        loss, predicted = self._scores(model, self.test)
        return {"test_loss": loss, **self._quality(predicted)}

    def training_scores(self, model: nn.Module) -> tuple[float, float]:
        """Return the mean cross entropy per word of the training sentences, in nats, and the accuracy per word."""
        loss, predicted = self._scores(model, self.train)
        real = self.train.tags != _IGNORED
        return loss, float((predicted == self.train.tags)[real].mean())

    def training_loss(self, model: nn.Module, part: slice = slice(None)) -> float:
        """Return the mean cross entropy per word of the training sentences, or a part of them, in nats."""
        return self._scores(model, Encoded(*(rows[part] for rows in self.train)))[0]

    def sorted_by_class(self) -> Indices:
        """Raise `ValueError`: sentences have no classes."""
        raise ValueError(f"{self.label} has sentences, which have no classes to sort them by")

    def _scores(self, model: nn.Module, sentences: Encoded) -> tuple[float, NDArray[np.int64]]:
        loss = known = 0.0
        predicted = np.full_like(sentences.tags, _IGNORED)
        with evaluating(model) as device:
            for indices in _chunks(len(sentences.lengths)):
                words, tags = (part.to(device) for part in _pack(sentences, indices))
                scores = model(words)
                tags[tags >= self.outputs] = _IGNORED
                count = float((tags != _IGNORED).sum())
                loss += count * float(self.loss(scores, tags)) if count else 0.0
                known += count
                predicted[indices, : words.shape[1]] = scores.argmax(dim=2).cpu().numpy()
        return loss / known, predicted

    def _quality(self, predicted: NDArray[np.int64]) -> dict[str, float]:
        real = self.test.tags != _IGNORED
        both = [
            [self._spans(tags[row, :length]) for row, length in enumerate(self.test.lengths)]
            for tags in (self.test.tags, predicted)
        ]
        found = sum(len(gold & guess) for gold, guess in zip(*both, strict=True))
        total = sum(len(slots) for part in both for slots in part)
        accuracy = float((predicted == self.test.tags)[real].mean())
        return {"test_accuracy": accuracy, "test_f1": 2 * found / total if total else 0.0}

    def _spans(self, tags: NDArray[np.int64]) -> set[tuple[int, int, str]]:
        return spans([self.tags[tag] for tag in tags])


def slot_task(
    label: str, train: Sequence[Sentence], test: Sequence[Sentence], embedding: int, hidden: int, device: str
) -> SlotTask:
    """Return the task of these sentences; words and tags that a model knows come from `train` only."""
    vocabulary = ["", _UNKNOWN, *sorted({word for sentence in train for word in sentence.words})]
    known = sorted({tag for sentence in train for tag in sentence.tags})
    tags = (*known, *sorted({tag for sentence in test for tag in sentence.tags} - set(known)))
    word_index = {word: index for index, word in enumerate(vocabulary)}
    tag_index = {tag: index for index, tag in enumerate(tags)}
    encoded, encoded_test = (_encode(part, word_index, tag_index) for part in (train, test))
    return SlotTask(label, encoded, encoded_test, len(vocabulary), tags, len(known), embedding, hidden, device)


def spans(tags: Sequence[str]) -> set[tuple[int, int, str]]:
    """Return the slots of a sentence as (first word, word after the last, type), by the rules of conlleval.

    An ``I-`` tag without a slot of its type before it begins a slot.
    """
    found: set[tuple[int, int, str]] = set()
    start, kind = 0, ""
    for position, tag in enumerate([*tags, "O"]):
        prefix, _, new = tag.partition("-")
        if kind and (prefix != "I" or new != kind):
            found.add((start, position, kind))
            kind = ""
        if prefix != "O" and not kind:
            start, kind = position, new
    return found


def _encode(sentences: Sequence[Sentence], words: dict[str, int], tags: dict[str, int]) -> Encoded:
    lengths = np.array([len(sentence.words) for sentence in sentences], dtype=np.int64)
    shape = (len(sentences), int(lengths.max()))
    encoded = Encoded(np.zeros(shape, np.int64), np.full(shape, _IGNORED, np.int64), lengths)
    for row, (sentence, length) in enumerate(zip(sentences, lengths, strict=True)):
        encoded.words[row, :length] = [words.get(word, words[_UNKNOWN]) for word in sentence.words]
        encoded.tags[row, :length] = [tags[tag] for tag in sentence.tags]
    return encoded


def _pack(data: Encoded, indices: Indices) -> tuple[Tensor, Tensor]:
    longest = int(data.lengths[indices].max())
    return torch.from_numpy(data.words[indices, :longest]), torch.from_numpy(data.tags[indices, :longest])


def _chunks(size: int) -> list[Indices]:
    return np.array_split(np.arange(size), max(1, size // _EVALUATION_BATCH))
