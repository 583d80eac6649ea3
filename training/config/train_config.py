"""The settings of a training run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from training.config.checks import check_together
from training.config.defaults import (
    BACKBONE_DEFAULTS,
    DECIDED_BY_DATA,
    DECIDED_BY_MODEL,
    LORA_LEARNING_RATE,
    OLD_NAMES,
    OPTIMIZER_RATES,
)
from training.config.setting import check, option
from training.config.settings import Settings
from training.sentences import sentence


@dataclass(frozen=True)
class TrainConfig(Settings):
    """Hold the settings of a run. A bad value raises ValueError with its name.

    A field whose default is None takes its backbone's value from BACKBONE_DEFAULTS on
    construction, so that every value is filled in but those that depend on the pretrained model,
    or on how many rankings it learns from.
    """

    def __post_init__(self) -> None:
        types = get_type_hints(type(self))
        for name in ("backbone", "optimizer"):  # what other settings' defaults depend on
            check(name, getattr(self, name), types[name], {})
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None:
                value = self._default(field.name)
            if value is not None or field.name not in DECIDED_BY_MODEL + DECIDED_BY_DATA:
                value = check(field.name, value, types[field.name], field.metadata)
            object.__setattr__(self, field.name, value)
        check_together(self)

    def _default(self, name: str) -> Any:
        """Return the default of a setting, or None if it depends on the pretrained model."""
        value = BACKBONE_DEFAULTS[self.backbone].get(name)
        if name != "learning_rate":
            return value
        if self.lora_rank:
            value = LORA_LEARNING_RATE
        return None if value is None else value * OPTIMIZER_RATES[self.optimizer]

    @property
    def validates(self) -> bool:
        """Return True if a part of the training prompts chooses the weights."""
        return self.choose_by == "validation" and self.chooses

    @property
    def chooses(self) -> bool:
        """Return True if the loss on some prompts chooses the weights, or the end of the run."""
        return (self.patience or 0) > 0 or self.keep == "best"

    def filled_from(self, other: TrainConfig) -> TrainConfig:
        """Return the settings with what another run decided by its data where they are open."""
        left = [name for name in DECIDED_BY_DATA if getattr(self, name) is None]
        return dataclasses.replace(self, **{name: getattr(other, name) for name in left})

    def to_json(self) -> dict[str, Any]:
        """Return every field as a plain value, by its name."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, source: str | Mapping[str, Any]) -> TrainConfig:
        """Read a JSON object or its text. Raises ValueError for an unknown field or a bad value."""
        values = json.loads(source) if isinstance(source, str) else source
        if not isinstance(values, Mapping):
            raise ValueError(
                sentence("settings must be a JSON object, got %(kind)s", kind=type(values).__name__)
            )
        values = {OLD_NAMES.get(name, name): value for name, value in values.items()}
        if "lora_rank" in values:  # Runs of earlier versions had one learning rate, no validation.
            values.setdefault("choose_by", "held-out")
            if values.get("backbone") == "pretrained":
                values.setdefault("head_learning_rate", values.get("learning_rate"))
        names = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in names:
                raise ValueError(
                    sentence(
                        "unknown setting %(name)s; known are: %(names)s",
                        name=repr(name),
                        names=", ".join(names),
                    )
                )
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
