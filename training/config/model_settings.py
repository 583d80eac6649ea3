"""The settings of the model."""
# ruff: noqa: RUF009 - model_setting() makes a dataclass field; nothing is shared between instances

from dataclasses import dataclass
from functools import partial
from typing import Literal

from training.config.setting import LINEAR, PRETRAINED, RNN, SCRATCH, TRANSFORMER, setting

Backbone = Literal["auto", "features", "embedding", "transformer", "rnn", "pretrained"]
Cell = Literal["gru", "lstm"]
Pooling = Literal["auto", "last", "cls", "mean"]

model_setting = partial(setting, group="model")


@dataclass(frozen=True)
class ModelSettings:
    """The settings of the model."""

    backbone: Backbone = model_setting(
        "auto",
        "kind of model: auto, features and embedding (with a frozen encoder) are linear, and auto"
        " chooses by cross-validation; transformer and rnn are trained from scratch; pretrained is"
        " any Hugging Face model",
        is_basic=True,
        words={
            "auto": "Automatic: the best by cross-validation",
            "features": "Linear, of features and words",
            "embedding": "Linear, of features, words and a frozen encoder",
            "transformer": "Transformer, from scratch",
            "rnn": "Recurrent network, from scratch",
            "pretrained": "Pretrained (Hugging Face)",
        },
    )
    model: str = model_setting(
        None,
        "name or folder of the pretrained Hugging Face model, or of the encoder (safetensors)",
        is_basic=True,
        label="pretrained model",
    )
    reward_feature: str = model_setting(
        "",
        "name or folder of a reward model whose score becomes one more feature of the linear model,"
        " if that helps in cross-validation (safetensors)",
        label="reward model as a feature",
        used_by=LINEAR,
    )
    backbone_license: str = model_setting(
        "",
        "licence of the pretrained model, of the encoder or of the reward model used as a feature,"
        " for the model card",
        label="licence of the model",
    )
    cell: Cell = model_setting(
        "lstm",
        "recurrent cell of the rnn",
        words={"gru": "GRU", "lstm": "LSTM"},
        used_by=RNN,
    )
    layers: int = model_setting(
        1, "layers of a model from scratch", used_by=SCRATCH, least=1, most=48
    )
    prompt_layers: int = model_setting(
        1,
        "layers of the transformer from scratch that read the prompt",
        used_by=TRANSFORMER,
        least=1,
        most=48,
    )
    width: int = model_setting(
        64,
        "hidden size of a model from scratch; for the transformer, a multiple of heads",
        used_by=SCRATCH,
        least=8,
        most=8192,
    )
    heads: int = model_setting(
        4,
        "attention heads of the transformer from scratch",
        used_by=TRANSFORMER,
        least=1,
        most=128,
    )
    vocabulary: int = model_setting(
        8192,
        "vocabulary size of a model from scratch, in tokens",
        label="vocabulary size",
        used_by=("linear", "transformer", "rnn"),
        least=300,
        most=262144,
    )
    network_from: int = model_setting(
        5000,
        "training rankings from which backbone auto tries a network beside the linear model",
        label="network from",
        used_by=LINEAR,
        least=1,
    )
    lora_rank: int = model_setting(
        None,
        "LoRA rank for a pretrained model; 0 trains all weights. The default is 16 for a"
        " model of at least a billion parameters, and 0 for a smaller one",
        label="LoRA rank",
        used_by=PRETRAINED,
        least=0,
    )
    lora_alpha: float = model_setting(
        32.0,
        "LoRA alpha; the update is scaled by alpha / rank",
        label="LoRA alpha",
        used_by=PRETRAINED,
        above=0,
    )
    freeze: str = model_setting(
        "none",
        "freeze a pretrained model: none, all (train only the head), or a number n (train only the"
        " last n layers and the head)",
        used_by=PRETRAINED,
    )
    pooling: Pooling = model_setting(
        "auto",
        "token of a pretrained model at which the reward is read: the last, the first (cls), or the"
        " mean of all. auto: as the architecture's own classifier does, last for a causal model and"
        " cls for an encoder",
        words={
            "auto": "Automatic",
            "last": "Last token",
            "cls": "First token",
            "mean": "Mean of all tokens",
        },
        used_by=PRETRAINED,
    )
