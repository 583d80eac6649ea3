"""The settings of a training run. Standard library only: the web imports this file."""
# ruff: noqa: RUF009 - setting() makes a dataclass field; nothing is shared between instances

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

from training.rankings import Ties, Verdicts

Switch = Literal["off", "on"]
Backbone = Literal["transformer", "rnn", "pretrained"]
Cell = Literal["gru", "lstm"]
Batching = Literal["grouped", "shuffled"]
HeldOutBy = Literal["prompt", "labeller"]
Loss = Literal["bradley-terry", "plackett-luce"]
OptimizerChoice = Literal["adam", "adamw", "sgd", "rmsprop", "adafactor", "muon"]
Schedule = Literal["cosine", "linear", "constant"]
Keep = Literal["last", "best"]
LayoutChoice = Literal["auto", "shared", "padded"]
AttentionChoice = Literal["auto", "blocks", "flex", "dense"]
Sharding = Literal["ddp", "fsdp"]
DeviceChoice = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bf16"]

# What a setting of None stands for. The first column was chosen on splits of 219 and of 5,281
# rankings (docs/experiments.md); the second follows InstructGPT, arXiv 2203.02155, appendix C.
BACKBONE_DEFAULTS: dict[str, dict[str, Any]] = {
    "transformer": {
        "model": "",
        "max_response_tokens": 1024,
        "epochs": 1,
        "rankings_per_step": 16,
        "learning_rate": 3e-3,
        "weight_decay": 0.1,
        "tokens_per_batch": 2048,
    },
    "rnn": {
        "model": "",
        "max_response_tokens": 512,
        "epochs": 3,
        "rankings_per_step": 16,
        "learning_rate": 1e-3,
        "weight_decay": 0.1,
        "tokens_per_batch": 2048,
    },
    "pretrained": {
        "model": "gpt2",
        "max_response_tokens": 512,
        "epochs": 1,
        "rankings_per_step": 64,
        "learning_rate": 9e-6,
        "weight_decay": 0.0,
        "tokens_per_batch": 0,
    },
}

# What the learning rates above, which are AdamW's, are multiplied by where none is given
# (docs/training.md has the trials). Muon's updates are scaled to the size of AdamW's.
OPTIMIZER_RATES: dict[str, float] = {
    "adam": 1,
    "adamw": 1,
    "sgd": 100,
    "rmsprop": 0.1,
    "adafactor": 10,
    "muon": 1,
}


