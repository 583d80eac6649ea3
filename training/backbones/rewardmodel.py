"""The base class of the reward models from scratch.

This file is copied into every saved model folder, together with the file of the model class. Both
may import only torch and transformers, and nothing else of Podium.

The input is [prompt tokens][separator][response tokens][end], padded on either side.

Shapes: N rankings, K responses, P prompt tokens (the separator included), R response tokens (the
end included), L tokens of a whole sequence, D width.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class PodiumRewardModel(PreTrainedModel):
    """Map a prompt and a response to one reward. A subclass makes the layers and defines `read`."""

    config_class: type[PretrainedConfig]
    base_model_prefix = ""
    embedding: nn.Embedding
    score: nn.Linear
    """The head: from width to one reward, without a bias."""
    embedding_std = 1.0
    """Standard deviation of new embeddings, times the square root of the width."""

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embedding

    def _init_weights(self, module: nn.Module) -> None:
        """Initialise the head as in Stiennon et al., arXiv 2009.01325, and the embeddings."""
        if module is self.score:
            nn.init.normal_(module.weight, std=1 / math.sqrt(self.config.hidden_size + 1))
        elif isinstance(module, nn.Embedding):
            std = self.embedding_std / math.sqrt(self.config.hidden_size)
            nn.init.normal_(module.weight, std=std)

    def rewards(
        self, prompts_NP: Tensor, prompt_lengths_N: Tensor, responses_NKR: Tensor, ends_NK: Tensor
    ) -> Tensor:
        """Return the rewards (N, K) in float32 or better, each read at its response's last token.

        Args:
            prompts_NP: token ids ending in the separator, padded on the right with anything.
            prompt_lengths_N: number of tokens of each prompt without padding, at least 1.
            responses_NKR: token ids, padded on the right with anything.
            ends_NK: index of each response's last token, from 0 to R - 1.
        """
        last_NKD = self.read(prompts_NP, prompt_lengths_N, responses_NKR, ends_NK)
        return self.head_rewards(last_NKD)

    def head_rewards(self, last: Tensor) -> Tensor:
        """Return the rewards (...) of last hidden states (..., D)."""
        # The head computes in float32 under autocast, and in float64 for a model in float64.
        with torch.autocast(last.device.type, enabled=False):
            precision = torch.promote_types(last.dtype, torch.float32)
            rewards = F.linear(last.to(precision), self.score.weight.to(precision))
        return rewards.squeeze(-1)

    def read(
        self, prompts_NP: Tensor, prompt_lengths_N: Tensor, responses_NKR: Tensor, ends_NK: Tensor
    ) -> Tensor:
        """Return the hidden states (N, K, D) at the last token of each response.

        The arguments are those of `rewards`.
        """
        raise NotImplementedError

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        return_dict: bool = True,
        **kwargs: Any,
    ) -> SequenceClassifierOutput | tuple[Tensor]:
        """Return the rewards of sequences (N, L) as logits (N, 1).

        Without attention_mask there is no padding. Raises ValueError for a sequence without a
        response.
        """
        lengths_N, tokens_NL = _align_left(input_ids, attention_mask)
        prompt_lengths_N = self._prompt_lengths(tokens_NL, lengths_N)
        response_lengths_N = lengths_N - prompt_lengths_N
        if bool((response_lengths_N < 1).any()):
            raise ValueError("a sequence has no response: no token follows its separator token")
        R = int(response_lengths_N.max())
        places_NR = prompt_lengths_N[:, None] + torch.arange(R, device=tokens_NL.device)
        responses_NR = tokens_NL.gather(1, places_NR.clamp_max(tokens_NL.shape[1] - 1))
        logits_N1 = self.rewards(
            tokens_NL[:, : int(prompt_lengths_N.max())],
            prompt_lengths_N,
            responses_NR[:, None, :],
            response_lengths_N[:, None] - 1,
        )
        return SequenceClassifierOutput(logits=logits_N1) if return_dict else (logits_N1,)

    def _prompt_lengths(self, tokens_NL: Tensor, lengths_N: Tensor) -> Tensor:
        """Return the number of tokens up to the first separator of each sequence, with it."""
        real_NL = torch.arange(tokens_NL.shape[1], device=tokens_NL.device) < lengths_N[:, None]
        separators_NL = (tokens_NL == self.config.separator_token_id) & real_NL
        if not bool(separators_NL.any(dim=1).all()):
            raise ValueError(
                f"a sequence has no separator token (id {self.config.separator_token_id}) between"
                " prompt and response; use the tokenizer's chat template"
            )
        return separators_NL.int().argmax(dim=1) + 1


def _align_left(input_ids: Tensor, attention_mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the lengths (N,), and the tokens (N, L) with all padding moved to the right."""
    N, L = input_ids.shape
    if attention_mask is None:
        return torch.full((N,), L, device=input_ids.device), input_ids
    real_NL = attention_mask.bool()
    order_NL = torch.argsort(~real_NL, dim=1, stable=True)
    return real_NL.sum(dim=1), input_ids.gather(1, order_NL)
