"""Load a pretrained model as a reward model: check it, add a head and a padding token."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

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

from training.backbones.freezing import freeze
from training.backbones.hub import is_local
from training.backbones.lora import add_lora
from training.backbones.pooled import PodiumPooledConfig, PodiumPooledForSequenceClassification
from training.backbones.pooling import (
    CLASSIFIER_POOLING,
    is_pooled,
    pooling_of,
    with_pooling,
)
from training.config import Pooling, TrainConfig
from training.data.encoder import prepare_tokenizer
from training.errors import UserError
from training.sentences import Sentence, first_line, sentence


class Loaded(NamedTuple):
    """Hold a model with a head for one reward, and its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    head: frozenset[str]
    """Names of the weights of the head, and of others that the model's files lack."""
    head_is_new: bool
    """True unless the model's files hold the head of a reward model."""


def load_pretrained(config: TrainConfig) -> Loaded:
    """Load a model with its head or a new one, and its tokenizer, on the CPU in float32.

    Raises UserError if the model cannot be loaded or cannot become a reward model.
    """
    local = is_local(config.model)
    with loading_errors(sentence("model %(name)s", name=config.model)):
        tokenizer = AutoTokenizer.from_pretrained(
            config.model, local_files_only=local, trust_remote_code=False
        )
        model, head, head_is_new = _load_without_dropout(config.model, local, config.pooling)
    prepare_tokenizer(tokenizer)
    if len(tokenizer) > _embedding_rows(model):
        model.resize_token_embeddings(len(tokenizer))
    for part in _configs(model.config):
        part.pad_token_id = tokenizer.pad_token_id
    _check_compatible(model, tokenizer, config)
    _remove_remote_code(model, tokenizer)
    if config.lora_rank:
        add_lora(model, head, config.lora_rank, config.lora_alpha)
    freeze(model, head, config.freeze)
    if config.gradient_checkpointing == "on":
        _checkpoint_gradients(model)
    return Loaded(model, tokenizer, head, head_is_new)


@contextmanager
def loading_errors(what: Sentence) -> Iterator[None]:
    """Turn what transformers raises for the files of a model into a UserError that names it."""
    try:
        yield
    except UserError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise UserError(
            sentence("%(what)s cannot be loaded: %(problem)s", what=what, problem=first_line(error))
        ) from error


def read_model_config(name: str, local: bool) -> tuple[Any, bool]:
    """Return the configuration with one label, and whether the model is a reward model already."""
    if Path(name).is_dir() and is_pooled(Path(name)):
        return PodiumPooledConfig.from_pretrained(name), True
    config = AutoConfig.from_pretrained(name, local_files_only=local, trust_remote_code=False)
    if type(config) not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        raise UserError(
            sentence(
                "transformers has no sequence classifier for a %(family)s model;"
                " choose another model",
                family=config.model_type,
            )
        )
    names = config.architectures or [""]
    has_head = names[0].endswith("ForSequenceClassification") and config.num_labels == 1
    config.num_labels = 1
    return config, has_head


def model_class(config: Any) -> type[Any]:
    """Return the class that loads or makes a reward model of this configuration."""
    pooled = isinstance(config, PodiumPooledConfig)
    return PodiumPooledForSequenceClassification if pooled else AutoModelForSequenceClassification


def _load_without_dropout(
    name: str, local: bool, wanted: Pooling
) -> tuple[PreTrainedModel, frozenset[str], bool]:
    """Return the model, the names of its head's and new weights, and whether the head is new."""
    config, _ = read_model_config(name, local)
    if wanted in ("cls", "mean") and hasattr(config, CLASSIFIER_POOLING):
        setattr(config, CLASSIFIER_POOLING, wanted)
    for part in _configs(config):
        for key, value in vars(part).items():
            if "drop" in key and isinstance(value, float):
                setattr(part, key, 0.0)
    model, loading = model_class(config).from_pretrained(
        name,
        config=config,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=local,
        dtype=torch.float32,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # for a head with other labels; others are rejected below
    )
    refitted = {key for key, *_ in loading["mismatched_keys"]}
    name_of_head, head = reward_head(model)
    if strange := [key for key in refitted if not key.startswith(name_of_head.split(".")[0])]:
        raise UserError(
            sentence(
                "model %(name)s cannot be loaded: %(weight)s has an unexpected shape",
                name=name,
                weight=strange[0],
            )
        )
    new = refitted | set(loading["missing_keys"])
    head_is_new = f"{name_of_head}.weight" in new
    if head_is_new:
        nn.init.normal_(head.weight, std=1 / math.sqrt(head.in_features + 1))
    new |= {f"{name_of_head}.{key}" for key, _ in head.named_parameters()}
    names = frozenset(name for name, _ in model.named_parameters() if name in new)
    if wanted not in ("auto", pooling_of(model)):
        return *with_pooling(model, names, wanted), True
    return model, names, head_is_new


