"""An embedded slot filling corpus: questions about flights from a small probabilistic grammar.

It stands in for ATIS where no data are at hand: the same task, model and kind of sentence, about 100 words. The tag
of each word follows from the words before it, so that a model that reads from left to right can learn all of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from algorithms.streams import stream
from reproductions.workloads.slots import Sentence, SlotTask, slot_task

_TEST = 512

# Each symbol in capitals has alternatives, separated by |, of equal probability. "CITY:from" expands CITY and tags its
# words B-from, I-from, ...; words outside of such a symbol are tagged O.
_GRAMMAR = {
    "SENTENCE": "ASK FLIGHTS | ASK FLIGHTS | ASK FARES | GROUND",
    "ASK": "show me | list | i want | i would like | please give me | find | what are",
    "FLIGHTS": "ADJECTIVES flights AIR ROUTE WHEN | flights ROUTE AIR WHEN | all flights WHEN ROUTE",
    "FARES": "the CLASS:class fares ROUTE | CLASS:class tickets ROUTE WHEN | COST:cost fares ROUTE AIR",
    "GROUND": "what ground transportation is there in CITY:place | how far is the airport from downtown CITY:place",
    "ADJECTIVES": "the | COST:cost | STOPS:stops | TRIP:trip | the COST:cost STOPS:stops",
    "AIR": "| | on AIRLINE:airline | with AIRLINE:airline",
    "ROUTE": "from CITY:from to CITY:to | from CITY:from to CITY:to with a stop in CITY:stop"
    " | to CITY:to from CITY:from | between CITY:from and CITY:to",
    "WHEN": "| leaving DATE | leaving DATE and returning BACK | leaving TIME | arriving BY",
    "DATE": "on DAY:depart.day | on MONTH:depart.month ORDINAL:depart.number | PERIOD:depart.period",
    "BACK": "on DAY:return.day | on MONTH:return.month ORDINAL:return.number",
    "TIME": "RELATION:depart.relation CLOCK:depart.time | at CLOCK:depart.time",
    "BY": "RELATION:arrive.relation CLOCK:arrive.time | at CLOCK:arrive.time",
    "CITY": "boston | denver | atlanta | dallas | new york | san francisco | san diego | los angeles | oakland"
    " | salt lake city | pittsburgh | kansas city | washington | miami",
    "AIRLINE": "delta | united | american airlines | continental airlines | northwest | us air | twa",
    "CLASS": "first class | business class | coach | economy",
    "COST": "cheapest | lowest | most expensive",
    "STOPS": "nonstop | direct | non stop",
    "TRIP": "round trip | one way",
    "DAY": "monday | tuesday | wednesday | thursday | friday | saturday | sunday",
    "MONTH": "april | june | july | december",
    "ORDINAL": "first | second | third | tenth | twenty first | twenty second",
    "PERIOD": "tomorrow | tonight | today",
    "RELATION": "before | after | around",
    "CLOCK": "HOUR HALF | HOUR thirty HALF | noon | midnight",
    "HOUR": "six | seven | eight | nine | ten | eleven",
    "HALF": "am | pm",
}
_RULES = {symbol: [choice.split() for choice in text.split("|")] for symbol, text in _GRAMMAR.items()}


@dataclass(frozen=True)
class SlotGrammar:
    """Fill the slots of generated questions with a one-layer LSTM; a batch counts sentences.

    Parameters
    ----------
    train_size
        Number of training sentences; the 512 test sentences and all sentences are the same for every seed, and a
        smaller training set is the start of a larger one.
    hidden, embedding
        Sizes of the LSTM and of the word vectors.
    """

    name: ClassVar[str] = "slot-grammar"
    tiny: ClassVar[bool] = True
    train_size: int = 2048
    hidden: int = 32
    embedding: int = 16

    def __post_init__(self) -> None:
        if self.train_size < 1:
            raise ValueError(f"train_size is {self.train_size}, but there must be at least one sentence")

    @property
    def epoch_samples(self) -> int:
        """See `Workload.epoch_samples`."""
        return self.train_size

    @property
    def epoch_seconds(self) -> float:
        """See `Workload.epoch_seconds`."""
        return 1e-4 * self.train_size

    def load(self, data: Path | None = None, device: str = "cpu") -> SlotTask:
        """Return the task; `data` is not used."""
        train, test = generate("train", self.train_size), generate("test", _TEST)
        return slot_task(self.name, train, test, self.embedding, self.hidden, device)

    def checksum(self, data: Path | None = None) -> str:
        """Return the SHA-256 of the sentences, which changes with the grammar and with the generator."""
        return f"slot-grammar:{_digest(self.train_size)}"


@lru_cache
def generate(part: str, size: int) -> tuple[Sentence, ...]:
    """Return the first `size` sentences of ``train`` or ``test``."""
    rng = stream(0, f"slot-grammar-{part}")
    sentences = (list(_expand("SENTENCE", rng)) for _ in range(size))
    return tuple(Sentence(*zip(*sentence, strict=True)) for sentence in sentences)


@lru_cache
def _digest(train_size: int) -> str:
    text = repr((generate("train", train_size), generate("test", _TEST)))
    return hashlib.sha256(text.encode()).hexdigest()


def _expand(item: str, rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Give the (word, tag) pairs of a symbol or a word."""
    symbol, _, slot = item.partition(":")
    if symbol not in _RULES:
        yield symbol, "O"
        return
    choices = _RULES[symbol]
    inside = [pair for part in choices[rng.integers(len(choices))] for pair in _expand(part, rng)]
    for position, (word, tag) in enumerate(inside):
        yield word, f"{'I' if position else 'B'}-{slot}" if slot else tag
