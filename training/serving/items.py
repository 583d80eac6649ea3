"""Responses to be scored, and their rewards. No torch, so that the service starts quickly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple
from unicodedata import category

from training.data.examples import Tokens
from training.rankings import Message

MOST = 1024
"""Responses of a request, and messages of a conversation, at most."""
PIECE_CHARACTERS = 1 << 16
"""Characters that are encoded before other requests take their turn."""
Kind = Literal["empty", "cut", "not_understood"]
"""Reasons for which a response has no valid reward."""


UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})
"""Unicode's categories of control characters, format characters, halves of pairs and spaces."""


def is_blank(text: str) -> bool:
    """Return True for a text without a character that anybody could see."""
    return all(category(character) in UNSEEN for character in text)


class Item(NamedTuple):
    """A response to be scored, with its prompt; or the reason why it cannot be."""

    messages: Sequence[Message] = ()
    response: str = ""
    problem: str = ""


def pieces(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Yield items in pieces of about PIECE_CHARACTERS; a prompt counts once for those in a row."""
    piece: list[Item] = []
    size = 0
    for item in items:
        if not piece or item.messages is not piece[-1].messages:
            size += sum(len(message["content"]) for message in item.messages)
        size += len(item.response)
        piece.append(item)
        if size >= PIECE_CHARACTERS:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


class Encoded(NamedTuple):
    """A response as token ids; or the reason why it has no valid reward."""

    prompt: Tokens | None = None
    response: Tokens | None = None
    cut: tuple[str, ...] = ()
    """The parts that were cut: the prompt, the response, or both."""
    kind: Kind | None = None
    problem: str = ""
    features: bool = False
    """True if the features of the model's last layer are asked for, too."""

    @property
    def valid(self) -> bool:
        return self.kind is None

    @property
    def size(self) -> int:
        """Return the number of tokens to compute, without those of the prompt."""
        return 1 if self.response is None else len(self.response)


class Scored(NamedTuple):
    """A reward; or the reason why there is no valid one."""

    reward: float | None
    cut: tuple[str, ...] = ()
    kind: Kind | None = None
    problem: str = ""
    tokens: int = 0
    features: Any = None
    """Features of the model's last layer, one row, if they were asked for."""
