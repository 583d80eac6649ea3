"""Rankings as token ids, on two sides: to learn from, and held out to judge by.

Shapes: P prompt tokens, R response tokens.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from training.config import TrainConfig
from training.errors import UserError
from training.layout import Example, Tokens
from training.pairs import Identifier, Message, Ranking, held_out_hashes
from training.records import Prompt, Response, Source
from training.text import TemplateRefusedError, TextEncoder

TEXTS_SHOWN = 8
"""Held-out prompts whose texts are kept, to be shown in TensorBoard."""


@dataclass(slots=True)
class TokenizedPrompt:
    """A prompt with those of its responses that some ranking names."""

    id: Identifier
    content_hash: str
    tokens: Tokens
    responses: list[Tokens] = field(default_factory=list)
    characters: list[int] = field(default_factory=list)
    """Length of each response's text."""
    places: dict[Identifier, int] = field(default_factory=dict)
    """Place of each response in the lists, by id."""
    messages: list[Message] | None = None
    """The prompt itself, where its texts are kept."""
    texts: list[str] = field(default_factory=list)
    """The responses' texts, where they are kept."""


@dataclass(frozen=True, slots=True)
class TokenizedRanking:
    prompt: TokenizedPrompt
    places: tuple[int, ...]
    """Of the ranked responses, in the prompt's lists."""
    ranks: tuple[int, ...]
    labeller: str | None

    def example(self) -> Example:
        return Example(self.prompt.tokens, [self.prompt.responses[place] for place in self.places])


@dataclass(slots=True)
class Counts:
    """What there was, and what became of it."""

    prompts: int = 0
    rankings: int = 0
    comparisons: int = 0
    all_tied: int = 0
    """Rankings without a comparison: not trained on."""
    train_prompts: int = 0
    train_rankings: int = 0
    held_out_prompts: int = 0
    held_out_rankings: int = 0
    truncated_prompts: int = 0
    truncated_responses: int = 0
    dropped_prompts: int = 0
    """Prompts that the model's chat template refuses."""
    dropped_rankings: int = 0
    tokens: int = 0
    """Of all prompts and responses that are used, each counted once."""


@dataclass(slots=True)
class Survey:
    """A first look at a source: what can be compared, and on which side each prompt falls."""

    usable: set[str]
    """Hashes of the prompts with a comparison."""
    held_out: frozenset[str]
    counts: Counts
    sha256: str
    """Of all rankings that have a comparison, in any order."""


@dataclass(slots=True)
class Dataset:
    train: list[TokenizedRanking]
    held_out: list[TokenizedRanking]
    counts: Counts

    def held_out_prompts(self) -> list[TokenizedPrompt]:
        """Each once, in the order of the source."""
        prompts = {ranking.prompt.content_hash: ranking.prompt for ranking in self.held_out}
        return list(prompts.values())


def survey(source: Source, config: TrainConfig) -> Survey:
    """Read the source once. Raises UserError where there is too little to learn from."""
    counts = Counts()
    seen: set[str] = set()
    usable: set[str] = set()
    digests: list[bytes] = []
    for prompt in source.prompts():
        if prompt.rankings:
            seen.add(prompt.content_hash)
        for ranking in prompt.rankings:
            counts.rankings += 1
            if not ranking.has_comparison():
                counts.all_tied += 1
                continue
            usable.add(prompt.content_hash)
            counts.comparisons += len(ranking.comparisons())
            digests.append(_digest(prompt, ranking))
    counts.prompts = len(seen)
    if len(usable) < 2:
        raise UserError(
            f"training needs at least two prompts with a comparison; {source.name} has"
            f" {len(usable)} ({counts.rankings} rankings, {counts.all_tied} of them all tied)"
        )
    return Survey(
        usable=usable,
        held_out=held_out_hashes(usable, config.held_out_fraction, config.split),
        counts=counts,
        sha256=hashlib.sha256(b"".join(sorted(digests))).hexdigest(),
    )


