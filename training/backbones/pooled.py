"""A pretrained model whose reward is read from hidden states that its own classifier does not read.

This file is copied into every folder that such a model is saved to, so that the folder can be
loaded anywhere with
`AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True)`.

Shapes: B rows, T row tokens, D width.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class PodiumPooledConfig(PretrainedConfig):
    """The configuration of the pretrained model, and which of its hidden states are read.

    `pooling` is "mean" for the mean of all tokens, "cls" for the first and "last" for the last.
    """

    model_type = "podium_pooled"
    sub_configs = {"text_config": AutoConfig}

    def __init__(
        self,
        text_config: PretrainedConfig | dict[str, Any] | None = None,
        pooling: str = "mean",
        **kwargs: Any,
    ) -> None:
        if isinstance(text_config, dict):
            text_config = AutoConfig.for_model(**text_config)
        self.text_config = text_config or PretrainedConfig()
        self.pooling = pooling
        kwargs.setdefault("num_labels", 1)
        super().__init__(**kwargs)


class PodiumPooledForSequenceClassification(PreTrainedModel):
    """Map the pooled hidden states of a pretrained model to one reward."""

    config_class = PodiumPooledConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True

    def __init__(self, config: PodiumPooledConfig) -> None:
        super().__init__(config)
        self.model = AutoModel.from_config(config.text_config)
        if hasattr(self.model, "pooler"):
            self.model.pooler = None  # of another task, and never read
        self.reward = nn.Linear(config.text_config.hidden_size, 1, bias=False)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Initialise the head as in Stiennon et al., arXiv 2009.01325."""
        if module is self.reward:
            nn.init.normal_(self.reward.weight, std=1 / math.sqrt(self.reward.in_features + 1))

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        return_dict: bool = True,
        **kwargs: Any,
    ) -> SequenceClassifierOutput | tuple[Tensor]:
        """Return the rewards of sequences (B, T) as logits (B, 1), in float32 or better.

        Padding may stand on either side, if the pretrained model allows it there.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        logits_B1 = self.head_rewards(self.read(input_ids, attention_mask))[:, None]
        return SequenceClassifierOutput(logits=logits_B1) if return_dict else (logits_B1,)

    def read(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the pooled hidden states (B, D), in float32 or better."""
        hidden_BTD = self.model(input_ids, attention_mask=attention_mask).last_hidden_state
        precision = torch.promote_types(hidden_BTD.dtype, torch.float32)
        with torch.autocast(hidden_BTD.device.type, enabled=False):
            return self._pool(hidden_BTD.to(precision), attention_mask.to(hidden_BTD.device))

    def head_rewards(self, pooled_BD: Tensor) -> Tensor:
        """Return the rewards (B,) of pooled hidden states."""
        with torch.autocast(pooled_BD.device.type, enabled=False):
            weight_1D = self.reward.weight.to(pooled_BD.dtype)
            return nn.functional.linear(pooled_BD, weight_1D).squeeze(-1)

    def _pool(self, hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        if self.config.pooling == "mean":
            weight_BT1 = mask_BT[:, :, None].to(hidden_BTD.dtype)
            return (hidden_BTD * weight_BT1).sum(dim=1) / weight_BT1.sum(dim=1).clamp_min(1)
        rows_B = torch.arange(len(hidden_BTD), device=hidden_BTD.device)
        read_BT = mask_BT.bool().int()
        if self.config.pooling == "cls":
            return hidden_BTD[rows_B, read_BT.argmax(dim=1)]
        backwards_BT = read_BT.flip(1)
        return hidden_BTD[rows_B, read_BT.shape[1] - 1 - backwards_BT.argmax(dim=1)]


# Saved folders then hold this file, for the Auto classes of transformers.
PodiumPooledConfig.register_for_auto_class()
PodiumPooledForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")