def _configs(config: Any) -> list[Any]:
    """Return the configuration, and the one of the text model if they are separate."""
    text = config.get_text_config()
    return [config] if text is config else [config, text]


def reward_head(model: PreTrainedModel) -> tuple[str, nn.Linear]:
    """Return the name and the module of the last linear layer with one output."""
    heads = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module.out_features == 1
    ]
    if not heads:
        raise UserError(
            sentence(
                "a %(family)s model has no head for one reward", family=model.config.model_type
            )
        )
    return heads[-1]


def _embedding_rows(model: PreTrainedModel) -> int:
    return model.get_input_embeddings().get_parameter("weight").shape[0]


def _check_compatible(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, config: TrainConfig
) -> None:
    if model.config.is_encoder_decoder:
        raise UserError(
            sentence(
                "model %(name)s is an encoder-decoder; choose a causal model or an encoder",
                name=config.model,
            )
        )
    wanted = config.max_prompt_tokens + config.max_response_tokens
    longest = max_tokens(model)
    if longest is not None and wanted > longest:
        raise UserError(
            sentence(
                "max_prompt_tokens + max_response_tokens is %(wanted)s, but %(name)s reads at most"
                " %(longest)s tokens; lower them",
                wanted=str(wanted),
                name=config.model,
                longest=str(longest),
            )
        )
    positions = _offset_positions(model)
    if positions is not None and positions.padding_idx != tokenizer.pad_token_id:
        raise UserError(
            sentence(
                "the model's padding token has id %(own)s, but its tokenizer's has id %(other)s;"
                " correct the model folder",
                own=str(positions.padding_idx),
                other=str(tokenizer.pad_token_id),
            )
        )
    _check_padding(model, tokenizer)


def max_tokens(model: PreTrainedModel) -> int | None:
    """Return the maximum number of tokens that the model reads, or None without a limit."""
    positions = _offset_positions(model)
    if positions is not None:
        return positions.num_embeddings - 1 - int(positions.padding_idx or 0)
    longest = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return longest if longest is not None and longest > 0 else None


def _offset_positions(model: PreTrainedModel) -> nn.Embedding | None:
    """Return the positions of a RoBERTa-like model, which begin behind the padding token's id."""
    for name, module in model.named_modules():
        if "position" in name and isinstance(module, nn.Embedding) and module.padding_idx:
            return module
    return None


@torch.no_grad()
def _check_padding(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise UserError if padding on the right changes the reward of a made-up sequence."""
    special = set(tokenizer.all_special_ids)
    ordinary = [token for token in range(len(tokenizer)) if token not in special][:9]
    tokens_1T = torch.tensor([ordinary])
    padded_1T = F.pad(tokens_1T, (0, 3), value=int(model.config.pad_token_id))
    family = model.config.model_type
    training = model.training
    model.eval()
    try:
        alone, padded = (
            model(input_ids=row_1T, attention_mask=(row_1T != model.config.pad_token_id).long())
            for row_1T in (tokens_1T, padded_1T)
        )
    except Exception as error:  # the code of a model may raise anything
        raise UserError(
            sentence(
                "a %(family)s model cannot compute a reward: %(problem)s",
                family=family,
                problem=first_line(error),
            )
        ) from error
    model.train(training)
    if not torch.allclose(alone.logits, padded.logits, atol=1e-4, rtol=1e-4):
        raise UserError(
            sentence(
                "padding changes the rewards of a %(family)s model; choose another model",
                family=family,
            )
        )


def _remove_remote_code(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Remove references to code that came with the model.

    Otherwise they would be saved, and loading the saved folder would run that code.
    """
    for part in _configs(model.config):
        vars(part).pop("auto_map", None)
    tokenizer.init_kwargs.pop("auto_map", None)


def _checkpoint_gradients(model: PreTrainedModel) -> None:
    if not model.supports_gradient_checkpointing:
        raise UserError(
            sentence(
                "a %(family)s model does not support gradient checkpointing;"
                " use --gradient-checkpointing off",
                family=model.config.model_type,
            )
        )
    # The name in transformers before 5.23 was gradient_checkpointing_enable.
    enable = getattr(model, "activation_checkpointing_enable", None)
    (enable or model.gradient_checkpointing_enable)({"use_reentrant": False})
