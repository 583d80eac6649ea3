"""The settings of the evaluation."""
# ruff: noqa: RUF009 - evaluation_setting() makes a dataclass field; nothing is shared between instances

from dataclasses import dataclass
from functools import partial
from typing import Literal

from training.config.setting import BY_STEPS, SWITCH_WORDS, Switch, setting

HeldOutBy = Literal["prompt", "labeller"]

evaluation_setting = partial(setting, group="evaluation")


@dataclass(frozen=True)
class EvaluationSettings:
    """The settings of held-out prompts and of the evaluation."""

    held_out_by: HeldOutBy = evaluation_setting(
        "prompt",
        "hold out some prompts, or all rankings of some labellers",
        label="held out",
        words={"prompt": "Some prompts", "labeller": "All rankings of some labellers"},
    )
    held_out_fraction: float = evaluation_setting(
        0.15,
        "fraction of prompts (or labellers) held out for evaluation",
        label="held-out fraction",
        is_basic=True,
        above=0,
        most=0.9,
    )
    split: int = evaluation_setting(
        0,
        "number of the split; another number holds out other prompts",
        least=0,
    )
    folds: int = evaluation_setting(
        0,
        "number of cross-validation folds, of which split names the held-out one; 0 is off",
        least=0,
        most=1000,
    )
    evaluate_every: int = evaluation_setting(
        0,
        "steps between held-out evaluations; 0 is one epoch",
        label="steps between evaluations",
        used_by=BY_STEPS,
        least=0,
    )
    baseline: Switch = evaluation_setting(
        "on",
        "train a word-count baseline for comparison",
        label="word-count baseline",
        words=SWITCH_WORDS,
    )
    calibration: Switch = evaluation_setting(
        "on",
        "learn a temperature from held-out comparisons, so that probabilities are calibrated",
        label="temperature",
        words=SWITCH_WORDS,
    )
    length_partial: Switch = evaluation_setting(
        "on",
        "learn the part of the rewards that length explains, for rewards without it",
        label="rewards without length",
        words=SWITCH_WORDS,
    )
    reward_intervals: Switch = evaluation_setting(
        "on",
        "learn how certain the model is of its rewards, to give intervals of them",
        label="intervals of rewards",
        words=SWITCH_WORDS,
    )
