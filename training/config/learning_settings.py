"""The settings of the optimisation."""
# ruff: noqa: RUF009 - learning_setting() makes a dataclass field; nothing is shared between instances

from dataclasses import dataclass
from functools import partial
from typing import Literal

from training.config.setting import BY_STEPS, PRETRAINED, setting

Batching = Literal["grouped", "shuffled"]
Loss = Literal["bradley-terry", "plackett-luce"]
OptimizerChoice = Literal["adam", "adamw", "sgd", "rmsprop", "adafactor", "muon"]
Schedule = Literal["cosine", "linear", "constant"]
Keep = Literal["last", "best"]
ChooseBy = Literal["held-out", "validation"]

learning_setting = partial(setting, group="learning")


@dataclass(frozen=True)
class LearningSettings:
    """The settings of the optimisation."""

    batching: Batching = learning_setting(
        "grouped",
        "batch all rankings of the same responses as one, or shuffle their comparisons",
        words={
            "grouped": "All rankings of the same responses as one",
            "shuffled": "Shuffled comparisons",
        },
        used_by=BY_STEPS,
    )
    loss: Loss = learning_setting(
        "bradley-terry",
        "loss of all comparisons, or of the order as a whole",
        words={
            "bradley-terry": "All comparisons (Bradley-Terry)",
            "plackett-luce": "The order as a whole (Plackett-Luce)",
        },
        used_by=BY_STEPS,
    )
    margin: float = learning_setting(
        0.0,
        "margin of the loss, in reward per rank of distance",
        used_by=BY_STEPS,
        least=0,
    )
    label_smoothing: float = learning_setting(
        0.0,
        "label smoothing: fraction of comparisons taken to be wrong",
        used_by=BY_STEPS,
        least=0,
        most=0.49,
    )
    reward_centering: float = learning_setting(
        0.0,
        "coefficient of the squared mean reward of a ranking, added to the loss",
        used_by=BY_STEPS,
        least=0,
    )
    epochs: int = learning_setting(
        None,
        "epochs: passes over the texts of the training side. For a pretrained model, as many as"
        " make 60 steps, from 2 to 10",
        is_basic=True,
        used_by=BY_STEPS,
        least=1,
        most=10000,
    )
    max_steps: int = learning_setting(
        0,
        "maximum number of optimiser steps; with 0, only the epochs limit a run",
        used_by=BY_STEPS,
        least=0,
    )
    rankings_per_step: int = learning_setting(
        None,
        "batch size: rankings in one optimiser step; those of the same responses count as one. For"
        " a pretrained model 8, or a sixth of few rankings",
        used_by=BY_STEPS,
        least=1,
        most=65536,
    )
    optimizer: OptimizerChoice = learning_setting(
        "adamw",
        "optimiser of the weights",
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
    schedule: Schedule = learning_setting(
        "cosine",
        "learning rate schedule after warm-up",
        label="learning rate schedule",
        words={"cosine": "Cosine", "linear": "Linear", "constant": "Constant"},
        used_by=BY_STEPS,
    )
    learning_rate: float = learning_setting(
        None,
        "peak learning rate; of a pretrained model 1e-5, with fewer than 100 million parameters"
        " 5e-5, with LoRA 1e-4",
        is_basic=True,
        used_by=BY_STEPS,
        above=0,
        most=1,
    )
    head_learning_rate: float = learning_setting(
        None,
        "peak learning rate of the head of a pretrained model, and of other weights that its files"
        " lack. The default is the learning rate, or ten times it for a new head without LoRA",
        used_by=PRETRAINED,
        above=0,
        most=1,
    )
    final_lr_ratio: float = learning_setting(
        0.1,
        "final learning rate, as a fraction of the peak",
        label="final learning rate ratio",
        used_by=BY_STEPS,
        least=0,
        most=1,
    )
    warmup_ratio: float = learning_setting(
        None,
        "warm-up steps, as a fraction of all steps",
        used_by=BY_STEPS,
        least=0,
        most=0.9,
    )
    beta1: float = learning_setting(
        0.9,
        "beta1 of Adam and AdamW; momentum of the other optimisers",
        used_by=BY_STEPS,
        least=0,
        most=0.9999,
    )
    beta2: float = learning_setting(
        0.95,
        "beta2 of Adam and AdamW; alpha of RMSprop",
        used_by=BY_STEPS,
        least=0,
        most=0.99999,
    )
    weight_decay: float = learning_setting(
        None,
        "weight decay of the weight matrices",
        used_by=BY_STEPS,
        least=0,
        most=10,
    )
    max_grad_norm: float = learning_setting(
        1.0,
        "clip norm: maximum norm of the gradient",
        label="gradient clip norm",
        used_by=BY_STEPS,
        above=0,
    )
    patience: int = learning_setting(
        None,
        "early stopping after this many evaluations without a lower loss; 0 is off. For a"
        " pretrained model 3, with fewer than 25 training prompts 0",
        used_by=BY_STEPS,
        least=0,
    )
    keep: Keep = learning_setting(
        None,
        "keep the weights of the last step, or of the lowest loss. For a pretrained model those of"
        " the lowest loss, with fewer than 25 training prompts the last",
        label="weights to keep",
        words={"last": "Those of the last step", "best": "Those of the lowest loss"},
        used_by=BY_STEPS,
    )
    choose_by: ChooseBy = learning_setting(
        "validation",
        "prompts whose loss decides early stopping and the weights to keep: the held-out ones, or a"
        " fifth of the others, which are then not trained on (validation)",
        label="prompts that choose",
        words={
            "held-out": "The held-out prompts",
            "validation": "A fifth of the others (validation)",
        },
        used_by=BY_STEPS,
    )
    seed: int = learning_setting(
        0,
        "random seed of the initial weights and of the order of the data",
        least=0,
        most=2**32 - 1,
    )
