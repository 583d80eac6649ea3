"""A pretrained model made ready to become a reward model: checked, with a head and a pad token."""

from __future__ import annotations

import math
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from training.backbones.hub import is_local
from training.backbones.lora import add_lora
from training.config import TrainConfig
from training.errors import UserError
from training.text import prepare_tokenizer


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
    _refuse_unfit(model, config)
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
