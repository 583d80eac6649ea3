"""The requests and answers of the trainers and servers whose clients may call the service."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, model_validator

from training.serving.items import Item, Scored
from training.serving.request import (
    MESSAGES,
    TEXTS,
    Entries,
    Messages,
    Request,
    conversation_item,
    pair_item,
    rewards_of,
    text_item,
)

if TYPE_CHECKING:
    from training.serving.model import ServedModel

MOST_TOKENS = 1 << 17
"""Token ids of a text at most."""
Strings = Entries[str] | str
TokenIds = Annotated[list[int], Field(max_length=MOST_TOKENS, fail_fast=True)]
Input = Strings | TokenIds | Entries[TokenIds]
INPUT = "a text, a list of texts, token ids or a list of them"


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

    query: Entries[str] = Field(min_length=1, description=TEXTS)
    prompts: Entries[Any] | None = Field(None, description="a list with a prompt for each query")
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
        if not isinstance(prompt, str) or not prompt or not text.startswith(prompt):
            return text_item(text)
        return pair_item(prompt, text.removeprefix(prompt))

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
    messages: Entries[str] = Field(min_length=1, description=TEXTS)

    def items(self, model: ServedModel) -> list[Item]:
        return [text_item(text) for text in self.messages]

    def answer(self, scored: Sequence[Scored], model: ServedModel) -> Any:
        return {"scores": rewards_of(scored)}


def classify_request(body: object) -> type[Request]:
    """Return the dialect of a request to /classify, which vLLM and SGLang share."""
    return SglangRequest if isinstance(body, dict) and "text" in body else VllmRequest
