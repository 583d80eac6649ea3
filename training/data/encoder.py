"""Encode prompts and responses as token ids.

A prompt and its responses are tokenised separately, so that the prompt's tokens are the same for
all of them. Contents are not trusted: a special token written in them stays ordinary text. Only the
chat template writes special tokens.

Shapes: P prompt tokens, R response tokens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

import numpy as np
from transformers import PreTrainedTokenizerBase

from training.data.chat_template import (
    ending_in_the_response,
    folding_system,
    folds_system,
    plain_template,
    special_tokens,
    usual_template,
)
from training.data.examples import Tokens
from training.data.tokenizer import PAD
from training.errors import UserError
from training.rankings import Message
from training.sentences import sentence

# Private-use characters that stand for contents while a template is filled in; contents themselves
# never pass through a template. One that takes the wide spaces around them away trims contents.
PLACEHOLDER = re.compile("(\u2003?)\ue000(\\d+)\ue001(\u2003?)")
ROLE = re.compile(r"[A-Za-z0-9_-]{1,32}")
TEMPLATES_KEPT = 1024
REASON_CHARACTERS = 200
"""Characters of a template's reason that are kept."""


class Content(NamedTuple):
    """Mark the place of a message's content in a filled-in template."""

    place: int
    trim_left: bool
    trim_right: bool

    def of(self, messages: Sequence[Message]) -> str:
        """Return the content that belongs here, trimmed as the template trims it."""
        content = messages[self.place]["content"]
        content = content.lstrip() if self.trim_left else content
        return content.rstrip() if self.trim_right else content


class TemplateRefusedError(ValueError):
    """Raised where the chat template refuses messages, for example roles that do not alternate."""

    def __init__(self, reason: str) -> None:
        """Take the template's own reason."""
        self.reason = " ".join(reason.split())[:REASON_CHARACTERS]
        super().__init__(
            sentence("the chat template refuses the messages: %(reason)s", reason=self.reason)
        )


