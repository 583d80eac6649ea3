"""A pretrained model made ready to become a reward model: checked, with a head and a pad token."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import nn
from transformers import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from training.backbones.hub import is_local
from training.backbones.lora import add_lora
from training.config import TrainConfig
from training.data.encoder import prepare_tokenizer
from training.errors import UserError


def load_pretrained(config: TrainConfig) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Weights by name or from a folder, with a new head, on the CPU in float32.

    Raises UserError.
    """
    local = is_local(config.model)
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            config.model, local_files_only=local, trust_remote_code=False
        )
        model, new = _load_without_dropout(config.model, local)
    except UserError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"model {config.model} cannot be loaded: {reason}") from error
    prepare_tokenizer(tokenizer)
    if len(tokenizer) > _embedding_rows(model):
        model.resize_token_embeddings(len(tokenizer))
    for part in _parts(model.config):
        part.pad_token_id = tokenizer.pad_token_id
    _refuse_unfit(model, tokenizer, config)
    _forget_remote_code(model, tokenizer)
    if config.lora_rank:
        add_lora(model, new, config.lora_rank, config.lora_alpha)
    if config.gradient_checkpointing == "on":
        _checkpoint_gradients(model)
    return model, tokenizer


def _load_without_dropout(name: str, local: bool) -> tuple[PreTrainedModel, set[str]]:
    """The model, and the names of its weights that the files do not hold, the head's among them."""
    config = AutoConfig.from_pretrained(
        name, num_labels=1, local_files_only=local, trust_remote_code=False
    )
    if type(config) not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        raise UserError(
            f"transformers has no sequence classifier for a {config.model_type} model;"
            " choose another model"
        )
    for part in _parts(config):
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
    new = refitted | set(loading["missing_keys"])
    if f"{name_of_head}.weight" in new:
        nn.init.normal_(head.weight, std=1 / math.sqrt(head.in_features + 1))
    return model, new | {f"{name_of_head}.{key}" for key, _ in head.named_parameters()}


def _parts(config: Any) -> list[Any]:
    """The configuration, and that of the text side where it is another."""
    text = config.get_text_config()
    return [config] if text is config else [config, text]


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


def _refuse_unfit(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, config: TrainConfig
) -> None:
    if model.config.is_encoder_decoder:
        raise UserError(
            f"model {config.model} is an encoder-decoder; choose a causal model or an encoder"
        )
    wanted = config.max_prompt_tokens + config.max_response_tokens
    longest = _longest(model, tokenizer)
    if longest is not None and wanted > longest:
        raise UserError(
            f"max_prompt_tokens + max_response_tokens is {wanted}, but {config.model} reads at most"
            f" {longest} tokens; lower them"
        )
    _refuse_unpadded(model, tokenizer)


def _longest(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Tokens that the model reads at most, if there is such a number."""
    for name, module in model.named_modules():
        # RoBERTa and its kin count positions from behind the padding token's.
        if "position" in name and isinstance(module, nn.Embedding) and module.padding_idx:
            if module.padding_idx != tokenizer.pad_token_id:
                raise UserError(
                    f"the model's padding token has id {module.padding_idx}, its tokenizer's"
                    f" {tokenizer.pad_token_id}; mend the folder"
                )
            return module.num_embeddings - 1 - module.padding_idx
    longest = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return longest if longest is not None and longest > 0 else None


@torch.no_grad()
def _refuse_unpadded(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Compute a made-up row alone and with padding on the right: the reward must be the same."""
    special = set(tokenizer.all_special_ids)
    plain = [token for token in range(len(tokenizer)) if token not in special][:9]
    tokens_1T = torch.tensor([plain])
    padded_1T = F.pad(tokens_1T, (0, 3), value=int(model.config.pad_token_id))
    family = model.config.model_type
    training = model.training
    model.eval()
    try:
        alone, padded = (
            model(input_ids=row_1T, attention_mask=(row_1T != model.config.pad_token_id).long())
            for row_1T in (tokens_1T, padded_1T)
        )
    except Exception as error:  # whatever a model's own code may raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"a {family} model gives no reward here: {reason}") from error
    model.train(training)
    if not torch.allclose(alone.logits, padded.logits, atol=1e-4, rtol=1e-4):
        raise UserError(f"padding changes what a {family} model says; choose another model")


def _forget_remote_code(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Drop references to code that came with the model.

    They would be saved, and whoever loads our folder and trusts it would run that code.
    """
    for part in _parts(model.config):
        vars(part).pop("auto_map", None)
    tokenizer.init_kwargs.pop("auto_map", None)


def _checkpoint_gradients(model: PreTrainedModel) -> None:
    if not model.supports_gradient_checkpointing:
        raise UserError(
            f"a {model.config.model_type} model cannot compute activations twice;"
            " use --gradient-checkpointing off"
        )
    model.activation_checkpointing_enable({"use_reentrant": False})