def setting(
    default: Any,
    text: str,
    *,
    group: str,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
) -> Any:
    """A field of TrainConfig with its one-line description, its group in `--help` and its range."""
    limits = {"least": least, "above": above, "most": most}
    return dataclasses.field(default=default, metadata={"help": text, "group": group, **limits})


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides what a run computes. A bad value raises ValueError, naming it.

    A field whose default is None takes its backbone's value from BACKBONE_DEFAULTS on
    construction, so a TrainConfig that exists has every value filled in.
    """

    backbone: Backbone = setting(
        "transformer",
        "transformer, rnn: from scratch, no download. pretrained: any Hugging Face model",
        group="model",
    )
    model: str = setting(
        None,
        "pretrained: name or folder of the Hugging Face model (safetensors)",
        group="model",
    )
    backbone_license: str = setting(
        "", "pretrained: licence of that model, for the model card", group="model"
    )
    cell: Cell = setting("lstm", "rnn: kind of cell", group="model")
    layers: int = setting(
        1, "from scratch: layers that read a response", group="model", least=1, most=48
    )
    prompt_layers: int = setting(
        1, "transformer: layers that read the prompt", group="model", least=1, most=48
    )
    width: int = setting(
        64,
        "from scratch: hidden size; of a transformer a multiple of heads",
        group="model",
        least=8,
        most=8192,
    )
    heads: int = setting(4, "transformer: attention heads", group="model", least=1, most=128)
    vocabulary: int = setting(
        8192, "from scratch: tokens in the vocabulary", group="model", least=300, most=262144
    )
    lora_rank: int = setting(
        0, "pretrained: rank of LoRA's matrices; 0: train every weight", group="model", least=0
    )
    lora_alpha: float = setting(
        32.0, "pretrained: LoRA's scale, divided by its rank", group="model", above=0
    )

    ties: Ties = setting(
        "drop",
        "tied pairs: dropped, a soft label of one half, or a probability of their own",
        group="data",
    )
    verdicts: Verdicts = setting(
        "all",
        "every ranking; the majority of a prompt's labellers; where there is one, the adjudicated",
        group="data",
    )
    held_out_by: HeldOutBy = setting(
        "prompt", "hold out prompts, or all rankings of some labellers", group="data"
    )
    held_out_fraction: float = setting(
        0.15,
        "share of prompts (or labellers) to judge the model on",
        group="data",
        above=0,
        most=0.9,
    )
    split: int = setting(
        0, "which split: another number holds out other prompts", group="data", least=0
    )
    folds: int = setting(
        0,
        "k-fold: of so many equal parts hold out the one that split names; 0: off",
        group="data",
        least=0,
        most=1000,
    )
    max_prompt_tokens: int = setting(
        512, "tokens kept of a prompt; the oldest are cut", group="data", least=8, most=1048576
    )
    max_response_tokens: int = setting(
        None, "tokens kept of a response; its end is cut", group="data", least=8, most=1048576
    )

    batching: Batching = setting(
        "grouped", "a ranking is one element of a step, or each comparison is", group="training"
    )
    loss: Loss = setting(
        "bradley-terry", "of all comparisons, or of the order as a whole", group="training"
    )
    margin: float = setting(
        0.0, "reward by which a comparison must be won, per rank between", group="training", least=0
    )
    label_smoothing: float = setting(
        0.0, "share of comparisons taken to be wrong", group="training", least=0, most=0.49
    )
    centring: float = setting(
        0.0, "pull of a ranking's mean reward to zero", group="training", least=0
    )
    epochs: int = setting(None, "passes over the rankings", group="training", least=1, most=10000)
    max_steps: int = setting(
        0, "optimiser steps at most; 0: as many as the epochs have", group="training", least=0
    )
    rankings_per_step: int = setting(
        None, "rankings in one optimiser step", group="training", least=1, most=65536
    )
    optimizer: OptimizerChoice = setting("adamw", "torch's own", group="training")
    schedule: Schedule = setting(
        "cosine", "how the learning rate falls behind its peak", group="training"
    )
    learning_rate: float = setting(None, "step size at its peak", group="training", above=0, most=1)
    final_lr_ratio: float = setting(
        0.1, "share of the learning rate left at the end", group="training", least=0, most=1
    )
    warmup_ratio: float = setting(
        0.05, "share of the steps over which the rate rises", group="training", least=0, most=0.9
    )
    beta1: float = setting(
        0.9,
        "Adam, AdamW: memory of the gradient; others: momentum",
        group="training",
        least=0,
        most=0.9999,
    )
    beta2: float = setting(
        0.95, "Adam, AdamW, RMSprop: memory of its square", group="training", least=0, most=0.99999
    )
    weight_decay: float = setting(
        None, "pull of the matrices to zero", group="training", least=0, most=10
    )
    max_grad_norm: float = setting(
        1.0, "gradients longer than this are shortened to it", group="training", above=0
    )
    patience: int = setting(
        0,
        "held-out evaluations without a better loss that end a run; 0: off",
        group="training",
        least=0,
    )
    keep: Keep = setting(
        "last", "the weights of the last step, or of the best held-out loss", group="training"
    )
    seed: int = setting(0, "seed of weights and order", group="training", least=0, most=2**32 - 1)

    layout: LayoutChoice = setting(
        "auto", "shared: a prompt once per ranking. padded: once per response", group="machine"
    )
    attention: AttentionChoice = setting(
        "auto",
        "of the shared layout: what is fastest on the device, or one by name",
        group="machine",
    )
    gradient_checkpointing: Switch = setting(
        "off", "pretrained: compute activations twice to keep fewer", group="machine"
    )
    sharding: Sharding = setting(
        "ddp", "several processes: a whole model in each, or a share of it", group="machine"
    )
    checkpoint_minutes: float = setting(
        10.0, "between checkpoints; 0: none", group="machine", least=0
    )
    tokens_per_batch: int = setting(
        None,
        "tokens computed at a time, padding counted; 0: 16384 on cuda, 3072 on a cpu",
        group="machine",
        least=0,
    )
    device: DeviceChoice = setting("auto", "auto: cuda where there is one", group="machine")
    precision: Precision = setting("auto", "auto: bf16 on cuda, else float32", group="machine")

    evaluate_every: int = setting(
        0, "steps between held-out evaluations; 0: after each epoch", group="log", least=0
    )
    baseline: Switch = setting("on", "count words beside the model: what it must beat", group="log")
    log_every: int = setting(1, "steps between logged values", group="log", least=1)

    def __post_init__(self) -> None:
        types = get_type_hints(type(self))
        for name in ("backbone", "optimizer"):  # what other settings' defaults depend on
            _check(name, getattr(self, name), types[name], {})
        defaults = BACKBONE_DEFAULTS[self.backbone]
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None and field.name in defaults:
                value = defaults[field.name]
                if field.name == "learning_rate":
                    value *= OPTIMIZER_RATES[self.optimizer]
            value = _check(field.name, value, types[field.name], field.metadata)
            object.__setattr__(self, field.name, value)
        self._check_together()

    def _check_together(self) -> None:
        if self.backbone == "transformer" and (self.width % self.heads or self.width % 2):
            raise ValueError(
                f"width must be even and a multiple of heads ({self.heads}), got {self.width}"
            )
        if self.folds == 1 or (self.folds and self.split >= self.folds):
            raise ValueError(
                "folds must be 0 or at least 2, and split below it,"
                f" got {self.folds} with split {self.split}"
            )
        if self.verdicts == "majority" and self.held_out_by == "labeller":
            raise ValueError(
                "held_out_by labeller needs the labellers' own rankings: verdicts must be all or"
                " adjudicated, got 'majority'"
            )
        if self.backbone != "pretrained" and self.model:
            raise ValueError(
                f"model is for backbone pretrained, got {self.model!r} for backbone {self.backbone}"
            )
        if self.backbone != "pretrained" and self.lora_rank:
            raise ValueError(f"lora_rank is for backbone pretrained, got backbone {self.backbone}")
        if self.backbone != "pretrained" and self.gradient_checkpointing == "on":
            raise ValueError(
                f"gradient_checkpointing is for backbone pretrained, got backbone {self.backbone}"
            )
        if self.sharding == "fsdp" and self.backbone != "pretrained":
            raise ValueError(f"sharding fsdp is for backbone pretrained, got {self.backbone}")
        if self.sharding == "fsdp" and self.optimizer in ("adafactor", "muon"):
            raise ValueError(
                "sharding fsdp is for optimizer adam, adamw, sgd or rmsprop, which look at each"
                f" number of a weight by itself; got {self.optimizer}"
            )
        if self.backbone == "pretrained" and not self.model:
            raise ValueError("model must be the name or the folder of a model, got ''")
        self._check_objective()

    def _check_objective(self) -> None:
        if self.ties == "davidson" and self.margin:
            raise ValueError(
                "margin is not for ties davidson, which learns how far apart a better response is,"
                f" got {self.margin}"
            )
        if self.loss != "plackett-luce":
            return
        if self.ties != "drop":
            raise ValueError(f"loss plackett-luce leaves ties out: ties drop, not {self.ties}")
        if self.batching != "grouped":
            raise ValueError(
                "loss plackett-luce is of the order as a whole: batching must be grouped,"
                f" got {self.batching}"
            )
        for name in ("margin", "label_smoothing"):
            if getattr(self, name):
                raise ValueError(
                    f"{name} is of comparisons, and loss plackett-luce has none;"
                    f" it must be 0, got {getattr(self, name)}"
                )

    def to_json(self) -> dict[str, Any]:
        """Plain values, every field."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, source: str | Mapping[str, Any]) -> TrainConfig:
        """From a JSON object or its text. Raises ValueError for an unknown field or a bad value."""
        values = json.loads(source) if isinstance(source, str) else source
        if not isinstance(values, Mapping):
            raise ValueError(f"settings must be a JSON object, got {type(values).__name__}")
        names = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in names:
                raise ValueError(f"unknown setting {name!r}; known are: {', '.join(names)}")
        return cls(**values)

    def differing(self, other: TrainConfig) -> list[str]:
        """Names of the settings that would give other numbers: not those of machine and log."""
        return [
            field.name
            for field in dataclasses.fields(self)
            if (field.metadata["group"] != "machine" and field.name != "log_every")
            and getattr(self, field.name) != getattr(other, field.name)
        ]

    def to_arguments(self) -> list[str]:
        """The command line that gives this configuration, one `--name=value` a field."""
        return [f"{option(name)}={value}" for name, value in self.to_json().items()]


