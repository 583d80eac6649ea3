"""Any Hugging Face model as a reward model: causal language models, and bidirectional encoders.

Shapes: N rankings, K responses, B responses of all rankings, T row tokens, D width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from training.attention import shared_prefix_mask
from training.backbones.hub import is_local
from training.config import TrainConfig
from training.errors import UserError
from training.layout import (
    Example,
    padded_rows,
    padded_size,
    present,
    shared_rows,
    shared_size,
)
from training.text import prepare_tokenizer

SHARED_TOLERANCE = 1e-4


class PretrainedBackbone:
    """`layout` is "shared" (a row per ranking) or "padded" (a row per response)."""

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, layout: str
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.pad = int(model.config.pad_token_id)
        # A causal classifier scores a token by one linear map; encoders have heads of many kinds.
        self.causal = isinstance(getattr(model, "score", None), nn.Linear)
        self.layout = "padded" if layout == "padded" else self._shared_if_possible(layout)

    @classmethod
    def create(cls, config: TrainConfig) -> PretrainedBackbone:
        """Weights by name or from a folder, with a new head. Raises UserError."""
        local = is_local(config.model)
        try:
            tokenizer = AutoTokenizer.from_pretrained(
                config.model, local_files_only=local, trust_remote_code=False
            )
            model = _load_without_dropout(config.model, local)
        except UserError:
            raise
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UserError(f"model {config.model} cannot be loaded: {reason}") from error
        prepare_tokenizer(tokenizer)
        if len(tokenizer) > _embedding_rows(model):
            model.resize_token_embeddings(len(tokenizer))
        model.config.pad_token_id = tokenizer.pad_token_id
        model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
        _refuse_unfit(model, config)
        _forget_remote_code(model, tokenizer)
        return cls(model, tokenizer, config.layout)

    @classmethod
    def load(cls, folder: Path, layout: str) -> PretrainedBackbone:
        """A folder that we saved."""
        model = AutoModelForSequenceClassification.from_pretrained(
            folder, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        return cls(model, tokenizer, layout)

    def size(self, examples: Sequence[Example]) -> int:
        return shared_size(examples) if self.layout == "shared" else padded_size(examples)

    def rewards(self, examples: Sequence[Example]) -> Tensor:
        return self._shared(examples) if self.layout == "shared" else self._padded(examples)

    def save(self, folder: Path) -> None:
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def _shared(self, examples: Sequence[Example]) -> Tensor:
        device = self.model.device
        rows = shared_rows(examples, self.pad)
        hidden_NTD = self.model.base_model(
            input_ids=rows.tokens_NT.to(device),
            position_ids=rows.positions_NT.to(device),
            attention_mask=shared_prefix_mask(rows.segments_NT.to(device)),
            use_cache=False,
        ).last_hidden_state
        ends_NK1 = rows.ends_NK.to(device)[:, :, None]
        last_NKD = hidden_NTD.gather(1, ends_NK1.expand(-1, -1, hidden_NTD.shape[-1]))
        return torch.where(present(examples).to(device), self._head(last_NKD), 0.0)

    def _padded(self, examples: Sequence[Example]) -> Tensor:
        device = self.model.device
        rows = padded_rows(examples, self.pad)
        tokens_BT, attention_BT = rows.tokens_BT.to(device), rows.attention_BT.to(device)
        if self.causal:
            hidden_BTD = self.model.base_model(
                input_ids=tokens_BT, attention_mask=attention_BT, use_cache=False
            ).last_hidden_state
            last_BD = hidden_BTD[torch.arange(len(rows.ends_B)), rows.ends_B.to(device)]
            rewards_B = self._head(last_BD)
        else:
            logits_B1 = self.model(input_ids=tokens_BT, attention_mask=attention_BT).logits
            rewards_B = logits_B1.float().squeeze(-1)
        present_NK = present(examples).to(device)
        return torch.zeros(present_NK.shape, dtype=rewards_B.dtype, device=device).masked_scatter(
            present_NK, rewards_B
        )

    def _head(self, last: Tensor) -> Tensor:
        """Rewards (...) of last hidden states (..., D), in float32 or better under autocast too."""
        with torch.autocast(last.device.type, enabled=False):
            precision = torch.promote_types(last.dtype, torch.float32)
            weight: Tensor = self.model.get_parameter("score.weight").to(precision)
            return F.linear(last.to(precision), weight).squeeze(-1)

    def _shared_if_possible(self, layout: str) -> str:
        """ "shared" where both layouts give equal rewards on a made-up ranking, else "padded".

        What a model does with positions and masks differs from family to family, and this asks it.
        Raises UserError where "shared" was asked for.
        """
        if self._agrees_with_padded():
            return "shared"
        if layout == "shared":
            raise UserError(
                f"layout shared does not work for a {self.model.config.model_type} model;"
                " use --layout padded"
            )
        return "padded"

    @torch.no_grad()
    def _agrees_with_padded(self) -> bool:
        if not self.causal or self.model.config._attn_implementation != "sdpa":
            return False
        if not _attends_to_all(self.model.config):
            return False
        vocabulary = self.model.config.get_text_config().vocab_size
        made_up = [np.arange(1, 1 + n, dtype=np.int32) * 7919 % vocabulary for n in (9, 5, 11, 3)]
        example = [Example(made_up[0], made_up[1:])]
        training = self.model.training
        self.model.eval()
        try:
            shared, padded = self._shared(example), self._padded(example)
        except (TypeError, ValueError, RuntimeError, AttributeError):
            return False
        finally:
            self.model.train(training)
        close = SHARED_TOLERANCE * (1 + padded.abs().max())
        return bool((shared - padded).abs().max() <= close)


def _attends_to_all(config: Any) -> bool:
    """False for models with layers that see a window only, or are no attention at all."""
    text = config.get_text_config()
    kinds = getattr(text, "layer_types", None)
    if kinds is not None:
        return set(kinds) == {"full_attention"}
    return getattr(text, "sliding_window", None) is None


def _forget_remote_code(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Drop references to code that came with the model.

    They would be saved, and whoever loads our folder and trusts it would run that code.
    """
    for config in (model.config, model.config.get_text_config()):
        vars(config).pop("auto_map", None)
    tokenizer.init_kwargs.pop("auto_map", None)


