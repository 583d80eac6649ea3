"""A reward model from scratch: torch.nn.TransformerDecoder, with the prompt as its memory.

This file is copied into every model folder that is saved, so that the folder loads anywhere with
`AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True)`. It therefore
imports torch and transformers, and nothing of Podium.

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

EMBEDDING_STD = 0.02
"""Of what a new embedding puts in, beside sines and cosines of the place, which are up to 1."""


class PodiumTransformerConfig(PretrainedConfig):
    """Sizes and special tokens. `separator_token_id` ends every prompt, and stands nowhere else."""

    model_type = "podium_transformer"

    def __init__(
        self,
        vocab_size: int = 4096,
        hidden_size: int = 128,
        num_attention_heads: int = 4,
        num_prompt_layers: int = 1,
        num_hidden_layers: int = 2,
        separator_token_id: int = 0,
        **kwargs: Any,
    ) -> None:
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_attention_heads = num_attention_heads
        self.num_prompt_layers = num_prompt_layers
        self.num_hidden_layers = num_hidden_layers
        self.separator_token_id = separator_token_id
        kwargs.setdefault("num_labels", 1)
        super().__init__(**kwargs)


class ResponseLayer(nn.TransformerDecoderLayer):
    """A pre-norm decoder layer over all K responses of a prompt at once.

    The target is (N, K, R, D) and the memory (N, P, D). Each response attends causally to itself,
    as one of N*K sequences; all responses of a prompt together are the queries on its memory, so
    that the prompt's keys and values are computed once, whatever K is.

    The last layer gives (N, K, 1, D), what comes out at each response's end: nobody reads the rest.
    """

    is_last = False

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """tgt_key_padding_mask (N, K, R) is True behind each response's end; only the last layer
        needs it. Without it every response is R long.
        """
        N, K, R, D = tgt.shape
        x = tgt.reshape(N * K, R, D)
        y = self.norm1(x)
        if self.is_last:
            if tgt_key_padding_mask is None:
                tgt_key_padding_mask = torch.zeros(N, K, R, dtype=torch.bool, device=x.device)
            padding_BR = tgt_key_padding_mask.reshape(N * K, R)
            rows_B = torch.arange(N * K, device=x.device)
            ends_B = (~padding_BR).sum(dim=1) - 1
            x, query_B1D = x[rows_B, ends_B][:, None], y[rows_B, ends_B][:, None]
            y = self.self_attn(query_B1D, y, y, key_padding_mask=padding_BR, need_weights=False)[0]
        else:
            # Padding stands behind a response's end, where causal attention never looks from.
            y = self.self_attn(y, y, y, attn_mask=tgt_mask, is_causal=True, need_weights=False)[0]
        x = (x + y).reshape(N, -1, D)
        y = self.norm2(x)
        x = (
            x
            + self.multihead_attn(
                y, memory, memory, key_padding_mask=memory_key_padding_mask, need_weights=False
            )[0]
        )
        x = x + self.linear2(self.activation(self.linear1(self.norm3(x))))
        return x.reshape(N, K, -1, D)


class PodiumTransformerForSequenceClassification(PreTrainedModel):
    """Prompt and response in, one reward out."""

    config_class = PodiumTransformerConfig
    base_model_prefix = ""

    def __init__(self, config: PodiumTransformerConfig) -> None:
        super().__init__(config)
        sizes: dict[str, Any] = {
            "d_model": config.hidden_size,
            "nhead": config.num_attention_heads,
            "dim_feedforward": 4 * config.hidden_size,
            "dropout": 0.0,
            "activation": "gelu",
            "batch_first": True,
            "norm_first": True,
        }
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.prompt_encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(**sizes),
            config.num_prompt_layers,
            norm=nn.LayerNorm(config.hidden_size),
            enable_nested_tensor=False,
        )
        self.response_decoder = nn.TransformerDecoder(
            ResponseLayer(**sizes),
            config.num_hidden_layers,
            norm=nn.LayerNorm(config.hidden_size),
        )
        self.response_decoder.layers[-1].is_last = True
        self.score = nn.Linear(config.hidden_size, 1, bias=False)
        # What a layer adds to what it reads. It begins as nothing: where rankings are few, random
        # layers are learned by heart, and silent ones find first what holds for all rankings.
        self._silent = [
            module
            for name, module in self.named_modules()
            if isinstance(module, nn.Linear) and name.endswith((".out_proj", ".linear2"))
        ]
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embedding

    def _init_weights(self, module: nn.Module) -> None:
        """The head as in Stiennon et al., arXiv 2009.01325, the rest as is usual for its kind."""
        if module is self.score:
            nn.init.normal_(module.weight, std=1 / math.sqrt(self.config.hidden_size + 1))
        elif isinstance(module, nn.Embedding):
            # Small beside the place, which is added: a word seldom learned of says little.
            std = EMBEDDING_STD / math.sqrt(self.config.hidden_size)
            nn.init.normal_(module.weight, std=std)
        elif isinstance(module, nn.Linear):
            if any(module is silent for silent in self._silent):
                nn.init.zeros_(module.weight)
            else:
                nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.MultiheadAttention):
            module._reset_parameters()
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)

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
        P, R = prompts_NP.shape[1], responses_NKR.shape[2]
        padding_NP = torch.arange(P, device=prompts_NP.device) >= prompt_lengths_N[:, None]
        memory_NPD = self.prompt_encoder(self._embed(prompts_NP), src_key_padding_mask=padding_NP)
        places_R = torch.arange(R, device=ends_NK.device)
        hidden_NK1D = self.response_decoder(
            self._embed(responses_NKR),
            memory_NPD,
            tgt_mask=places_R > places_R[:, None],
            tgt_key_padding_mask=places_R > ends_NK[:, :, None],
            memory_key_padding_mask=padding_NP,
            tgt_is_causal=True,
        )
        last_NKD = hidden_NK1D.squeeze(2)
        # Autocast must not halve the head's precision, and float64 must not lose its own.
        with torch.autocast(last_NKD.device.type, enabled=False):
            precision = torch.promote_types(last_NKD.dtype, torch.float32)
            rewards_NK1 = F.linear(last_NKD.to(precision), self.score.weight.to(precision))
        return rewards_NK1.squeeze(-1)

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

    def _embed(self, tokens: Tensor) -> Tensor:
        """Embeddings (..., D) of tokens (...), with the place in the last dimension added.

        Sines and cosines as in Vaswani et al., arXiv 1706.03762, section 3.5: no longest length.
        """
        D = self.config.hidden_size
        places = torch.arange(tokens.shape[-1], device=tokens.device, dtype=torch.float32)
        steps = torch.arange(0, D, 2, device=tokens.device, dtype=torch.float32)
        angles = places[:, None] * torch.exp(steps * (-math.log(10000.0) / D))
        position = torch.cat([angles.sin(), angles.cos()], dim=-1)
        embedded: Tensor = self.embedding(tokens) * math.sqrt(D)
        return embedded + position.to(embedded.dtype)


def _left_aligned(input_ids: Tensor, attention_mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Lengths (N,), and tokens (N, L) moved so that all padding stands on the right."""
    N, L = input_ids.shape
    if attention_mask is None:
        return torch.full((N,), L, device=input_ids.device), input_ids
    real_NL = attention_mask.bool()
    order_NL = torch.argsort(~real_NL, dim=1, stable=True)
    return real_NL.sum(dim=1), input_ids.gather(1, order_NL)
