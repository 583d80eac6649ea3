"""What a source of rankings gives: prompts with their responses and the rankings of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from training.rankings import (
    Identifier,
    Message,
    Ranking,
)


@dataclass(frozen=True, slots=True)
class Response:
    id: Identifier
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt. A source may give the same prompt, by its hash, several times."""

    id: Identifier
    content_hash: str
    messages: list[Message]
    responses: tuple[Response, ...]
    rankings: tuple[Ranking, ...]


class Source(Protocol):
    """Where rankings come from. It is read as a stream."""

    name: str

    def identity(self) -> str:
        """What is the same for as long as it is the same source."""
        ...

    def prompts(self) -> Iterator[Prompt]: ...
