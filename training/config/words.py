"""Settings in words: their names, their values, their defaults, and where they have an effect."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from training.config.defaults import BACKBONE_DEFAULTS, DECIDED_BY_DATA
from training.config.setting import EVERY
from training.config.train_config import TrainConfig
from training.rankings import Aggregation


def settings_used(backbone: str, *, network: bool) -> set[str]:
    """Return the names of the settings that have an effect on a model.

    With `network`, one was trained beside the linear model of backbone auto.
    """
    kinds: set[str] = {backbone}
    if backbone in ("auto", "features", "embedding"):
        kinds = {"linear", "transformer"} if network and backbone == "auto" else {"linear"}
    elif backbone not in EVERY:  # of another version
        kinds = set(EVERY)
    fields = dataclasses.fields(TrainConfig)
    used = {field.name for field in fields if kinds & set(field.metadata["used_by"])}
    if backbone in ("features", "embedding"):
        used -= {"network_from"}
    if backbone in ("auto", "features", "transformer", "rnn"):
        used -= {"model"}
    if backbone in ("transformer", "rnn"):
        used -= {"backbone_license"}  # nothing is read from files
    return used


def label(name: str) -> str:
    """Return the name of a setting in words."""
    field = TrainConfig.__dataclass_fields__.get(name)
    return (field.metadata["label"] if field else "") or name.replace("_", " ")


def words(name: str, value: Any) -> str:
    """Return a value of a setting in words."""
    field = TrainConfig.__dataclass_fields__.get(name)
    known: Mapping[str, str] = field.metadata["words"] if field else {}
    return known.get(value, "") if isinstance(value, str) and value in known else str(value)


def stored_aggregation(values: Mapping[str, Any]) -> Aggregation:
    """Return the aggregation in stored settings or in a manifest, under its present or old name."""
    aggregation: Aggregation = values.get("aggregation") or values.get("verdicts") or "all"
    return aggregation


def left_to(name: str) -> str:
    """Return what decides a setting that is left open: the rankings, or the pretrained model."""
    return "rankings" if name in DECIDED_BY_DATA else "model"


def field_default(field: dataclasses.Field[Any]) -> str:
    """Return a field's default as `--help` shows it."""
    if field.default is not None:
        return str(field.default)
    values = {name: defaults.get(field.name) for name, defaults in BACKBONE_DEFAULTS.items()}
    left = left_to(field.name)
    texts = {k: f"by the {left}" if value is None else str(value) for k, value in values.items()}
    usual = texts["auto"]
    others = [f"{name} {text}" for name, text in texts.items() if text != usual]
    return ", ".join([usual, *others] if usual else others)
