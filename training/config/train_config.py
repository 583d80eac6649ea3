"""The settings of a training run."""
# ruff: noqa: RUF009 - setting() makes a dataclass field; nothing is shared between instances

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_type_hints

from training.config.checks import check_together
from training.config.defaults import (
    BACKBONE_DEFAULTS,
    DECIDED_BY_MODEL,
    LORA_LEARNING_RATE,
    OLD_NAMES,
    OPTIMIZER_RATES,
)
from training.config.setting import (
    BY_STEPS,
    LINEAR,
    PRETRAINED,
    RNN,
    SCRATCH,
    SWITCH_WORDS,
    TRANSFORMER,
    check,
    option,
    setting,
)
from training.rankings import Aggregation, RankedIn, Ties

Switch = Literal["off", "on"]
Backbone = Literal["auto", "features", "embedding", "transformer", "rnn", "pretrained"]
Cell = Literal["gru", "lstm"]
Pooling = Literal["auto", "last", "cls", "mean"]
Batching = Literal["grouped", "shuffled"]
HeldOutBy = Literal["prompt", "labeller"]
Loss = Literal["bradley-terry", "plackett-luce"]
OptimizerChoice = Literal["adam", "adamw", "sgd", "rmsprop", "adafactor", "muon"]
Schedule = Literal["cosine", "linear", "constant"]
Keep = Literal["last", "best"]
ChooseBy = Literal["held-out", "validation"]
LayoutChoice = Literal["auto", "shared", "padded"]
AttentionChoice = Literal["auto", "blocks", "flex", "dense"]
Sharding = Literal["ddp", "fsdp"]
DeviceChoice = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bf16"]


