"""The models that are trained from scratch, with their own tokenizers.

Shapes: N rankings, K responses.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from training.backbones.encoders import load_encoder, load_reward_model
from training.backbones.features import (
    PodiumFeaturesConfig,
    PodiumFeaturesForSequenceClassification,
)
from training.backbones.layout import (
    memory_rows,
    memory_size,
    padded_rows,
    padded_size,
    response_mask,
    scatter_rewards,
)
from training.backbones.rewardmodel import PodiumRewardModel
from training.backbones.rnn import PodiumRNNConfig, PodiumRNNForSequenceClassification
from training.backbones.shared_prefix import AttentionKind
from training.backbones.transformer import (
    PodiumTransformerConfig,
    PodiumTransformerForSequenceClassification,
)
from training.config import ModelSettings, TrainConfig
from training.config.encoder_package import packaged_encoder
from training.data import tokenizer as byte_pairs
from training.data.examples import Example

MODEL_CLASSES: dict[str, type[PodiumRewardModel]] = {
    model.config_class.model_type: model
    for model in (
        PodiumFeaturesForSequenceClassification,
        PodiumTransformerForSequenceClassification,
        PodiumRNNForSequenceClassification,
    )
}
"""Model classes by model type."""

WORD_BUCKETS = 1 << 17
"""Words and word pairs are hashed into so many; a project has a few ten thousand."""

for model_class in MODEL_CLASSES.values():
    # Saved folders then hold the code of the model, for the Auto classes of transformers.
    model_class.config_class.register_for_auto_class()
    model_class.register_for_auto_class("AutoModelForSequenceClassification")


def scratch_model_class(folder: Path) -> type[PodiumRewardModel] | None:
    """Return the class of a saved model from scratch, or None for another model.

    Raises OSError, ValueError or KeyError if the folder does not hold a model.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return MODEL_CLASSES.get(config["model_type"])


class ScratchBackbone:
    """A model from scratch with its tokenizer.

    Its `layout` is "shared" (each prompt is read once per ranking) or "padded" (once per response).
    """

    def __init__(
        self,
        model: PodiumRewardModel,
        tokenizer: PreTrainedTokenizerBase,
        layout: str,
    ) -> None:
        self.model = model
        if isinstance(model, PodiumFeaturesForSequenceClassification):
            model.freeze_linear()
        self.tokenizer = tokenizer
        self.attention: AttentionKind | None = None
        self.head: Collection[str] = ()
        self.head_is_new = True
        self.layout = "padded" if layout == "padded" else "shared"
        self.pad = int(model.config.pad_token_id)

    @classmethod
    def create(
        cls, config: TrainConfig, texts: Iterator[str], device: torch.device
    ) -> ScratchBackbone:
        """Return a model with new weights and a tokenizer that is trained on `texts`."""
        tokenizer = byte_pairs.train_tokenizer(texts, config.vocabulary)
        model = _new_model(config, tokenizer)
        torch.nn.Module.to(model, device)
        return cls(model, tokenizer, config.layout)

    @classmethod
    def load(
        cls,
        model_class: type[PodiumRewardModel],
        folder: Path,
        config: TrainConfig,
        device: torch.device,
    ) -> ScratchBackbone:
        """Load a model of class `model_class` from a folder that Podium saved."""
        model = model_class.from_pretrained(folder)
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
            return torch.where(response_mask(examples).to(device), rewards_NK, 0.0)
        padded = padded_rows(examples, self.pad)
        logits_B1 = self.model(
            padded.tokens_BT.to(device), attention_mask=padded.attention_BT.to(device)
        ).logits
        return scatter_rewards(logits_B1.squeeze(-1), examples)

    @property
    def network(self) -> PodiumRewardModel | None:
        """Return the part of the model that has hidden states; a linear model may have none."""
        if isinstance(self.model, PodiumFeaturesForSequenceClassification):
            return self.model.network
        return self.model

    def last_hidden(self, examples: Sequence[Example]) -> Tensor | None:
        if self.network is None:
            return None
        device, rows = self.model.device, memory_rows(examples, self.pad)
        last_NKD = self.network.read(
            rows.prompts_NP.to(device),
            rows.prompt_lengths_N.to(device),
            rows.responses_NKR.to(device),
            rows.ends_NK.to(device),
        )
        return last_NKD[response_mask(examples).to(device)]

    def head_weights(self) -> Tensor | None:
        return None if self.network is None else self.network.score.weight[0]

    def head_rewards(self, last_BD: Tensor) -> Tensor:
        if self.network is None:
            raise ValueError("a linear model has no head")
        return self.network.head_rewards(last_BD)

    def save(self, folder: Path) -> None:
        self.model.config.problem_type = "regression"  # pipelines then give the reward itself
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def _new_model(config: ModelSettings, tokenizer: PreTrainedTokenizerBase) -> PodiumRewardModel:
    tokens: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "separator_token_id": tokenizer.get_vocab()[byte_pairs.SEPARATOR],
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    if config.backbone == "rnn":
        sizes = {"hidden_size": config.width, "num_hidden_layers": config.layers}
        return PodiumRNNForSequenceClassification(
            PodiumRNNConfig(cell=config.cell, **tokens, **sizes)
        )
    if config.backbone == "transformer":
        return PodiumTransformerForSequenceClassification(transformer_config(config, tokens))
    pieces = byte_pairs.token_bytes(tokenizer)
    model = PodiumFeaturesForSequenceClassification(
        PodiumFeaturesConfig(
            vocabulary_bytes=sum(map(len, pieces)),
            word_buckets=WORD_BUCKETS,
            role_token_ids=byte_pairs.role_ids(tokenizer),
            **tokens,
        )
    )
    model.vocabulary.fill(pieces)
    if config.backbone == "embedding" or (config.backbone == "auto" and packaged_encoder()):
        model.add_encoder(*load_encoder(config.model))
    if config.reward_feature:
        model.add_scorer(*load_reward_model(config.reward_feature))
    return model


def transformer_config(config: ModelSettings, tokens: dict[str, Any]) -> PodiumTransformerConfig:
    """Return the sizes that the settings ask for, given those of the vocabulary."""
    return PodiumTransformerConfig(
        hidden_size=config.width,
        num_attention_heads=config.heads,
        num_prompt_layers=config.prompt_layers,
        num_hidden_layers=config.layers,
        **tokens,
    )


def add_network(model: PodiumFeaturesForSequenceClassification, config: ModelSettings) -> None:
    """Add to the model a network of the sizes that the settings ask for, yet to be trained."""
    names = ("vocab_size", "separator_token_id", "pad_token_id", "eos_token_id")
    tokens = {name: getattr(model.config, name) for name in names}
    model.add_network(transformer_config(config, tokens))