class TextEncoder:
    """Turn messages and responses into token ids, and count those that were cut.

    The tokenizer must come from `prepare_tokenizer` or from `train_tokenizer`.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_prompt_tokens: int,
        max_response_tokens: int,
    ) -> None:
        self.tokenizer = tokenizer
        self.max_prompt_tokens = max_prompt_tokens
        self.max_response_tokens = max_response_tokens
        self.end = end_token_id(tokenizer)
        self.prompts_cut = 0
        self.responses_cut = 0
        self._folds = folds_system(tokenizer)
        self._template = lru_cache(TEMPLATES_KEPT)(self._fill_in)
        self._refuse_parsed_specials()

    def prompt(self, messages: Sequence[Message]) -> Tokens:
        """Return the token ids (P,) up to where the response begins; the oldest are cut.

        Raises TemplateRefusedError.
        """
        (found,) = self.prompts([messages])
        if isinstance(found, TemplateRefusedError):
            raise TemplateRefusedError(found.reason) from found.__cause__
        return found

    def prompts(self, many: Sequence[Sequence[Message]]) -> list[Tokens | TemplateRefusedError]:
        """Encode many prompts at a time, which is faster; errors are returned in their place."""
        templates = [self._template(tuple(map(_role, messages))) for messages in many]
        contents = [
            piece.of(messages)
            for messages, pieces in zip(many, templates, strict=True)
            if not isinstance(pieces, TemplateRefusedError)
            for piece in pieces
            if isinstance(piece, Content)
        ]
        encoded = iter(self._encode(contents, special=False))
        found: list[Tokens | TemplateRefusedError] = []
        for pieces in templates:
            if isinstance(pieces, TemplateRefusedError):
                found.append(pieces)
                continue
            parts = [next(encoded) if isinstance(piece, Content) else piece for piece in pieces]
            found.append(self._cut(list(chain.from_iterable(parts))))
        return found

    def folds(self, messages: Sequence[Message]) -> bool:
        """Return True if the template puts a system message into the first user message here."""
        return self._folds and bool(messages) and _role(messages[0]) == "system"

    def responses(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the token ids (R,) of each response with the end token, cut to the limit."""
        return [tokens for tokens, _ in self.responses_and_cuts(texts)]

    def responses_and_cuts(self, texts: Sequence[str]) -> list[tuple[Tokens, bool]]:
        """Return the token ids (R,) of each response, and True if it was cut."""
        most = self.max_response_tokens - 1
        encoded = self._encode(texts, special=False)
        found = [
            (np.array([*tokens[:most], self.end], dtype=np.int32), len(tokens) > most)
            for tokens in encoded
        ]
        self.responses_cut += sum(cut for _, cut in found)
        return found

    def _cut(self, tokens: list[int]) -> Tokens:
        """Cut the oldest tokens beyond the limit, but keep the begin token."""
        surplus = len(tokens) - self.max_prompt_tokens
        if surplus > 0:
            self.prompts_cut += 1
            begin = {self.tokenizer.bos_token_id, self.tokenizer.cls_token_id} - {None}
            kept = 1 if tokens[0] in begin else 0
            tokens = tokens[:kept] + tokens[kept + surplus :]
        return np.array(tokens, dtype=np.int32)

    def _fill_in(self, roles: tuple[str, ...]) -> list[Content | list[int]] | TemplateRefusedError:
        """Return the template's own token ids and, between them, the places of the contents.

        A template sees the roles alone, so that it is filled in once for many prompts.
        """
        stand_ins = [
            {"role": role, "content": f"\u2003\ue000{place}\ue001\u2003"}
            for place, role in enumerate(roles)
        ]
        try:
            filled = self.tokenizer.apply_chat_template(
                stand_ins, tokenize=False, add_generation_prompt=True
            )
        except Exception as error:  # noqa: BLE001 - a template is a program of its author's
            refused = TemplateRefusedError(str(error))
            refused.__cause__ = error
            return refused
        first, *rest = PLACEHOLDER.split(str(filled))
        pieces: list[Content | list[int]] = [self._encode([first], special=True)[0]]
        for before, place, behind, text in zip(*[iter(rest)] * 4, strict=True):
            pieces.append(Content(int(place), trim_left=not before, trim_right=not behind))
            pieces.append(self._encode([text], special=True)[0])
        return pieces

    def _encode(self, texts: Sequence[str], *, special: bool) -> list[list[int]]:
        """Return the token ids of each text; it is parsed for special tokens only if `special`."""
        # JSON can carry half a surrogate pair, which is not text.
        whole = [text.encode("utf-8", "replace").decode() for text in texts]
        if not whole:
            return []
        encoded = self.tokenizer(
            whole,
            add_special_tokens=False,
            split_special_tokens=not special,
            return_attention_mask=False,
            verbose=False,
        )
        found: list[list[int]] = encoded["input_ids"]
        return found

    def _refuse_parsed_specials(self) -> None:
        """Raise UserError for a tokenizer that parses special tokens in text nevertheless."""
        names = special_tokens(self.tokenizer)
        found = {self.tokenizer.convert_tokens_to_ids(name) for name in names}
        specials = found - {self.tokenizer.unk_token_id}
        texts = [f"a{name}b" for name in names]
        if any(specials.intersection(tokens) for tokens in self._encode(texts, special=False)):
            raise UserError(
                sentence(
                    "this model's tokenizer reads special tokens in any text; choose another model"
                )
            )


def _role(message: Message) -> str:
    """Return the message's role, or user for an odd one."""
    return message["role"] if ROLE.fullmatch(message["role"]) else "user"


def end_token_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the token that ends a response: end of sequence, or BERT's separator.

    Raises UserError for a tokenizer without either.
    """
    for token in (tokenizer.eos_token_id, tokenizer.sep_token_id):
        if isinstance(token, int):
            return token
    raise UserError(
        sentence("this model's tokenizer has no end-of-sequence token; choose another model")
    )


def prepare_tokenizer(tokenizer: PreTrainedTokenizerBase) -> None:
    """Give a pretrained tokenizer a pad token of its own and a chat template.

    With pad == eos, code that finds a sequence's last token by its padding finds the wrong one.
    """
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == end_token_id(tokenizer):
        tokenizer.add_special_tokens({"pad_token": PAD})
    end = str(tokenizer.convert_ids_to_tokens(end_token_id(tokenizer)))
    tokenizer.padding_side = "right"  # there every kind of model can have it
    template = usual_template(tokenizer)
    tokenizer.chat_template = (
        ending_in_the_response(tokenizer, folding_system(tokenizer, template), end)
        if template
        else plain_template(tokenizer, end)
    )