@dataclass(frozen=True)
class TrainConfig:
    """Hold the settings of a run. A bad value raises ValueError with its name.

    A field whose default is None takes its backbone's value from BACKBONE_DEFAULTS on
    construction, so that every value is filled in but those that depend on the pretrained model.
    """

    backbone: Backbone = setting(
        "auto",
        "kind of model: auto, features and embedding (with a frozen encoder) are linear, and auto"
        " chooses by cross-validation; transformer and rnn are trained from scratch; pretrained is"
        " any Hugging Face model",
        group="model",
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
    model: str = setting(
        None,
        "name or folder of the pretrained Hugging Face model, or of the encoder (safetensors)",
        group="model",
        is_basic=True,
        label="pretrained model",
    )
    backbone_license: str = setting(
        "",
        "licence of the pretrained model, or of the encoder, for the model card",
        group="model",
        label="licence of the model",
    )
    cell: Cell = setting(
        "lstm",
        "recurrent cell of the rnn",
        group="model",
        words={"gru": "GRU", "lstm": "LSTM"},
        used_by=RNN,
    )
    layers: int = setting(
        1, "layers of a model from scratch", group="model", used_by=SCRATCH, least=1, most=48
    )
    prompt_layers: int = setting(
        1,
        "layers of the transformer from scratch that read the prompt",
        group="model",
        used_by=TRANSFORMER,
        least=1,
        most=48,
    )
    width: int = setting(
        64,
        "hidden size of a model from scratch; for the transformer, a multiple of heads",
        group="model",
        used_by=SCRATCH,
        least=8,
        most=8192,
    )
    heads: int = setting(
        4,
        "attention heads of the transformer from scratch",
        group="model",
        used_by=TRANSFORMER,
        least=1,
        most=128,
    )
    vocabulary: int = setting(
        8192,
        "vocabulary size of a model from scratch, in tokens",
        group="model",
        label="vocabulary size",
        used_by=("linear", "transformer", "rnn"),
        least=300,
        most=262144,
    )
    network_from: int = setting(
        5000,
        "training rankings from which backbone auto tries a network beside the linear model",
        group="model",
        label="network from",
        used_by=LINEAR,
        least=1,
    )
    lora_rank: int = setting(
        None,
        "LoRA rank for a pretrained model; 0 trains all weights. Left out, it is 16 for a model of"
        " at least a billion parameters",
        group="model",
        label="LoRA rank",
        used_by=PRETRAINED,
        least=0,
    )
    lora_alpha: float = setting(
        32.0,
        "LoRA alpha; the update is scaled by alpha / rank",
        group="model",
        label="LoRA alpha",
        used_by=PRETRAINED,
        above=0,
    )
    freeze: str = setting(
        "none",
        "freeze a pretrained model: none, all (train only the head), or a number n (train only the"
        " last n layers and the head)",
        group="model",
        used_by=PRETRAINED,
    )
    pooling: Pooling = setting(
        "auto",
        "token of a pretrained model at which the reward is read: the last, the first (cls), or the"
        " mean of all. auto: as the model was trained, else last for a causal model and cls for an"
        " encoder",
        group="model",
        words={
            "auto": "Automatic",
            "last": "Last token",
            "cls": "First token",
            "mean": "Mean of all tokens",
        },
        used_by=PRETRAINED,
    )

    ties: Ties = setting(
        "drop",
        "drop tied pairs, label them one half, or model their probability (Davidson)",
        group="rankings",
        words={
            "drop": "Leave them out",
            "half": "Label them one half",
            "davidson": "Model their probability (Davidson)",
        },
    )
    aggregation: Aggregation = setting(
        "all",
        "train on all rankings, the majority of labellers, or adjudicated rankings first",
        group="rankings",
        is_basic=True,
        words={
            "all": "All rankings",
            "majority": "The majority of a prompt’s labellers, as one ranking",
            "adjudicated": "The adjudicated ranking where there is one, otherwise all",
        },
    )
    labellers: str = setting(
        "",
        "names of the labellers whose rankings are used, separated by commas; empty is everybody",
        group="rankings",
    )
    ranked_from: str = setting(
        "",
        "first day of the rankings that are used, in UTC, as YYYY-MM-DD",
        group="rankings",
        is_date=True,
    )
    ranked_until: str = setting(
        "",
        "last day of the rankings that are used, in UTC, as YYYY-MM-DD",
        group="rankings",
        is_date=True,
    )
    ranked_in: RankedIn = setting(
        "all",
        "use all rankings, those made here, or imported ones",
        group="rankings",
        label="origin of rankings",
        words={"all": "All", "here": "Ranked here", "imported": "Imported"},
    )
    held_out_by: HeldOutBy = setting(
        "prompt",
        "hold out some prompts, or all rankings of some labellers",
        group="evaluation",
        label="held out",
        words={"prompt": "Some prompts", "labeller": "All rankings of some labellers"},
    )
    held_out_fraction: float = setting(
        0.15,
        "fraction of prompts (or labellers) held out for evaluation",
        group="evaluation",
        label="held-out fraction",
        is_basic=True,
        above=0,
        most=0.9,
    )
    split: int = setting(
        0,
        "number of the split; another number holds out other prompts",
        group="evaluation",
        least=0,
    )
    folds: int = setting(
        0,
        "number of cross-validation folds, of which split names the held-out one; 0 is off",
        group="evaluation",
        least=0,
        most=1000,
    )
    max_prompt_tokens: int = setting(
        None,
        "maximum prompt length in tokens; the oldest tokens are cut. For a pretrained model 512, or"
        " fewer if it reads fewer",
        group="rankings",
        least=8,
        most=1048576,
    )
    max_response_tokens: int = setting(
        None,
        "maximum response length in tokens; the end is cut. For a pretrained model 512, or fewer if"
        " it reads fewer",
        group="rankings",
        least=8,
        most=1048576,
    )

    batching: Batching = setting(
        "grouped",
        "batch all rankings of the same responses as one, or shuffle their comparisons",
        group="learning",
        words={
            "grouped": "All rankings of the same responses as one",
            "shuffled": "Shuffled comparisons",
        },
        used_by=BY_STEPS,
    )
    loss: Loss = setting(
        "bradley-terry",
        "loss of all comparisons, or of the order as a whole",
        group="learning",
        words={
            "bradley-terry": "All comparisons (Bradley-Terry)",
            "plackett-luce": "The order as a whole (Plackett-Luce)",
        },
        used_by=BY_STEPS,
    )
    margin: float = setting(
        0.0,
        "margin of the loss, in reward per rank of distance",
        group="learning",
        used_by=BY_STEPS,
        least=0,
    )
    label_smoothing: float = setting(
        0.0,
        "label smoothing: fraction of comparisons taken to be wrong",
        group="learning",
        used_by=BY_STEPS,
        least=0,
        most=0.49,
    )
    reward_centering: float = setting(
        0.0,
        "coefficient of the squared mean reward of a ranking, added to the loss",
        group="learning",
        used_by=BY_STEPS,
        least=0,
    )
    epochs: int = setting(
        None,
        "epochs: passes over the texts of the training side",
        group="learning",
        is_basic=True,
        used_by=BY_STEPS,
        least=1,
        most=10000,
    )
    max_steps: int = setting(
        0,
        "maximum number of optimiser steps; 0 is no limit but the epochs",
        group="learning",
        used_by=BY_STEPS,
        least=0,
    )
    rankings_per_step: int = setting(
        None,
        "batch size: rankings in one optimiser step; those of the same responses count as one",
        group="learning",
        used_by=BY_STEPS,
        least=1,
        most=65536,
    )
    optimizer: OptimizerChoice = setting(
        "adamw",
        "optimiser of the weights",
        group="learning",
        label="optimiser",
        words={
            "adam": "Adam",
            "adamw": "AdamW",
            "sgd": "SGD",
            "rmsprop": "RMSprop",
            "adafactor": "Adafactor",
            "muon": "Muon",
        },
        used_by=BY_STEPS,
    )
    schedule: Schedule = setting(
        "cosine",
        "learning rate schedule after warm-up",
        group="learning",
        label="learning rate schedule",
        words={"cosine": "Cosine", "linear": "Linear", "constant": "Constant"},
        used_by=BY_STEPS,
    )
    learning_rate: float = setting(
        None,
        "peak learning rate; of a pretrained model 1e-5, or 1e-4 with LoRA",
        group="learning",
        is_basic=True,
        used_by=BY_STEPS,
        above=0,
        most=1,
    )
    head_learning_rate: float = setting(
        None,
        "peak learning rate of the head of a pretrained model, and of other weights that its files"
        " lack. Left out, it is that of the other weights, or ten times that for a new head without"
        " LoRA",
        group="learning",
        used_by=PRETRAINED,
        above=0,
        most=1,
    )
    final_lr_ratio: float = setting(
        0.1,
        "final learning rate, as a fraction of the peak",
        group="learning",
        label="final learning rate ratio",
        used_by=BY_STEPS,
        least=0,
        most=1,
    )
    warmup_ratio: float = setting(
        None,
        "warm-up steps, as a fraction of all steps",
        group="learning",
        used_by=BY_STEPS,
        least=0,
        most=0.9,
    )
    beta1: float = setting(
        0.9,
        "beta1 of Adam and AdamW; momentum of the other optimisers",
        group="learning",
        used_by=BY_STEPS,
        least=0,
        most=0.9999,
    )
    beta2: float = setting(
        0.95,
        "beta2 of Adam and AdamW; alpha of RMSprop",
        group="learning",
        used_by=BY_STEPS,
        least=0,
        most=0.99999,
    )
    weight_decay: float = setting(
        None,
        "weight decay of the weight matrices",
        group="learning",
        used_by=BY_STEPS,
        least=0,
        most=10,
    )
    max_grad_norm: float = setting(
        1.0,
        "clip norm: maximum norm of the gradient",
        group="learning",
        label="gradient clip norm",
        used_by=BY_STEPS,
        above=0,
    )
    patience: int = setting(
        0,
        "early stopping after this many evaluations without a lower loss; 0 is off",
        group="learning",
        used_by=BY_STEPS,
        least=0,
    )
    keep: Keep = setting(
        "last",
        "keep the weights of the last step, or of the lowest loss",
        group="learning",
        label="weights to keep",
        words={"last": "Those of the last step", "best": "Those of the lowest loss"},
        used_by=BY_STEPS,
    )
    choose_by: ChooseBy = setting(
        None,
        "prompts whose loss patience and keep look at: the held-out ones, or a fifth of the others,"
        " which are then not trained on (validation)",
        group="learning",
        label="prompts that choose",
        words={
            "held-out": "The held-out prompts",
            "validation": "A fifth of the others (validation)",
        },
        used_by=BY_STEPS,
    )
    seed: int = setting(
        0,
        "random seed of the initial weights and of the order of the data",
        group="learning",
        least=0,
        most=2**32 - 1,
    )

    layout: LayoutChoice = setting(
        "auto",
        "compute a prompt once per ranking (shared) or once per response (padded)",
        group="machine",
        words={
            "auto": "Automatic",
            "shared": "Shared: a prompt once per ranking",
            "padded": "Padded: a prompt once per response",
        },
        used_by=BY_STEPS,
    )
    attention: AttentionChoice = setting(
        "auto",
        "attention of the shared layout; auto is the fastest on the device",
        group="machine",
        words={
            "auto": "Automatic: the fastest",
            "blocks": "Blocks",
            "flex": "Flex",
            "dense": "Dense",
        },
        used_by=BY_STEPS,
    )
    gradient_checkpointing: Switch = setting(
        "off",
        "gradient checkpointing for a pretrained model, to save memory",
        group="machine",
        words=SWITCH_WORDS,
        used_by=PRETRAINED,
    )
    sharding: Sharding = setting(
        "ddp",
        "with several processes, a whole model in each (ddp) or a shard of it (fsdp)",
        group="machine",
        words={
            "ddp": "A whole model in each process (DDP)",
            "fsdp": "A shard in each process (FSDP)",
        },
        used_by=PRETRAINED,
    )
    checkpoint_minutes: float = setting(
        10.0,
        "minutes between checkpoints; 0 writes none",
        group="machine",
        label="minutes between checkpoints",
        used_by=BY_STEPS,
        least=0,
    )
    tokens_per_batch: int = setting(
        None,
        "tokens in one forward pass, padding included; 0 is 16384 on cuda and 3072 on a cpu",
        group="machine",
        least=0,
    )
    device: DeviceChoice = setting(
        "auto",
        "device; auto is cuda if there is one",
        group="machine",
        words={"auto": "Automatic", "cpu": "CPU", "cuda": "GPU (CUDA)"},
    )
    precision: Precision = setting(
        "auto",
        "precision; auto is bf16 on cuda and float32 on a cpu",
        group="machine",
        words={"auto": "Automatic", "float32": "float32", "bf16": "bfloat16"},
    )

    evaluate_every: int = setting(
        0,
        "steps between held-out evaluations; 0 is one epoch",
        group="evaluation",
        label="steps between evaluations",
        used_by=BY_STEPS,
        least=0,
    )
    baseline: Switch = setting(
        "on",
        "train a word-count baseline for comparison",
        group="evaluation",
        label="word-count baseline",
        words=SWITCH_WORDS,
    )
    calibration: Switch = setting(
        "on",
        "learn a temperature from held-out comparisons, so that probabilities come true",
        group="evaluation",
        label="temperature",
        words=SWITCH_WORDS,
    )
    length_partial: Switch = setting(
        "on",
        "learn the part of the rewards that length explains, for rewards without it",
        group="evaluation",
        label="rewards without length",
        words=SWITCH_WORDS,
    )
    log_every: int = setting(
        1,
        "steps between log entries",
        group="machine",
        label="steps between log entries",
        used_by=BY_STEPS,
        least=1,
    )

    def __post_init__(self) -> None:
        types = get_type_hints(type(self))
        for name in ("backbone", "optimizer"):  # what other settings' defaults depend on
            check(name, getattr(self, name), types[name], {})
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None:
                value = self._default(field.name)
            if value is not None or field.name not in DECIDED_BY_MODEL:
                value = check(field.name, value, types[field.name], field.metadata)
            object.__setattr__(self, field.name, value)
        check_together(self)

    def _default(self, name: str) -> Any:
        """Return the default of a setting, or None if it depends on the pretrained model."""
        value = BACKBONE_DEFAULTS[self.backbone].get(name)
        if name != "learning_rate":
            return value
        if self.lora_rank is None:
            return None
        rate = LORA_LEARNING_RATE if self.lora_rank else float(value or 0)
        return rate * OPTIMIZER_RATES[self.optimizer]

    @property
    def validates(self) -> bool:
        """Return True if a part of the training prompts chooses the weights."""
        return self.choose_by == "validation" and (self.patience > 0 or self.keep == "best")

    def to_json(self) -> dict[str, Any]:
        """Return every field as a plain value, by its name."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, source: str | Mapping[str, Any]) -> TrainConfig:
        """Read a JSON object or its text. Raises ValueError for an unknown field or a bad value."""
        values = json.loads(source) if isinstance(source, str) else source
        if not isinstance(values, Mapping):
            raise ValueError(f"settings must be a JSON object, got {type(values).__name__}")
        values = {OLD_NAMES.get(name, name): value for name, value in values.items()}
        if "lora_rank" in values and values.get("backbone") == "pretrained":
            # Runs of earlier versions had one learning rate and no validation.
            values.setdefault("head_learning_rate", values.get("learning_rate"))
            values.setdefault("choose_by", "held-out")
        names = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in names:
                raise ValueError(f"unknown setting {name!r}; known are: {', '.join(names)}")
        return cls(**values)

    def differing(self, other: TrainConfig) -> list[str]:
        """Return the names of settings that differ and change the result of a run."""
        return [
            field.name
            for field in dataclasses.fields(self)
            if field.metadata["group"] != "machine"
            and getattr(self, field.name) != getattr(other, field.name)
        ]

    def to_arguments(self) -> list[str]:
        """Return the command line of this configuration, one `--name=value` for each value."""
        values = dataclasses.asdict(self)
        return [f"{option(name)}={value}" for name, value in values.items() if value is not None]
