"""Settings that do not go together."""

from __future__ import annotations

import re

from training.config.setting import is_day
from training.config.settings import Settings
from training.rankings import BY_COMMAND, RANKED_HERE


def check_together(config: Settings) -> None:
    """Raise ValueError for settings that do not go together."""
    if config.backbone in ("auto", "transformer") and (
        config.width % config.heads or config.width % 2
    ):
        raise ValueError(
            f"width must be even and a multiple of heads ({config.heads}), got {config.width}"
        )
    if config.folds == 1 or (config.folds and config.split >= config.folds):
        raise ValueError(
            "folds must be 0 or at least 2, and split below it,"
            f" got {config.folds} with split {config.split}"
        )
    if config.aggregation == "majority" and config.held_out_by == "labeller":
        raise ValueError(
            "held_out_by labeller needs the labellers' own rankings: aggregation must be all or"
            " adjudicated, got 'majority'"
        )
    if config.backbone not in ("pretrained", "embedding") and config.model:
        raise ValueError(
            "model is for backbone pretrained or embedding,"
            f" got {config.model!r} for backbone {config.backbone}"
        )
    if config.reward_feature and config.backbone not in ("auto", "features", "embedding"):
        raise ValueError(
            "reward_feature is for backbone auto, features or embedding,"
            f" got backbone {config.backbone}"
        )
    if config.backbone != "pretrained" and config.lora_rank:
        raise ValueError(f"lora_rank is for backbone pretrained, got backbone {config.backbone}")
    if config.backbone != "pretrained" and config.pooling != "auto":
        raise ValueError(f"pooling is for backbone pretrained, got backbone {config.backbone}")
    if config.backbone != "pretrained" and (config.head_learning_rate or config.freeze != "none"):
        name = "head_learning_rate" if config.head_learning_rate else "freeze"
        raise ValueError(f"{name} is for backbone pretrained, got backbone {config.backbone}")
    if not re.fullmatch("none|all|[1-9][0-9]{0,3}", config.freeze):
        raise ValueError(
            f"freeze must be none, all or a number of layers from 1 on, got {config.freeze!r}"
        )
    if config.lora_rank and config.freeze != "none":
        raise ValueError(
            "freeze cannot be combined with LoRA, which freezes the model itself,"
            f" got {config.freeze} with lora_rank {config.lora_rank}"
        )
    if config.backbone != "pretrained" and config.gradient_checkpointing == "on":
        raise ValueError(
            f"gradient_checkpointing is for backbone pretrained, got backbone {config.backbone}"
        )
    if config.sharding == "fsdp" and config.backbone != "pretrained":
        raise ValueError(f"sharding fsdp is for backbone pretrained, got {config.backbone}")
    if config.sharding == "fsdp" and config.optimizer in ("adafactor", "muon"):
        raise ValueError(
            "sharding fsdp needs an element-wise optimizer (adam, adamw, sgd or rmsprop),"
            f" got {config.optimizer}"
        )
    if config.backbone == "pretrained" and not config.model:
        raise ValueError("model must be the name or the folder of a model, got ''")
    check_days(config)
    check_uploads(config)
    check_objective(config)


def check_days(config: Settings) -> None:
    """Raise ValueError for an invalid day, or if the last day is before the first."""
    for name in ("ranked_from", "ranked_until"):
        day = getattr(config, name)
        if day and not is_day(day):
            raise ValueError(f"{name} must be a day like 2026-11-28, got {day!r}")
    if config.ranked_from and config.ranked_until and config.ranked_from > config.ranked_until:
        raise ValueError(
            f"ranked_until must not be before ranked_from ({config.ranked_from}), got"
            f" {config.ranked_until}"
        )


def check_uploads(config: Settings) -> None:
    """Raise ValueError for an upload that is no number, unless it stands for other rankings."""
    for upload in filter(None, map(str.strip, config.uploads.split(","))):
        if upload not in (RANKED_HERE, BY_COMMAND) and not re.fullmatch("[1-9][0-9]{0,17}", upload):
            raise ValueError(
                f"uploads must be numbers of uploads, {RANKED_HERE} or {BY_COMMAND}, separated by"
                f" commas, got {upload!r}"
            )


def check_objective(config: Settings) -> None:
    """Raise ValueError for settings of the loss that do not go together."""
    if config.ties == "davidson" and config.margin:
        raise ValueError(
            "margin cannot be combined with ties davidson, which learns that distance itself,"
            f" got {config.margin}"
        )
    if config.loss != "plackett-luce":
        return
    if config.ties != "drop":
        raise ValueError(f"loss plackett-luce has no ties: ties must be drop, got {config.ties}")
    if config.batching != "grouped":
        raise ValueError(
            "loss plackett-luce is of the order as a whole: batching must be grouped,"
            f" got {config.batching}"
        )
    for name in ("margin", "label_smoothing"):
        if getattr(config, name):
            raise ValueError(
                f"{name} changes the loss of comparisons, which loss plackett-luce does not have;"
                f" it must be 0, got {getattr(config, name)}"
            )