def _load_without_dropout(name: str, local: bool) -> PreTrainedModel:
    config = AutoConfig.from_pretrained(
        name, num_labels=1, local_files_only=local, trust_remote_code=False
    )
    for part in {
        id(config): config,
        id(config.get_text_config()): config.get_text_config(),
    }.values():
        for key, value in vars(part).items():
            if "drop" in key and isinstance(value, float):
                setattr(part, key, 0.0)
    model, loading = AutoModelForSequenceClassification.from_pretrained(
        name,
        config=config,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=local,
        dtype=torch.float32,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # a head with other labels; the rest is checked below
    )
    refitted = {key for key, *_ in loading["mismatched_keys"]}
    name_of_head, head = _head(model)
    if strange := [key for key in refitted if not key.startswith(name_of_head.split(".")[0])]:
        raise UserError(f"model {name} cannot be loaded: {strange[0]} has not the size it should")
    if f"{name_of_head}.weight" in refitted | set(loading["missing_keys"]):
        nn.init.normal_(head.weight, std=1 / math.sqrt(head.in_features + 1))
    return model


def _head(model: PreTrainedModel) -> tuple[str, nn.Linear]:
    """The last map to one number, with its name."""
    heads = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module.out_features == 1
    ]
    if not heads:
        raise UserError(f"a {model.config.model_type} model has no head for one reward")
    return heads[-1]


def _embedding_rows(model: PreTrainedModel) -> int:
    return model.get_input_embeddings().get_parameter("weight").shape[0]


def _refuse_unfit(model: PreTrainedModel, config: TrainConfig) -> None:
    if model.config.is_encoder_decoder:
        raise UserError(
            f"model {config.model} is an encoder-decoder; choose a causal model or an encoder"
        )
    longest = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    wanted = config.max_prompt_tokens + config.max_response_tokens
    if longest is not None and wanted > longest:
        raise UserError(
            f"max_prompt_tokens + max_response_tokens is {wanted}, but {config.model} reads at most"
            f" {longest} tokens; lower them"
        )
