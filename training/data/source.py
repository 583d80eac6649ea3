"""The interface of a source of rankings: prompts with their responses and their rankings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from training.rankings import Identifier, Message, Ranking


@dataclass(frozen=True, slots=True)
class Response:
    id: Identifier
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """Hold one prompt. A source may give the same prompt, by its hash, several times."""

    id: Identifier
    content_hash: str
    messages: list[Message]
    responses: tuple[Response, ...]
    rankings: tuple[Ranking, ...]


Tick = Callable[[int], object]
"""Take note of a number: how much is read."""


def ignore(number: int) -> None:
    """Ignore the progress."""


class Source(Protocol):
    """The prompts of a project or of a file, as a stream."""

    name: str

    def identity(self) -> str:
        """Return a text that stays the same for as long as it is the same source."""
        ...

    def size(self) -> int:
        """Return how much there is to read, in units of the source's own."""
        ...

    def prompts(self, tick: Tick = ignore) -> Iterator[Prompt]:
        """Yield the prompts that have responses, with their rankings.

        `tick` is called after each with how much of the source's size is read.
        """
        ...

    def ranking_versions(self) -> list[dict[str, Any]]:
        """Return what is known of the versions of the rankings that `prompts` yielded.

        Each is an object of version, rankings (their number), and first and last (when they were
        given, ISO 8601).
        """
        ...