def training_texts(source: Source, looked: Survey) -> Iterator[str]:
    """Prompts and ranked responses of the training side: what a tokenizer may be trained on.

    Each once, also where a source gives a prompt several times.
    """
    seen: set[int] = set()
    for prompt in source.prompts():
        if prompt.content_hash not in looked.usable or prompt.content_hash in looked.held_out:
            continue
        texts = [message["content"] for message in prompt.messages]
        for text in [*texts, *(response.text for response in _ranked(prompt))]:
            name = hash((prompt.content_hash, text))
            if name not in seen:
                seen.add(name)
                yield text


def tokenize(source: Source, looked: Survey, encoder: TextEncoder) -> Dataset:
    """Read the source once more, into token ids. Raises UserError if too little is left."""
    found: dict[str, TokenizedPrompt] = {}
    refused: set[str] = set()
    shown = set(sorted(looked.held_out)[:TEXTS_SHOWN])
    dataset = Dataset([], [], looked.counts)
    for prompt in source.prompts():
        name = prompt.content_hash
        if name not in looked.usable:
            continue
        usable = [ranking for ranking in prompt.rankings if ranking.has_comparison()]
        try:
            if name not in found:
                found[name] = TokenizedPrompt(prompt.id, name, encoder.prompt(prompt.messages))
        except TemplateRefusedError:
            refused.add(name)
            looked.counts.dropped_rankings += len(usable)
            continue
        if name in shown:
            found[name].messages = prompt.messages
        side = dataset.held_out if name in looked.held_out else dataset.train
        side += _tokenize_rankings(prompt, usable, found[name], encoder)
    _count(dataset, found, refused, encoder)
    if not dataset.train or not dataset.held_out:
        raise UserError(
            f"the model's chat template refuses {len(refused)} of {len(looked.usable)} prompts,"
            " and too few are left; choose another model"
        )
    return dataset


def _tokenize_rankings(
    prompt: Prompt, rankings: list[Ranking], into: TokenizedPrompt, encoder: TextEncoder
) -> Iterator[TokenizedRanking]:
    new = [response for response in _ranked(prompt) if response.id not in into.places]
    for response, tokens in zip(
        new, encoder.responses([response.text for response in new]), strict=True
    ):
        into.places[response.id] = len(into.responses)
        into.responses.append(tokens)
        into.characters.append(len(response.text))
        if into.messages is not None:
            into.texts.append(response.text)
    for ranking in rankings:
        places = tuple(into.places[name] for name in ranking.responses)
        yield TokenizedRanking(into, places, ranking.ranks, ranking.labeller)


def _ranked(prompt: Prompt) -> list[Response]:
    """The responses that a ranking with a comparison names."""
    names = {
        name
        for ranking in prompt.rankings
        if ranking.has_comparison()
        for name in ranking.responses
    }
    return [response for response in prompt.responses if response.id in names]


def _count(
    dataset: Dataset, found: dict[str, TokenizedPrompt], refused: set[str], encoder: TextEncoder
) -> None:
    counts = dataset.counts
    counts.train_rankings = len(dataset.train)
    counts.train_prompts = len({ranking.prompt.content_hash for ranking in dataset.train})
    counts.held_out_rankings = len(dataset.held_out)
    counts.held_out_prompts = len(dataset.held_out_prompts())
    counts.truncated_prompts = encoder.prompts_cut
    counts.truncated_responses = encoder.responses_cut
    counts.dropped_prompts = len(refused)
    counts.tokens = sum(
        len(prompt.tokens) + sum(len(tokens) for tokens in prompt.responses)
        for prompt in found.values()
    )


def _digest(prompt: Prompt, ranking: Ranking) -> bytes:
    """SHA-256 of who ranked what how, whatever the ids and the order of responses."""
    texts = {response.id: response.text for response in prompt.responses}
    placed = sorted(
        (hashlib.sha256(texts[name].encode("utf-8", "surrogatepass")).hexdigest(), rank)
        for name, rank in zip(ranking.responses, ranking.ranks, strict=True)
    )
    line = json.dumps([prompt.content_hash, ranking.labeller, placed])
    return hashlib.sha256(line.encode()).digest()
