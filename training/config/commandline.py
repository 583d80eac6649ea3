"""The settings on the command line."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any, get_args, get_type_hints

from training.config.defaults import OLD_NAMES
from training.config.setting import option
from training.config.train_config import TrainConfig
from training.config.words import field_default


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add an option for each field of TrainConfig, in its group."""
    types = get_type_hints(TrainConfig)
    groups: dict[str, Any] = {}
    for field in dataclasses.fields(TrainConfig):
        title = field.metadata["group"]
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        choices = get_args(types[field.name]) or None
        old = [option(name) for name, new in OLD_NAMES.items() if new == field.name]
        groups[title].add_argument(
            option(field.name),
            *old,
            dest=field.name,
            type=str if choices else types[field.name],
            choices=choices,
            metavar=None if choices else types[field.name].__name__.upper(),
            default=argparse.SUPPRESS,
            help=help_of(field).replace("%", "%%"),
        )


def help_of(field: dataclasses.Field[Any]) -> str:
    """Return a field's help with its default, unless that is empty."""
    default = field_default(field)
    return f"{field.metadata['help']} (default: {default})" if default else field.metadata["help"]


def from_arguments(arguments: argparse.Namespace) -> TrainConfig:
    """Return the configuration that parsed arguments ask for. Raises ValueError."""
    names = {field.name for field in dataclasses.fields(TrainConfig)}
    return TrainConfig(**{name: value for name, value in vars(arguments).items() if name in names})
