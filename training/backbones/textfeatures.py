"""Features of a response's text, and of its text beside the prompt's.

This file is copied into saved model folders with the model that reads it. It may import only the
standard library and numpy.

Shapes: F features.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Part = TypeVar("Part", str, tuple[str, str])

LONGEST_READ = 10_000
"""Characters of a text that are read."""
MOST_TRIGRAMS = 1_000
"""Characters of a text whose trigrams are compared."""
PAIR_FACTOR = 1_000_003
"""Factor of the first word's hash in that of a pair of words."""

WORD = re.compile(r"\w+")
SIGN = re.compile(r"\w+|[^\w\s]")
"""Signs count as words: no text is without a token then."""
SENTENCE_END = re.compile(r"[.!?](?=\s|$)")
LIST_MARK = re.compile(r"^[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]", re.MULTILINE)
STRESS = re.compile(r"\*\*|`|#")
NUMBER = re.compile(r"\d+")
NAME = re.compile(r"\b[A-Z]\w+")
CAPITAL = re.compile(r"[A-Z]")
DIGIT = re.compile(r"\d")
FOREIGN = re.compile(r"[^\x00-\x7f]")

FEATURES = (
    "log characters",
    "log characters, squared",
    "log words",
    "log lines",
    "log paragraphs",
    "log sentences",
    "log list marks",
    "log marks of stress and code",
    "log code fences",
    "log commas",
    "log colons",
    "log brackets",
    "log quotation marks",
    "mean word length",
    "words in a sentence",
    "share of different words",
    "share of the commonest word",
    "share of repeated words",
    "compressed size",
    "share of capitals",
    "share of digits",
    "share of characters outside ASCII",
    "starts with a capital",
    "ends as a sentence does",
    "has a question mark",
    "has an exclamation mark",
    "has a link",
    "is empty",
    "has outer space",
    "log words over those of the prompt",
    "its absolute value",
    "its square",
    "log words times those of the prompt",
    "share of the prompt's words",
    "share of words from the prompt",
    "share of the prompt's word pairs",
    "share of word pairs from the prompt",
    "share of the prompt's trigrams",
    "share of trigrams from the prompt",
    "share of the prompt's numbers",
    "share of numbers not in the prompt",
    "share of the prompt's names",
    "same words at the start as the prompt",
    "same first word as the prompt",
    "equal to the prompt",
)


class Text:
    """Hold a text and what is counted in it, each when it is first asked for."""

    def __init__(self, text: str, turns: Sequence[tuple[str, str]] = ()) -> None:
        """Take a text, and of a prompt the roles and contents of its messages."""
        self.whole = text
        self.turns = turns
        self.text = text.strip()[:LONGEST_READ]
        self.lower = self.text.lower()
        self.words: list[str] = WORD.findall(self.lower)

    @cached_property
    def different(self) -> set[str]:
        return set(self.words)

    @cached_property
    def pairs(self) -> set[tuple[str, str]]:
        return set(pairwise(self.words))

    @cached_property
    def trigrams(self) -> set[str]:
        text = self.lower[:MOST_TRIGRAMS]
        return {text[place : place + 3] for place in range(len(text) - 2)}

    @cached_property
    def numbers(self) -> set[str]:
        return set(NUMBER.findall(self.text))

    @cached_property
    def names(self) -> set[str]:
        return set(NAME.findall(self.text))


def features(prompt: Text, response: Text) -> list[float]:
    """Return the numbers (F,) that FEATURES names."""
    text, words, count = response.text, response.words, len(response.words)
    characters = math.log1p(len(response.whole))
    log_words, asked = math.log1p(count), math.log1p(len(prompt.words))
    sentences = len(SENTENCE_END.findall(text))
    commonest = max(Counter(words).values(), default=0)
    repeated = sum(map(str.__eq__, words, words[1:]))
    longer = log_words - asked
    logs = (
        text.count("\n"),
        text.count("\n\n"),
        sentences,
        len(LIST_MARK.findall(text)),
        len(STRESS.findall(text)),
        text.count("```"),
        text.count(","),
        text.count(":"),
        text.count("("),
        text.count('"'),
    )
    return [
        characters,
        characters**2,
        log_words,
        *map(math.log1p, logs),
        sum(map(len, words)) / max(1, count),
        count / max(1, sentences),
        _share(len(response.different), count),
        _share(commonest, count),
        _share(repeated, count),
        _compressed(text),
        _share(len(CAPITAL.findall(text)), len(text)),
        _share(len(DIGIT.findall(text)), len(text)),
        _share(len(FOREIGN.findall(text)), len(text)),
        float(text[:1].isupper()),
        float(text.endswith((".", "!", "?", '"', "'", ")", "]", "}", "`"))),
        float("?" in text),
        float("!" in text),
        float("http" in text),
        float(not text),
        float(len(response.whole) != len(response.whole.strip())),
        longer,
        abs(longer),
        longer**2,
        log_words * asked,
        *_overlap(prompt.different, response.different),
        *_overlap(prompt.pairs, response.pairs),
        *_overlap(prompt.trigrams, response.trigrams),
        _share(len(prompt.numbers & response.numbers), len(prompt.numbers)),
        _share(len(response.numbers - prompt.numbers), len(response.numbers)),
        _share(len(prompt.names & response.names), len(prompt.names)),
        _share(_same_start(prompt.words, words), count),
        float(bool(words) and words[:1] == prompt.words[:1]),
        float(response.lower == prompt.lower),
    ]


def word_counts(response: Text, buckets: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the buckets of the text's words and word pairs, and 1 + log(count) of each.

    Words are hashed instead of listed (Weinberger et al., arXiv 0902.2206).
    """
    hashes = np.array([word_hash(sign) for sign in SIGN.findall(response.lower)], np.int64)
    pairs = hashes[:-1] * PAIR_FACTOR + hashes[1:]
    places, counts = np.unique(np.concatenate([hashes, pairs]) % buckets, return_counts=True)
    return places, 1 + np.log(counts.astype(np.float32))


@lru_cache(1 << 16)
def word_hash(word: str) -> int:
    """Return the CRC-32 of a word, which is the same on every machine."""
    return zlib.crc32(word.encode("utf-8", "replace"))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _overlap(ours: set[Part], theirs: set[Part]) -> tuple[float, float]:
    """Return the share of `ours` that `theirs` has too, and the reverse."""
    both = len(ours & theirs)
    return _share(both, len(ours)), _share(both, len(theirs))


def _same_start(ours: list[str], theirs: list[str]) -> int:
    """Return how many words at the start of both texts are equal."""
    count = 0
    for one, other in zip(ours, theirs, strict=False):
        if one != other:
            break
        count += 1
    return count


def _compressed(text: str) -> float:
    """Return the share of its size that a text has left when compressed; less for short ones."""
    raw = text.encode("utf-8", "replace")
    share = len(zlib.compress(raw, 1)) / max(1, len(raw))
    return share * min(1.0, len(raw) / 200)
