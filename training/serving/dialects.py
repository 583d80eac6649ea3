"""The requests and answers of the trainers and servers whose clients may call the service.

Each dialect is a pydantic model of its request, which gives the items to score, and the answer in
the form that the client reads. The clients send more keys than are read here; they are ignored.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from training.rankings import Message
from training.runs.outcomes import Outcome
from training.serving.conversations import (
    NotUnderstoodError,
    read_conversation,
    read_prompt,
    read_response,
    role_of,
    text_of,
)
from training.serving.items import Item, Scored

if TYPE_CHECKING:
    from training.serving.model import ServedModel

MOST = 1024
"""Responses of a request at most."""
MOST_PAIRED = 64
"""Responses of a request whose pairs have probabilities: there are the square of them."""
Strings = list[str] | str
TokenIds = list[int]
Input = Strings | TokenIds | list[TokenIds]
INPUT = "a text, a list of texts, token ids or a list of them"
MESSAGES = "a list of objects with role and content"
TEXTS = "a list of at least one text"


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


Messages = list[ChatMessage]


def conversation_item(messages: Iterable[ChatMessage]) -> Item:
    """Return the item whose response is the last message."""
    try:
        whole = [message.message() for message in messages]
    except NotUnderstoodError as error:
        return Item(problem=str(error))
    if len(whole) < 2 or whole[-1]["role"] != "assistant":
        return Item(problem="the messages do not end with an answer of the assistant")
    return Item(whole[:-1], whole[-1]["content"])


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
        if isinstance(prompt, str):
            return Item(read_prompt(prompt), read_response(response))
        return Item([message.message() for message in prompt], read_response(response))
    except NotUnderstoodError as error:
        return Item(problem=str(error))


def texts_of(given: Input, model: ServedModel) -> list[str]:
    """Return the texts of an input, which may be token ids of the model's own tokenizer."""
    if isinstance(given, str):
        return [given]
    if all(isinstance(one, str) for one in given):
        return [str(one) for one in given]
    rows: Any = [given] if isinstance(given[0], int) else given
    size = len(model.backbone.tokenizer)
    return [
        # An id beyond the vocabulary stands for nothing; the text is then refused as it is.
        str(model.backbone.tokenizer.decode([one for one in row if 0 <= one < size]))
        for row in rows
    ]


def usage(scored: Sequence[Scored]) -> dict[str, int]:
    tokens = sum(one.tokens for one in scored)
    return {"prompt_tokens": tokens, "total_tokens": tokens, "completion_tokens": 0}


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-max(value, -700.0)))


def rewards_of(scored: Sequence[Scored]) -> list[float]:
    """Return the rewards, all of which must be valid."""
    return [math.nan if one.reward is None else one.reward for one in scored]


class VllmRequest(Request):
    """POST /classify of vLLM, which verl calls too."""

    model: str | None = None
    input: Input | None = Field(None, description=INPUT)
    messages: Messages | None = Field(None, description=MESSAGES)
    use_activation: bool | None = Field(None, description="true or false")

    @model_validator(mode="after")
    def has_input(self) -> Self:
        if not self.input and not self.messages:
            raise ValueError("give input (text in a chat template) or messages")
        return self

    def items(self, model: ServedModel) -> list[Item]:
        if self.messages:
            return [conversation_item(self.messages)]
        return [text_item(text) for text in texts_of(self.input or [], model)]

    def answer(self, scored: Sequence[Scored], model: ServedModel) -> Any:
        rewards = rewards_of(scored)
        if self.use_activation:
            rewards = [sigmoid(reward) for reward in rewards]
        return {
            "id": f"classify-{uuid.uuid4().hex}",
            "object": "list",
            "created": int(time.time()),
            "model": self.model or model.name,
            "data": [
                {"index": place, "label": "LABEL_0", "probs": [reward], "num_classes": 1}
                for place, reward in enumerate(rewards)
            ],
            "usage": usage(scored),
        }


class SglangRequest(Request):
    """POST /classify of SGLang."""

    model: str | None = None
    text: Strings = Field(min_length=1, description="a text or a list of texts")

    def items(self, model: ServedModel) -> list[Item]:
        return [text_item(text) for text in texts_of(self.text, model)]

    def answer(self, scored: Sequence[Scored], model: ServedModel) -> Any:
        found = [
            {
                "embedding": [reward],
                "meta_info": {"id": uuid.uuid4().hex, "prompt_tokens": one.tokens},
            }
            for reward, one in zip(rewards_of(scored), scored, strict=True)
        ]
        return found[0] if isinstance(self.text, str) else found


class EmbeddingsRequest(Request):
    """POST /v1/embeddings of SGLang, which verl calls for rewards."""

    model: str | None = None
    input: Input = Field(min_length=1, description=INPUT)

    def items(self, model: ServedModel) -> list[Item]:
        return [text_item(text) for text in texts_of(self.input, model)]

    def answer(self, scored: Sequence[Scored], model: ServedModel) -> Any:
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": place, "embedding": [reward]}
                for place, reward in enumerate(rewards_of(scored))
            ],
            "model": self.model or model.name,
            "usage": usage(scored),
        }


