"""Settings that do not go together."""

from __future__ import annotations

import re

from training.config.setting import is_day
from training.config.settings import Settings
from training.rankings import BY_COMMAND, RANKED_HERE
from training.sentences import sentence


def check_together(config: Settings) -> None:
    """Raise ValueError for settings that do not go together."""
    if config.backbone in ("auto", "transformer") and (
        config.width % config.heads or config.width % 2
    ):
        raise ValueError(
            sentence(
                "width must be even and a multiple of heads (%(heads)s), got %(width)s",
                heads=config.heads,
                width=config.width,
            )
        )
    if config.folds == 1 or (config.folds and config.split >= config.folds):
        raise ValueError(
            sentence(
                "folds must be 0 or at least 2, and split below it,"
                " got %(folds)s with split %(split)s",
                folds=config.folds,
                split=config.split,
            )
        )
    if config.aggregation == "majority" and config.held_out_by == "labeller":
        raise ValueError(
            sentence(
                "held_out_by labeller needs the labellers' own rankings: aggregation must be all or"
                " adjudicated, got 'majority'"
            )
        )
    check_model(config)
    if config.sharding == "fsdp" and config.optimizer in ("adafactor", "muon"):
        raise ValueError(
            sentence(
                "sharding fsdp needs an element-wise optimizer (adam, adamw, sgd or rmsprop),"
                " got %(optimizer)s",
                optimizer=config.optimizer,
            )
        )
    check_days(config)
    check_uploads(config)
    check_objective(config)


def check_model(config: Settings) -> None:
    """Raise ValueError for settings of the model that do not go together."""
    if config.backbone not in ("pretrained", "embedding") and config.model:
        raise ValueError(
            sentence(
                "model is for backbone pretrained or embedding,"
                " got %(model)s for backbone %(backbone)s",
                model=repr(config.model),
                backbone=config.backbone,
            )
        )
    if config.reward_feature and config.backbone not in ("auto", "features", "embedding"):
        raise ValueError(
            sentence(
                "reward_feature is for backbone auto, features or embedding,"
                " got backbone %(backbone)s",
                backbone=config.backbone,
            )
        )
    if config.backbone == "pretrained" and not config.model:
        raise ValueError(sentence("model must be the name or the folder of a model, got ''"))
    check_pretrained(config)
    if not re.fullmatch("none|all|[1-9][0-9]{0,3}", config.freeze):
        raise ValueError(
            sentence(
                "freeze must be none, all or a number of layers from 1 on, got %(freeze)s",
                freeze=repr(config.freeze),
            )
        )
    if config.lora_rank and config.freeze != "none":
        raise ValueError(
            sentence(
                "freeze cannot be combined with LoRA, which freezes the model itself,"
                " got %(freeze)s with lora_rank %(rank)s",
                freeze=config.freeze,
                rank=config.lora_rank,
            )
        )


def check_pretrained(config: Settings) -> None:
    """Raise ValueError for a setting of pretrained models with another backbone."""
    if config.backbone == "pretrained":
        return
    wanted = {
        "lora_rank": config.lora_rank,
        "pooling": config.pooling != "auto",
        "head_learning_rate": config.head_learning_rate,
        "freeze": config.freeze != "none",
        "gradient_checkpointing": config.gradient_checkpointing == "on",
        "sharding fsdp": config.sharding == "fsdp",
    }
    if name := next((name for name, is_set in wanted.items() if is_set), ""):
        raise ValueError(
            sentence(
                "%(name)s is for backbone pretrained, got backbone %(backbone)s",
                name=name,
                backbone=config.backbone,
            )
        )


def check_days(config: Settings) -> None:
    """Raise ValueError for an invalid day, or if the last day is before the first."""
    for name in ("ranked_from", "ranked_until"):
        day = getattr(config, name)
        if day and not is_day(day):
            raise ValueError(
                sentence(
                    "%(name)s must be a day like 2026-11-28, got %(day)s", name=name, day=repr(day)
                )
            )
    if config.ranked_from and config.ranked_until and config.ranked_from > config.ranked_until:
        raise ValueError(
            sentence(
                "ranked_until must not be before ranked_from (%(first)s), got %(last)s",
                first=config.ranked_from,
                last=config.ranked_until,
            )
        )


def check_uploads(config: Settings) -> None:
    """Raise ValueError for an upload that is no number, unless it stands for other rankings."""
    for upload in filter(None, map(str.strip, config.uploads.split(","))):
        if upload not in (RANKED_HERE, BY_COMMAND) and not re.fullmatch("[1-9][0-9]{0,17}", upload):
            raise ValueError(
                sentence(
                    "uploads must be numbers of uploads, %(here)s or %(command)s, separated by"
                    " commas, got %(upload)s",
                    here=RANKED_HERE,
                    command=BY_COMMAND,
                    upload=repr(upload),
                )
            )


def check_objective(config: Settings) -> None:
    """Raise ValueError for settings of the loss that do not go together."""
    if config.ties == "davidson" and config.margin:
        raise ValueError(
            sentence(
                "margin cannot be combined with ties davidson, which learns that distance itself,"
                " got %(margin)s",
                margin=config.margin,
            )
        )
    if config.loss != "plackett-luce":
        return
    if config.ties != "drop":
        raise ValueError(
            sentence(
                "loss plackett-luce has no ties: ties must be drop, got %(ties)s", ties=config.ties
            )
        )
    if config.batching != "grouped":
        raise ValueError(
            sentence(
                "loss plackett-luce is of the order as a whole: batching must be grouped,"
                " got %(batching)s",
                batching=config.batching,
            )
        )
    for name in ("margin", "label_smoothing"):
        if getattr(config, name):
            raise ValueError(
                sentence(
                    "%(name)s changes the loss of comparisons, which loss plackett-luce does not"
                    " have; it must be 0, got %(value)s",
                    name=name,
                    value=getattr(config, name),
                )
            )
