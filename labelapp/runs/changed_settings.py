"""The settings of a run that differ from the defaults."""

from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from labelapp.models import TrainingRun
from labelapp.runs.choice import may_have_network
from labelapp.runs.words import setting_label
from training.config import BACKBONE_DEFAULTS, OLD_NAMES, Backbone, TrainConfig, settings_used

MACHINE = {field.name for field in fields(TrainConfig) if field.metadata["group"] == "machine"}
"""Settings that change how fast a run is, and not its result."""


def changed_settings(run: TrainingRun) -> list[str]:
    """Return the settings that differ from the defaults and change the result, as in "epochs 8"."""
    return in_words(run.config, network=may_have_network(run))


def in_words(config: Mapping[str, Any], *, network: bool = True) -> list[str]:
    """Return the settings that change the result of a run, in words."""
    return [
        f"{setting_label(name)} {short(value)}"
        for name, value in changed_values(config, network=network).items()
        if name not in MACHINE
    ]


def short(value: object) -> str:
    """Return a value as a text, of a path only its last two parts."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return "/".join(Path(text).parts[-2:]) if text.startswith("/") else text


def changed_values(config: Mapping[str, Any], *, network: bool = True) -> dict[str, Any]:
    """Return the settings of a stored configuration that are in use and differ from the defaults.

    With `network`, the model may have one beside its linear part. They come in the order in which
    TrainConfig lists them: a database keeps an object of JSON in an order of its own.
    """
    given = {OLD_NAMES.get(name, name): value for name, value in config.items()}
    backbone = str(given.get("backbone", "auto"))
    lora_rank, optimizer = given.get("lora_rank"), given.get("optimizer")
    defaults = defaults_of(
        backbone,
        lora_rank if isinstance(lora_rank, int) else None,
        optimizer if isinstance(optimizer, str) else None,
    )
    used = settings_in_use(backbone, network)
    return {
        name: given[name]
        for name in usual_order()
        if name in given and name in used and given[name] not in (None, "", defaults.get(name))
    }


@lru_cache(maxsize=1)
def usual_order() -> tuple[str, ...]:
    """Return the names of all settings in the order of TrainConfig."""
    return tuple(field.name for field in fields(TrainConfig))


@lru_cache(maxsize=100)
def settings_in_use(backbone: str, network: bool) -> frozenset[str]:
    """Return the settings that have an effect; a list asks for those of many runs."""
    return frozenset(settings_used(backbone, network=network))


@lru_cache(maxsize=100)
def defaults_of(backbone: str, lora_rank: int | None, optimizer: str | None) -> dict[str, Any]:
    """Return the defaults of the settings for a backbone, a LoRA rank and an optimiser."""
    usual = TrainConfig().to_json()
    if backbone not in BACKBONE_DEFAULTS:
        return usual
    given: dict[str, Any] = {"lora_rank": lora_rank, "optimizer": optimizer}
    try:
        own = TrainConfig(
            backbone=cast(Backbone, backbone),
            **{name: value for name, value in given.items() if value},
        ).to_json()
    except ValueError:  # settings of another version
        return usual
    return own | {name: usual[name] for name in ("backbone", "optimizer")} | {"lora_rank": None}
