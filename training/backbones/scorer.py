"""A frozen reward model inside a model: its score of a response is one more feature.

This file is copied into saved model folders with the model that reads it. It may import only torch,
transformers, and what these need.

A conversation becomes the tokens that it would have in training (training/data/encoder.py): only
the chat template writes special tokens, and contents never pass through it.

Shapes: M conversations, T tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any, Self

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

# Relative, so that transformers saves those files too.
from .embedder import looked_up, plain_config
from .pooled import PodiumPooledConfig, PodiumPooledForSequenceClassification
from .textfeatures import Text

AT_A_TIME = 16
"""Conversations that the reward model reads at once."""
PLACEHOLDER = re.compile("(\u2003?)\ue000(\\d+)\ue001(\u2003?)")
"""Private-use characters for contents; a template that takes the spaces away trims contents."""
TEMPLATES_KEPT = 1024
NAMED_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token")

Turn = tuple[str, str]
"""The role and the content of a message."""
Piece = list[int] | tuple[int, bool, bool]
"""Token ids of a template, or the place of a content and the sides on which it is trimmed."""


class Scorer(nn.Module):
    """A frozen reward model with its tokenizer and its chat template."""

    tokenizer: Tensor
    """The tokenizer, its special tokens and the chat template as JSON, in bytes."""

    def __init__(self, config: dict[str, Any], tokenizer_bytes: int, most: int) -> None:
        """Make a model of this configuration, which reads `most` tokens of a conversation."""
        super().__init__()
        self.model = new_model(config)
        self.model.requires_grad_(False)
        self.register_buffer("tokenizer", torch.zeros(tokenizer_bytes, dtype=torch.uint8))
        self.most = most
        self.cache: Any = None
        """Where scores are looked up before they are computed: an EmbeddingCache, or None."""
        self._template = lru_cache(TEMPLATES_KEPT)(self._fill_in)

    @classmethod
    def of(
        cls, reward_model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, most: int
    ) -> Self:
        """Return a scorer of a loaded reward model, which it freezes."""
        raw = stored_tokenizer(tokenizer)
        with torch.device("meta"):  # its weights are there already
            scorer = cls(plain_config(reward_model), len(raw), most)
        scorer.model = reward_model.requires_grad_(False)
        scorer.tokenizer = torch.frombuffer(bytearray(raw), dtype=torch.uint8)
        return scorer

    def forward(self, prompts: Sequence[Text], responses: Sequence[Text]) -> Tensor:
        """Return the scores (M, 1) of responses, given the prompt of each."""
        conversations = [
            json.dumps([prompt.turns, response.whole])
            for prompt, response in zip(prompts, responses, strict=True)
        ]
        return looked_up(self.cache, conversations, self._compute).to(self.model.device)

    def tokens(self, turns: Sequence[Turn], response: str) -> list[int]:
        """Return the token ids of a conversation; the oldest of its prompt are cut.

        Raises ValueError where the chat template refuses even a single message.
        """
        tokenizer = self._tokenizer
        prompt = self._prompt_tokens(turns)
        # BERT and its like have a separator in its place.
        ends = (tokenizer.eos_token_id, tokenizer.sep_token_id)
        end = next(token for token in ends if isinstance(token, int))
        answer = [*self._encode(response, special=False)[: self.most // 2 - 1], end]
        surplus = len(prompt) + len(answer) - self.most
        if surplus > 0:
            kept = int(prompt[0] in (tokenizer.bos_token_id, tokenizer.cls_token_id))
            prompt = prompt[:kept] + prompt[kept + surplus :]
        return prompt + answer

    @torch.no_grad()
    def _compute(self, conversations: Sequence[str]) -> Tensor:
        """Return the scores (M, 1) of conversations, from batches of those of like length."""
        rows = [self.tokens(*json.loads(each)) for each in conversations]
        order = np.argsort([len(row) for row in rows], kind="stable")
        parts = [
            self._score([rows[place] for place in order[start : start + AT_A_TIME]])
            for start in range(0, len(rows), AT_A_TIME)
        ]
        return torch.cat(parts)[np.argsort(order).tolist()]

    def _score(self, rows: Sequence[list[int]]) -> Tensor:
        device, longest = self.model.device, max(map(len, rows))
        pad = int(self.model.config.pad_token_id)
        tokens_MT = torch.tensor([row + [pad] * (longest - len(row)) for row in rows])
        mask_MT = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        self.model.eval()
        with torch.autocast(device.type, enabled=False):
            logits_M1: Tensor = self.model(
                input_ids=tokens_MT.to(device), attention_mask=mask_MT.to(device)
            ).logits
        return logits_M1.float()

    def _prompt_tokens(self, turns: Sequence[Turn]) -> list[int]:
        """Return a prompt's tokens; where the template refuses its roles, as one user's message."""
        pieces = self._template(tuple(role for role, _ in turns))
        if pieces is None:
            turns = [("user", "\n\n".join(content for _, content in turns))]
            pieces = self._template(("user",))
        if pieces is None:
            raise ValueError("the chat template of the reward model refuses a single message")
        found: list[int] = []
        for piece in pieces:
            found += piece if isinstance(piece, list) else self._content(turns, *piece)
        return found

    def _content(self, turns: Sequence[Turn], place: int, left: bool, right: bool) -> list[int]:
        content = turns[place][1]
        content = content.lstrip() if left else content
        return self._encode(content.rstrip() if right else content, special=False)

    def _fill_in(self, roles: tuple[str, ...]) -> list[Piece] | None:
        """Return the template's own tokens with the places of the contents; None if it refuses."""
        messages = [
            {"role": role, "content": f"\u2003\ue000{place}\ue001\u2003"}
            for place, role in enumerate(roles)
        ]
        try:
            filled = self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
        except Exception:  # noqa: BLE001 - a template is a program of its author's
            return None
        return list(self._pieces(str(filled)))

    def _pieces(self, filled: str) -> Iterator[Piece]:
        first, *rest = PLACEHOLDER.split(filled)
        yield self._encode(first, special=True)
        for before, place, behind, text in zip(*[iter(rest)] * 4, strict=True):
            yield int(place), not before, not behind
            yield self._encode(text, special=True)

    def _encode(self, text: str, *, special: bool) -> list[int]:
        """Return the token ids of a text; it is parsed for special tokens only if `special`."""
        found: list[int] = self._tokenizer(
            text.encode("utf-8", "replace").decode(),
            add_special_tokens=False,
            split_special_tokens=not special,
            verbose=False,
        )["input_ids"]
        return found

    @cached_property
    def _tokenizer(self) -> PreTrainedTokenizerFast:
        stored = json.loads(bytes(self.tokenizer.cpu().numpy()))
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer.from_str(stored["tokenizer"]), **stored["tokens"]
        )
        tokenizer.chat_template = stored["chat_template"]
        return tokenizer


def new_model(config: dict[str, Any]) -> PreTrainedModel:
    """Return a reward model of this configuration, with weights that are yet to be loaded."""
    if config["model_type"] == PodiumPooledConfig.model_type:
        return PodiumPooledForSequenceClassification(PodiumPooledConfig(**config))
    found: PreTrainedModel = AutoModelForSequenceClassification.from_config(
        AutoConfig.for_model(**config)
    )
    return found


def stored_tokenizer(tokenizer: PreTrainedTokenizerFast) -> bytes:
    """Return a tokenizer with its special tokens and its chat template, as a Scorer reads it."""
    named = {name: getattr(tokenizer, name) for name in NAMED_TOKENS}
    values = {
        "tokenizer": tokenizer.backend_tokenizer.to_str(),
        "tokens": {name: str(token) for name, token in named.items() if token is not None},
        "chat_template": tokenizer.chat_template,
    }
    return json.dumps(values).encode()
