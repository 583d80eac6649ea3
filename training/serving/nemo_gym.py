"""The dialect of NeMo Gym, whose requests hold the output of a Responses API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from training.rankings import Message
from training.serving.conversations import NotUnderstoodError, role_of, text_of
from training.serving.foreign import check_messages, read_asked
from training.serving.items import Item, Scored
from training.serving.request import Entries, Request, answer_item

if TYPE_CHECKING:
    from training.serving.model import ServedModel


class ResponsesInput(BaseModel):
    """The request that a response answers, in the form of OpenAI's Responses API."""

    model_config = ConfigDict(strict=True, extra="allow")

    input: str | Entries[dict[str, Any]]
    instructions: str | None = None


class ResponsesOutput(BaseModel):
    """A response in the form of OpenAI's Responses API."""

    model_config = ConfigDict(strict=True, extra="allow")

    output: Entries[dict[str, Any]]


class NemoGymRequest(Request):
    """POST /verify of NeMo Gym, whose answer repeats the request."""

    model_config = ConfigDict(strict=True, extra="allow")
    says_invalid: ClassVar[bool] = True

    responses_create_params: ResponsesInput = Field(
        description="an object with input, a text or a list of messages"
    )
    response: ResponsesOutput = Field(description="an object with output, a list")

    def items(self, model: ServedModel) -> list[Item]:
        given = self.responses_create_params
        try:
            if isinstance(given.input, str):
                prompt = read_asked(given.input)
            else:
                prompt = [spoken(one) for one in given.input]
                check_messages(prompt)
            if given.instructions:
                instructions: Message = {"role": "system", "content": given.instructions}
                check_messages([instructions])
                prompt.insert(0, instructions)
            said = [spoken(one) for one in self.response.output if is_message(one)]
            check_messages(said[:-1])
        except NotUnderstoodError as error:
            return [Item(problem=str(error))]
        if not said:
            return [Item(prompt, "")]
        return [answer_item([*prompt, *said[:-1]], said[-1]["content"])]

    def answer(self, scored: Sequence[Scored], model: ServedModel) -> Any:
        (one,) = scored
        return self.model_dump() | {
            "reward": 0.0 if one.reward is None else one.reward,
            "mask_sample": one.reward is None or one.kind is not None,
            "failure_kind": one.kind,
            "failure_reason": one.problem or None,
        }


def is_message(output: dict[str, Any]) -> bool:
    return output.get("type", "message") == "message"


def spoken(one: dict[str, Any]) -> Message:
    """Return an entry of the Responses API as a message. Raises NotUnderstoodError."""
    if not is_message(one) or not isinstance(one.get("role"), str):
        raise NotUnderstoodError("the input has an entry that is not a message")
    content = one.get("content")
    if content is not None and not isinstance(content, str | list):
        raise NotUnderstoodError("the content of a message is neither text nor a list")
    return {"role": role_of(one["role"]), "content": text_of(content)}