class OpenRlhfRequest(Request):
    """POST /get_reward of OpenRLHF: whole texts, and perhaps the prompts that they begin with."""

    query: list[str] = Field(min_length=1, description=TEXTS)
    prompts: list[Any] | None = Field(None, description="a list with a prompt for each query")
    labels: Any = None

    @model_validator(mode="after")
    def has_a_prompt_for_each(self) -> Self:
        if self.prompts and len(self.prompts) != len(self.query):
            raise ValueError(
                f"query has {len(self.query)} texts and prompts has {len(self.prompts)}"
            )
        return self

    def items(self, model: ServedModel) -> list[Item]:
        prompts = self.prompts or [None] * len(self.query)
        return [self.item(text, prompt) for text, prompt in zip(self.query, prompts, strict=True)]

    @staticmethod
    def item(text: str, prompt: object) -> Item:
        if isinstance(prompt, str) and prompt and text.startswith(prompt):
            return pair_item(prompt, text.removeprefix(prompt))
        return text_item(text)

    def answer(self, scored: Sequence[Scored], model: ServedModel) -> Any:
        rewards = rewards_of(scored)
        return {
            "rewards": rewards,
            "scores": rewards,
            "extra_logs": {
                "standardised": [model.standardised(reward) for reward in rewards],
                "valid": [float(one.kind is None) for one in scored],
            },
        }


class SlimeRequest(Request):
    """The reward request of slime, whose answer is a bare number."""

    prompt: str | Messages = Field(description=f"a text or {MESSAGES}")
    response: str = Field(description="a text")
    label: Any = None

    def items(self, model: ServedModel) -> list[Item]:
        return [pair_item(self.prompt, self.response)]

    def answer(self, scored: Sequence[Scored], model: ServedModel) -> Any:
        return rewards_of(scored)[0]


class LlamaFactoryRequest(Request):
    """The reward request of LLaMA-Factory: whole texts, called messages."""

    model: str | None = None
    messages: list[str] = Field(min_length=1, description=TEXTS)

    def items(self, model: ServedModel) -> list[Item]:
        return [text_item(text) for text in self.messages]

    def answer(self, scored: Sequence[Scored], model: ServedModel) -> Any:
        return {"scores": rewards_of(scored)}


class ScoreRequest(Request):
    """POST /score, Podium's own: a prompt with the responses to it."""

    says_invalid: ClassVar[bool] = True

    prompt: str | None = Field(None, description="a text")
    messages: Messages | None = Field(None, description=MESSAGES)
    responses: list[str] = Field(min_length=1, description=TEXTS)
    intervals: bool = Field(False, description="true or false")

    @property
    def wants_intervals(self) -> bool:
        return self.intervals and len(self.responses) <= MOST_PAIRED

    @model_validator(mode="after")
    def has_one_prompt(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either prompt (the text of one message) or messages")
        return self

    def items(self, model: ServedModel) -> list[Item]:
        try:
            prompt = [message.message() for message in self.messages or []]
        except NotUnderstoodError as error:
            return [Item(problem=str(error)) for _ in self.responses]
        if self.prompt is not None:
            prompt = [{"role": "user", "content": self.prompt}]
        return [Item(prompt, response) for response in self.responses]

    def answer(self, scored: Sequence[Scored], model: ServedModel) -> Any:
        rewards = [one.reward for one in scored]
        return {
            "model": model.name,
            "run": model.run,
            "digest": model.digest,
            "rewards": rewards,
            "standardised": [
                None if reward is None else model.standardised(reward) for reward in rewards
            ],
            **(
                {
                    "length_partialled": [
                        None if reward is None else model.without_length(reward, response)
                        for reward, response in zip(rewards, self.responses, strict=True)
                    ]
                }
                if model.length is not None
                else {}
            ),
            **self.pairs(scored, model),
            "cut": [list(one.cut) for one in scored],
            "not_valid": [one.problem or None for one in scored],
        }

    def pairs(self, scored: Sequence[Scored], model: ServedModel) -> dict[str, Any]:
        """Return the probabilities of all pairs, or null for more than MOST_PAIRED responses.

        With the intervals, if they are asked for: the probabilities then take them into account.
        """
        rewards = [one.reward for one in scored]
        if len(rewards) > MOST_PAIRED:
            return {"probabilities": None, **({"intervals": None} if self.intervals else {})}
        spread = model.spread(scored) if self.intervals else None
        aware = model.certainty.outcomes if spread is not None and model.certainty else None
        outcomes = aware or model.outcomes
        places = dict(zip(valid(rewards), range(len(rewards)), strict=False))

        def outcome(one: int, other: int) -> Outcome:
            lead = (rewards[one] or 0.0) - (rewards[other] or 0.0)
            variance = spread.variances[places[one], places[other]] if aware and spread else 0.0
            return outcomes.outcome(lead, float(variance))

        found: dict[str, Any] = {
            "probabilities": pairwise(rewards, lambda one, other: outcome(one, other).win)
        }
        if model.outcomes.nu is not None:
            found["ties"] = pairwise(rewards, lambda one, other: outcome(one, other).tie)
        if self.intervals:
            found["intervals"] = spread and [
                None if reward is None else around(reward, float(spread.half_widths[places[place]]))
                for place, reward in enumerate(rewards)
            ]
        return found


def valid(rewards: Sequence[float | None]) -> list[int]:
    """Return the places of the valid rewards."""
    return [place for place, reward in enumerate(rewards) if reward is not None]


def around(reward: float, half_width: float) -> list[float]:
    return [reward - half_width, reward + half_width]


def pairwise(
    rewards: Sequence[float | None], probability: Callable[[int, int], float]
) -> list[list[float | None]]:
    """Return, for each response, a probability of it and each other, given their places."""
    return [
        [
            None
            if one is None or other is None or place == against
            else probability(place, against)
            for against, other in enumerate(rewards)
        ]
        for place, one in enumerate(rewards)
    ]


def classify_request(body: object) -> type[Request]:
    """Return the dialect of a request to /classify, which vLLM and SGLang share."""
    return SglangRequest if isinstance(body, dict) and "text" in body else VllmRequest
