"""A reward model from scratch: torch.nn.TransformerDecoder, with the prompt as its memory.

This file is copied into every folder that such a model is saved to, with the file that it imports,
so that the folder can be loaded anywhere with
`AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True)`.

Shapes: N rankings, K responses, P prompt tokens (the separator included), R response tokens (the
end included), D width.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

# Relative, so that transformers saves that file too.
from .rewardmodel import PodiumRewardModel


class PodiumTransformerConfig(PretrainedConfig):
    """Sizes and special tokens. `separator_token_id` ends each prompt and occurs nowhere else."""

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
    """A pre-norm decoder layer that computes all K responses of a prompt at once.

    The target is (N, K, R, D) and the memory (N, P, D). Each response attends causally to itself,
    as one of N * K sequences. All responses of a prompt together are the queries on its memory, so
    that the keys and values of the prompt are computed only once.

    The last layer returns only the output at the end of each response, (N, K, 1, D).
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
        """Return (N, K, R, D), or (N, K, 1, D) from the last layer.

        Only the last layer reads tgt_key_padding_mask (N, K, R), which is True after the end of
        each response. Without it, every response has R tokens.
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
            # Causal attention up to the end of a response never reaches the padding after it.
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


class PodiumTransformerForSequenceClassification(PodiumRewardModel):
    """Read each prompt once, and all its responses with the prompt as memory."""

    config_class = PodiumTransformerConfig
    # Small compared with the position that is added, so that rare words have little influence.
    embedding_std = 0.02

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
        # The last linear maps of the residual branches. They start at zero, because layers with
        # random output memorise when rankings are few.
        self._zero_initialised = [
            module
            for name, module in self.named_modules()
            if isinstance(module, nn.Linear) and name.endswith((".out_proj", ".linear2"))
        ]
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Initialise a module as is usual for its type, or with zeros."""
        super()._init_weights(module)
        if isinstance(module, nn.Linear) and module is not self.score:
            if any(module is zero for zero in self._zero_initialised):
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

    def read(
        self, prompts_NP: Tensor, prompt_lengths_N: Tensor, responses_NKR: Tensor, ends_NK: Tensor
    ) -> Tensor:
        P, R = prompts_NP.shape[1], responses_NKR.shape[2]
        padding_NP = torch.arange(P, device=prompts_NP.device) >= prompt_lengths_N[:, None]
        memory_NPD = self.prompt_encoder(self._embed(prompts_NP), src_key_padding_mask=padding_NP)
        places_R = torch.arange(R, device=padding_NP.device)
        hidden_NK1D: Tensor = self.response_decoder(
            self._embed(responses_NKR),
            memory_NPD,
            tgt_mask=places_R > places_R[:, None],
            tgt_key_padding_mask=places_R > ends_NK[:, :, None],
            memory_key_padding_mask=padding_NP,
            tgt_is_causal=True,
        )
        return hidden_NK1D.squeeze(2)

    def _embed(self, tokens: Tensor) -> Tensor:
        """Return the embeddings (..., D) of tokens (...), with their positions added.

        Positions are encoded as sines and cosines (Vaswani et al., arXiv 1706.03762, section 3.5),
        so that the length has no limit.
        """
        D = self.config.hidden_size
        places = torch.arange(tokens.shape[-1], device=tokens.device, dtype=torch.float32)
        steps = torch.arange(0, D, 2, device=tokens.device, dtype=torch.float32)
        angles = places[:, None] * torch.exp(steps * (-math.log(10000.0) / D))
        position = torch.cat([angles.sin(), angles.cos()], dim=-1)
        embedded: Tensor = self.embedding(tokens) * math.sqrt(D)
        return embedded + position.to(embedded.dtype)
