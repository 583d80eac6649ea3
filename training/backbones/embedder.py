"""A frozen encoder inside a model: features of a response's embedding, and of its prompt's.

This file is copied into saved model folders with the model that reads it. It may import only torch,
transformers, and what these need.

Shapes: M texts or responses, T tokens, D width of the encoder, E features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel

# Relative, so that transformers saves that file too.
from .textfeatures import Text

TEXTS_AT_A_TIME = 32
"""Texts that the encoder reads at once."""
MOST_CHARACTERS = 4_000
"""Characters of a text that the encoder's tokenizer reads at most: the last of a prompt."""


class Embedder(nn.Module):
    """A frozen encoder with its tokenizer. An embedding is the mean hidden state, of length 1."""

    tokenizer: Tensor
    """The tokenizer's JSON, as bytes."""

    def __init__(self, config: dict[str, Any], tokenizer_bytes: int, most: int) -> None:
        """Make an encoder of this configuration, which reads `most` tokens of a text."""
        super().__init__()
        self.model = AutoModel.from_config(AutoConfig.for_model(**config))
        self.model.requires_grad_(False)
        self.register_buffer("tokenizer", torch.zeros(tokenizer_bytes, dtype=torch.uint8))
        self.most = most
        self.cache: Any = None
        """Where embeddings are looked up before they are computed: an EmbeddingCache, or None."""

    @property
    def features(self) -> int:
        """Return E, the number of features of a response."""
        return 2 * int(self.model.config.hidden_size) + 1

    def forward(self, prompts: Sequence[Text], responses: Sequence[Text]) -> Tensor:
        """Return the features (M, E) of responses, given the prompt of each.

        They are the response's embedding, its product with the prompt's, and the cosine of both.
        """
        distinct = list(dict.fromkeys(prompt.text for prompt in prompts))
        row = {text: place for place, text in enumerate(distinct)}
        asked = self.embed([text[-MOST_CHARACTERS:] for text in distinct])
        prompts_MD = asked[[row[prompt.text] for prompt in prompts]]
        responses_MD = self.embed([response.text[:MOST_CHARACTERS] for response in responses])
        both_MD = prompts_MD * responses_MD
        return torch.cat([responses_MD, both_MD, both_MD.sum(dim=1, keepdim=True)], dim=1)

    def embed(self, texts: Sequence[str]) -> Tensor:
        """Return the embeddings (M, D) of texts, looked up or computed."""
        return looked_up(self.cache, texts, self._compute).to(self.model.device)

    @torch.no_grad()
    def _compute(self, texts: Sequence[str]) -> Tensor:
        """Return the embeddings (M, D) of texts, from batches of texts of like length."""
        order = np.argsort([len(text) for text in texts], kind="stable")
        parts = [
            self._embed([texts[place] for place in order[start : start + TEXTS_AT_A_TIME]])
            for start in range(0, len(texts), TEXTS_AT_A_TIME)
        ]
        return torch.cat(parts)[np.argsort(order).tolist()]

    def _embed(self, texts: list[str]) -> Tensor:
        encoded = self._tokenizer.encode_batch(texts)
        device = self.model.device
        # A text without a token has an embedding of zeros.
        tokens_MT = torch.tensor([one.ids or [0] for one in encoded], device=device)
        mask_MT = torch.tensor([one.attention_mask or [0] for one in encoded], device=device)
        self.model.eval()
        with torch.autocast(device.type, enabled=False):
            hidden_MTD = self.model(tokens_MT, attention_mask=mask_MT).last_hidden_state
        sums_MD = (hidden_MTD * mask_MT[:, :, None]).sum(dim=1)
        return nn.functional.normalize(sums_MD, dim=-1).float()

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        tokenizer = Tokenizer.from_str(bytes(self.tokenizer.cpu().numpy()).decode())
        tokenizer.enable_truncation(self.most)
        tokenizer.enable_padding()
        return tokenizer


def looked_up(
    cache: Any, texts: Sequence[str], compute: Callable[[Sequence[str]], Tensor]
) -> Tensor:
    """Return the vectors (M, ...) of texts from a cache, if there is one, or computed."""
    if cache is None:
        return compute(texts)
    found = cache.get(texts)
    new = [text for text in dict.fromkeys(texts) if text not in found]
    if new:
        computed = compute(new).cpu().numpy()
        cache.put(new, computed)
        found |= dict(zip(new, computed, strict=True))
    return torch.from_numpy(np.stack([found[text] for text in texts]))


def plain_config(model: PreTrainedModel) -> dict[str, Any]:
    """Return the configuration of a model without its name, which may be a path of this machine."""
    config: dict[str, Any] = model.config.to_dict()
    config.pop("_name_or_path", None)
    return config
