"""The transformer that is trained from scratch, with the tokenizer made for it.

Shapes: N rankings, K responses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from training import tokenizer as byte_pairs
from training.attention import Way
from training.backbones.transformer import (
    PodiumTransformerConfig,
    PodiumTransformerForSequenceClassification,
)
from training.config import TrainConfig
from training.layout import (
    Example,
    memory_rows,
    memory_size,
    padded_rows,
    padded_size,
    present,
    spread,
)

# Saved folders then hold the code of the model, and name it to transformers' Auto classes.
PodiumTransformerConfig.register_for_auto_class()
PodiumTransformerForSequenceClassification.register_for_auto_class(
    "AutoModelForSequenceClassification"
)


class ScratchBackbone:
    """`layout` is "shared" (a prompt is read once per ranking) or "padded" (once per response)."""

    def __init__(
        self,
        model: PodiumTransformerForSequenceClassification,
        tokenizer: PreTrainedTokenizerBase,
        layout: str,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.attention: Way | None = None
        self.layout = "padded" if layout == "padded" else "shared"
        self.pad = int(model.config.pad_token_id)

    @classmethod
    def create(
        cls, config: TrainConfig, texts: Iterator[str], device: torch.device
    ) -> ScratchBackbone:
        """New weights, and a tokenizer trained on the texts."""
        tokenizer = byte_pairs.train_tokenizer(texts, config.vocabulary)
        model_config = PodiumTransformerConfig(
            vocab_size=len(tokenizer),
            hidden_size=config.width,
            num_attention_heads=config.heads,
            num_prompt_layers=config.prompt_layers,
            num_hidden_layers=config.layers,
            separator_token_id=tokenizer.get_vocab()[byte_pairs.SEPARATOR],
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
        model = PodiumTransformerForSequenceClassification(model_config)
        torch.nn.Module.to(model, device)
        return cls(model, tokenizer, config.layout)

    @classmethod
    def load(cls, folder: Path, config: TrainConfig, device: torch.device) -> ScratchBackbone:
        model = PodiumTransformerForSequenceClassification.from_pretrained(folder)
        torch.nn.Module.to(model, device)
        return cls(model, PreTrainedTokenizerFast.from_pretrained(folder), config.layout)

    def size(self, examples: Sequence[Example]) -> int:
        return memory_size(examples) if self.layout == "shared" else padded_size(examples)

    def rewards(self, examples: Sequence[Example]) -> Tensor:
        device = self.model.device
        if self.layout == "shared":
            rows = memory_rows(examples, self.pad)
            rewards_NK = self.model.rewards(
                rows.prompts_NP.to(device),
                rows.prompt_lengths_N.to(device),
                rows.responses_NKR.to(device),
                rows.ends_NK.to(device),
            )
            return torch.where(present(examples).to(device), rewards_NK, 0.0)
        padded = padded_rows(examples, self.pad)
        logits_B1 = self.model(
            padded.tokens_BT.to(device), attention_mask=padded.attention_BT.to(device)
        ).logits
        return spread(logits_B1.squeeze(-1), examples)

    def save(self, folder: Path) -> None:
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