def option(name: str) -> str:
    """A field's name on the command line."""
    return "--" + name.replace("_", "-")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add an option for each field of TrainConfig, in its group."""
    types = get_type_hints(TrainConfig)
    groups: dict[str, Any] = {}
    for field in dataclasses.fields(TrainConfig):
        title = field.metadata["group"]
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        choices = get_args(types[field.name]) or None
        groups[title].add_argument(
            option(field.name),
            dest=field.name,
            type=str if choices else types[field.name],
            choices=choices,
            metavar=None if choices else types[field.name].__name__.upper(),
            default=argparse.SUPPRESS,
            help=f"{field.metadata['help']} (default: {_default_text(field)})".replace("%", "%%"),
        )


def from_arguments(arguments: argparse.Namespace) -> TrainConfig:
    """The configuration that parsed arguments ask for. Raises ValueError as TrainConfig does."""
    names = {field.name for field in dataclasses.fields(TrainConfig)}
    return TrainConfig(**{name: value for name, value in vars(arguments).items() if name in names})


def _default_text(field: dataclasses.Field[Any]) -> str:
    if field.default is not None:
        return str(field.default)
    values = {name: defaults[field.name] for name, defaults in BACKBONE_DEFAULTS.items()}
    return ", ".join(f"{name} {value}" for name, value in values.items() if value != "")


def _check(name: str, value: Any, expected: Any, limits: Mapping[str, Any]) -> Any:
    """The value, an int made a float where one is due. Raises ValueError with what is allowed."""
    choices = get_args(expected)
    if choices:
        if value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
        return value
    if expected is float and type(value) is int:
        value = float(value)
    if type(value) is not expected:
        raise ValueError(f"{name} must be of type {expected.__name__}, got {value!r}")
    if expected is not str:
        _check_range(name, value, limits)
    return value


def _check_range(name: str, value: float, limits: Mapping[str, Any]) -> None:
    least, above, most = limits["least"], limits["above"], limits["most"]
    if least is not None:
        low, allowed = value < least, [f"at least {least:,}"]
    elif above is not None:
        low, allowed = value <= above, [f"above {above:,}"]
    else:
        low, allowed = False, []
    high = most is not None and value > most
    if most is not None:
        allowed.append(f"at most {most:,}")
    if low or high or (isinstance(value, float) and not math.isfinite(value)):
        allowed = allowed or ["finite"]
        raise ValueError(f"{name} must be {' and '.join(allowed)}, got {value}")
