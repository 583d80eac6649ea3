"""What the dialects share: a request, its messages, and the items that it asks to score.

Each dialect is a pydantic model of its request, which gives the items to score, and the answer in
the form that the client reads. The clients send more keys than are read here; they are ignored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from training.rankings import Message
from training.serving.conversations import (
    NotUnderstoodError,
    begins_turn,
    read_conversation,
    read_prompt,
    read_response,
    role_of,
    text_of,
)
from training.serving.foreign import check_messages, read_answer
from training.serving.items import MOST, Item, Scored

if TYPE_CHECKING:
    from training.serving.model import ServedModel

MESSAGES = "a list of objects with role and content"
TEXTS = "a list of at least one text"


Entry = TypeVar("Entry")
# The first wrong entry is enough: there may be a million.
Entries = Annotated[list[Entry], Field(max_length=MOST, fail_fast=True)]


class Request(BaseModel):
    """A request in some dialect."""

    model_config = ConfigDict(strict=True, extra="ignore")

    says_invalid: ClassVar[bool] = False
    """True if an answer can say of single responses that they have no valid reward."""

    @property
    def wants_intervals(self) -> bool:
        """Return True if the answer is to say how sure the model is."""
        return False

    def items(self, model: ServedModel) -> list[Item]:
        """Return the responses to score."""
        raise NotImplementedError

    def answer(self, scored: Sequence[Scored], model: ServedModel) -> Any:
        """Return what the client reads."""
        raise NotImplementedError


class ChatMessage(BaseModel):
    """A message in the form of OpenAI's API."""

    model_config = ConfigDict(strict=True, extra="ignore")

    role: str
    content: str | list[dict[str, Any]] | None = None

    def message(self) -> Message:
        """Return the message as the rest of Podium has it. Raises NotUnderstoodError."""
        return {"role": role_of(self.role), "content": text_of(self.content)}


Messages = Entries[ChatMessage]


def messages_of(given: Iterable[ChatMessage]) -> list[Message]:
    """Return the messages of a prompt, none of which is in a chat template.

    Raises NotUnderstoodError.
    """
    messages = [message.message() for message in given]
    check_messages(messages)
    return messages


def answer_item(prompt: Sequence[Message], response: str) -> Item:
    """Return the item of a response to a prompt, without the control tokens that end it."""
    try:
        return Item(prompt, read_answer(response))
    except NotUnderstoodError as error:
        return Item(problem=str(error))


def conversation_item(given: Sequence[ChatMessage]) -> Item:
    """Return the item whose response is the last message."""
    try:
        prompt = messages_of(given[:-1])
        (last,) = [message.message() for message in given[-1:]]
    except NotUnderstoodError as error:
        return Item(problem=str(error))
    if not prompt or last["role"] != "assistant":
        return Item(problem="the messages do not end with an answer of the assistant")
    return answer_item(prompt, last["content"])


def text_item(text: str) -> Item:
    """Return the item of a conversation that a chat template wrote."""
    try:
        whole = read_conversation(text)
    except NotUnderstoodError as error:
        return Item(problem=str(error))
    return Item(whole[:-1], whole[-1]["content"])


def pair_item(prompt: str | Messages, response: str) -> Item:
    """Return the item of a prompt, perhaps in a chat template, and what followed it."""
    try:
        if not isinstance(prompt, str):
            return Item(messages_of(prompt), read_response(response))
        if begins_turn(prompt, response):
            return text_item(prompt + response)
        return Item(read_prompt(prompt), read_response(response))
    except NotUnderstoodError as error:
        return Item(problem=str(error))


def rewards_of(scored: Sequence[Scored]) -> list[float]:
    """Return the rewards, all of which must be valid."""
    return [math.nan if one.reward is None else one.reward for one in scored]
