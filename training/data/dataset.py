"""Rankings as token ids, split into a training side and a held-out side.

They are read one at a time from memory-mapped Arrow files (training/data/token_cache.py), and take
no memory until they are read.

Shapes: P prompt tokens, R response tokens.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import overload

import numpy as np
from numpy.typing import NDArray

from training.data.arrow_table import Lists, Table
from training.data.examples import Example, Tokens
from training.data.staging import SourceCounts
from training.rankings import Identifier, Kind, Message

READS_PER_RELEASE = 256
"""Prompts read before the pages of the memory map are released."""


@dataclass(slots=True)
class TokenizedPrompt:
    """Hold a prompt with those of its responses that some ranking names."""

    id: Identifier
    content_hash: str
    tokens: Tokens
    responses: list[Tokens] = field(default_factory=list)
    characters: list[int] = field(default_factory=list)
    """Length of each response's text."""
    words: list[int] = field(default_factory=list)
    """Number of words in each response's text, separated by white space."""
    messages: list[Message] | None = None
    """The prompt itself, where texts were asked for."""
    texts: list[str] = field(default_factory=list)
    """The responses' texts, where they were asked for."""


@dataclass(frozen=True, slots=True)
class TokenizedRanking:
    """Hold a ranking of a tokenised prompt's responses."""

    prompt: TokenizedPrompt
    places: tuple[int, ...]
    """Places of the ranked responses in the prompt's lists."""
    ranks: tuple[int, ...]
    labeller: str | None
    groups: tuple[int, ...] = ()
    """Numbers that responses share which read the same after the cut; empty where all differ."""

    def in_order(self, places: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the ranks and the groups of the responses at these places of the prompt's lists.

        The rank of a response that is not in the ranking is 0.
        """
        ranks = dict(zip(self.places, self.ranks, strict=True))
        groups = dict(zip(self.places, self.groups, strict=False))
        return (
            tuple(ranks.get(place, 0) for place in places),
            tuple(groups.get(place, NO_GROUP) for place in places) if groups else (),
        )


NO_GROUP = -1
"""Number in the groups of a ranking of responses that are not in it."""


@dataclass(frozen=True, slots=True)
class Element:
    """Hold some responses to a prompt, which are computed once, and the rankings of them."""

    prompt: TokenizedPrompt
    places: tuple[int, ...]
    """Places of the responses in the prompt's lists."""
    rankings: tuple[TokenizedRanking, ...]
    """Rankings of these responses, or of some of them."""

    @classmethod
    def of(cls, rankings: Sequence[TokenizedRanking]) -> Element:
        """Return rankings of one prompt as an element.

        One of them must name every response that the others name.
        """
        largest = max(rankings, key=lambda ranking: len(ranking.places))
        return cls(largest.prompt, largest.places, tuple(rankings))

    def example(self) -> Example:
        """Return the prompt and the responses, to be scored together."""
        return Example(self.prompt.tokens, [self.prompt.responses[place] for place in self.places])


@dataclass(slots=True)
class Counts(SourceCounts):
    """Count the contents of a source and of the dataset made from it."""

    train_prompts: int = 0
    train_rankings: int = 0
    held_out_prompts: int = 0
    held_out_rankings: int = 0
    truncated_prompts: int = 0
    truncated_responses: int = 0
    dropped_prompts: int = 0
    """Prompts that the model's chat template refuses."""
    dropped_rankings: int = 0
    refusals: dict[str, int] = field(default_factory=dict)
    """Prompts by the reason that the template gives for refusing them, the most frequent ones."""
    folded_prompts: int = 0
    """Prompts whose system message the chat template puts into the first user message."""
    cut_equal_comparisons: int = 0
    """Comparisons of different responses that are equal after the cut: left out."""
    cut_equal_rankings: int = 0
    """Rankings that have no comparison left for that reason: left out."""
    tokens: int = 0
    """Tokens of all prompts and responses that are used, each counted once."""


class Prompts:
    """Read the prompts of both sides, by their row."""

    def __init__(self, tokens: Table, texts: Table) -> None:
        self._tables = (tokens, texts)
        self._read = 0
        self._hashes = tokens.lists("hash")
        self._ids = tokens.lists("id")
        self._tokens = tokens.lists("tokens")
        self._lengths = tokens.lists("lengths")
        self._characters = tokens.lists("characters")
        self._words = tokens.lists("words")
        self._texts = texts.lists("texts")

    def read(self, row: int, *, texts: bool = False) -> TokenizedPrompt:
        """Return a prompt, with its texts if they are asked for."""
        self._read += 1
        if self._read % READS_PER_RELEASE == 0:
            for table in self._tables:
                table.release_pages()
        prompt, *responses = np.split(
            self._tokens[row].astype(np.int32), np.cumsum(self._lengths[row])[:-1]
        )
        found = TokenizedPrompt(
            id=self.id(row),
            content_hash=self._hashes[row].tobytes().decode(),
            tokens=prompt,
            responses=responses,
            characters=self._characters[row].tolist(),
            words=self._words[row].tolist(),
        )
        if texts:
            found.messages, found.texts = json.loads(self._texts[row].tobytes())
        return found

    def count_responses(self, row: int) -> int:
        """Return the number of a prompt's responses."""
        return len(self._lengths[row]) - 1

    def id(self, row: int) -> Identifier:
        """Return the id of a prompt."""
        found: Identifier = json.loads(self._ids[row].tobytes())
        return found


class Rankings(Sequence[TokenizedRanking]):
    """Read the rankings of one side, in the order of the source, grouped by prompt."""

    prompt_rows: NDArray[np.int64]
    """Row of each ranking's prompt, ascending."""
    tokens: NDArray[np.int64]
    """Tokens of each ranking: P + the sum of R."""
    ranks: Lists
    """Ranks of each ranking, without its tokens."""
    places: Lists
    """Places of each ranking's responses in its prompt's lists."""
    groups: Lists
    """Numbers shared by responses that read the same; an empty row where all differ."""
    labeller_codes: NDArray[np.int32]
    labellers: Sequence[str | None]
    """Labellers' names by their codes."""
    kinds: Sequence[Kind]
    """Kinds of their rankings, by the same codes."""

    def __init__(
        self,
        table: Table,
        prompts: Prompts,
        labellers: Sequence[str | None],
        kinds: Sequence[Kind],
    ) -> None:
        self.prompt_rows = table.numbers("prompt")
        self.tokens = table.numbers("tokens")
        self.ranks = table.lists("ranks")
        self.places = table.lists("places")
        self.groups = table.lists("groups")
        self.labeller_codes = table.numbers("labeller")
        self.labellers = labellers
        self.kinds = kinds
        self._prompts = prompts

    def __len__(self) -> int:
        return len(self.prompt_rows)

    @overload
    def __getitem__(self, place: int) -> TokenizedRanking: ...
    @overload
    def __getitem__(self, place: slice) -> list[TokenizedRanking]: ...
    def __getitem__(self, place: int | slice) -> TokenizedRanking | list[TokenizedRanking]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        place = range(len(self))[place]
        return self._ranking(place, self._prompts.read(int(self.prompt_rows[place])))

    def of_one_prompt(self, places: Sequence[int]) -> list[TokenizedRanking]:
        """Return the rankings at these places, all of one prompt, which is read once."""
        prompt = self._prompts.read(int(self.prompt_rows[places[0]]))
        return [self._ranking(place, prompt) for place in places]

    def by_prompt(
        self, *, every: int = 1, texts: bool = True
    ) -> Iterator[tuple[TokenizedPrompt, list[TokenizedRanking]]]:
        """Yield the prompts of this side with their rankings, or only every nth of them."""
        groups = groupby(range(len(self)), key=self.prompt_rows.__getitem__)
        for row, places in islice(groups, 0, None, every):
            prompt = self._prompts.read(int(row), texts=texts)
            yield prompt, [self._ranking(place, prompt) for place in places]

    def count_prompts(self, every: int = 1) -> int:
        """Return how many prompts by_prompt yields."""
        return -(-len(np.unique(self.prompt_rows)) // every)

    def count_responses(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of the prompts, in order, and the number of each one's responses."""
        rows = np.unique(self.prompt_rows)
        return rows, np.array([self._prompts.count_responses(int(row)) for row in rows])

    def of_prompts(self, rows: NDArray[np.int64]) -> Rankings:
        """Return the rankings of the prompts in these rows."""
        at = np.flatnonzero(np.isin(self.prompt_rows, rows))
        found = copy(self)
        found.prompt_rows = self.prompt_rows[at]
        found.tokens = self.tokens[at]
        found.labeller_codes = self.labeller_codes[at]
        found.ranks = self.ranks.at(at)
        found.places = self.places.at(at)
        found.groups = self.groups.at(at)
        return found

    def _ranking(self, place: int, prompt: TokenizedPrompt) -> TokenizedRanking:
        return TokenizedRanking(
            prompt,
            tuple(self.places[place].tolist()),
            tuple(self.ranks[place].tolist()),
            self.labellers[self.labeller_codes[place]],
            tuple(self.groups[place].tolist()),
        )


@dataclass(slots=True)
class Dataset:
    """Hold the rankings of both sides with their prompts and counts."""

    train: Rankings
    held_out: Rankings
    prompts: Prompts
    counts: Counts
    rankings_sha256: str
    """Digest of all rankings with a comparison, whatever their order."""
    held_out_sha256: str
    """Digest of the held-out comparisons, whatever their order, labellers and tokenizer."""
    key: str
    """Name of its store in the token cache."""

    def held_out_prompts(self) -> Iterator[TokenizedPrompt]:
        """Yield each held-out prompt once, with its texts, in the order of the source."""
        return (prompt for prompt, _ in self.held_out.by_prompt())

    def unseen_ids(self) -> Iterator[Identifier]:
        """Yield the ids of the prompts without a ranking on the training side."""
        for row in np.setdiff1d(self.held_out.prompt_rows, self.train.prompt_rows):
            yield self.prompts.id(int(row))

    def rankings_by_labeller(self) -> tuple[list[int], int]:
        """Return the number of rankings of each named labeller, largest first, and of no name."""
        codes = np.concatenate([self.train.labeller_codes, self.held_out.labeller_codes])
        each = np.bincount(codes, minlength=len(self.train.labellers)).tolist()
        counts: Counter[str | None] = Counter()
        for labeller, rankings in zip(self.train.labellers, each, strict=True):
            counts[labeller] += rankings
        by_nobody = counts.pop(None, 0)
        return sorted(filter(None, counts.values()), reverse=True), by_nobody
