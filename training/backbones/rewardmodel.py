"""What the reward models from scratch have in common: the way in, and the way out.

This file is copied into every model folder that is saved, beside the file of the model itself. Both
therefore import torch and transformers, and nothing else of Podium.

Input: [prompt tokens][separator][response tokens][end], padded on either side.

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
    """Prompt and response in, one reward out. A subclass makes the layers and lets them read."""

    config_class: type[PretrainedConfig]
    base_model_prefix = ""
    embedding: nn.Embedding
    score: nn.Linear
    """The head: from width to one reward, without a bias."""
    word_std = 1.0
    """Standard deviation of a new embedding, times the square root of the width."""

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embedding

    def _init_weights(self, module: nn.Module) -> None:
        """The head as in Stiennon et al., arXiv 2009.01325."""
        if module is self.score:
            nn.init.normal_(module.weight, std=1 / math.sqrt(self.config.hidden_size + 1))
        elif isinstance(module, nn.Embedding):
            std = self.word_std / math.sqrt(self.config.hidden_size)
            nn.init.normal_(module.weight, std=std)

    def rewards(
        self, prompts_NP: Tensor, prompt_lengths_N: Tensor, responses_NKR: Tensor, ends_NK: Tensor
    ) -> Tensor:
        """Rewards (N, K) in float32 or better, each read at its response's last token.

        Args:
            prompts_NP: token ids ending in the separator, padded on the right with anything.
            prompt_lengths_N: how many of them are real, at least 1.
            responses_NKR: token ids, padded on the right with anything.
            ends_NK: place of each response's last token, in 0..R-1.
        """
        last_NKD = self.read(prompts_NP, prompt_lengths_N, responses_NKR, ends_NK)
        # Autocast must not halve the head's precision, and float64 must not lose its own.
        with torch.autocast(last_NKD.device.type, enabled=False):
            precision = torch.promote_types(last_NKD.dtype, torch.float32)
            rewards_NK1 = F.linear(last_NKD.to(precision), self.score.weight.to(precision))
        return rewards_NK1.squeeze(-1)

    def read(
        self, prompts_NP: Tensor, prompt_lengths_N: Tensor, responses_NKR: Tensor, ends_NK: Tensor
    ) -> Tensor:
        """Hidden states (N, K, D) at each response's end, of prompt and response up to there.

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
        """Rewards as logits (N, 1) of sequences (N, L).

        Without attention_mask every token counts. Raises ValueError where no response is found.
        """
        lengths_N, tokens_NL = _left_aligned(input_ids, attention_mask)
        prompt_lengths_N = self._prompt_lengths(tokens_NL, lengths_N)
        response_lengths_N = lengths_N - prompt_lengths_N
        if bool((response_lengths_N < 1).any()):
            raise ValueError("a sequence has no token behind its separator token: no response")
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
        """Tokens up to and with the first separator of each sequence."""
        real_NL = torch.arange(tokens_NL.shape[1], device=tokens_NL.device) < lengths_N[:, None]
        separators_NL = (tokens_NL == self.config.separator_token_id) & real_NL
        if not bool(separators_NL.any(dim=1).all()):
            raise ValueError(
                f"a sequence has no separator token (id {self.config.separator_token_id}) between"
                " prompt and response; use the tokenizer's chat template"
            )
        return separators_NL.int().argmax(dim=1) + 1


def _left_aligned(input_ids: Tensor, attention_mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Lengths (N,), and tokens (N, L) moved so that all padding stands on the right."""
    N, L = input_ids.shape
    if attention_mask is None:
        return torch.full((N,), L, device=input_ids.device), input_ids
    real_NL = attention_mask.bool()
    order_NL = torch.argsort(~real_NL, dim=1, stable=True)
    return real_NL.sum(dim=1), input_ids.gather(1, order_NL)
