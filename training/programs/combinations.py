"""Combine the settings to compare, and check them all before the first is run."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from training.commandline import Parser
from training.config import TrainConfig, add_arguments, from_arguments, option
from training.errors import UserError
from training.runs.folder import RunFolder

FIELDS = set(TrainConfig.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Combination:
    """Hold one row of the table: values of the varied settings, and a run for each seed."""

    values: dict[str, str]
    """Values as they were given, by setting."""
    configs: list[TrainConfig]
    folders: list[RunFolder]


def plan(arguments: argparse.Namespace) -> list[Combination]:
    """Return every combination, all of them checked. Raises UserError."""
    folder = Path(arguments.folder)
    if arguments.seeds < 1:
        raise UserError(f"--seeds must be at least 1, got {arguments.seeds}")
    varied: dict[str, list[str]] = {}
    for text in arguments.vary:
        name, equals, values = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not all(values.split(",")) or name in varied or name == "seed":
            raise UserError(f"--vary takes SETTING=VALUE,VALUE, each setting once, got {text!r}")
        varied[name] = values.split(",")
    names = {key: value for key, value in vars(arguments).items() if key in FIELDS}
    return [
        combination(dict(zip(varied, values, strict=True)), names, arguments.seeds, folder)
        for values in product(*varied.values())
    ]


def combination(
    values: dict[str, str], base: dict[str, Any], seeds: int, folder: Path
) -> Combination:
    """Return a combination. Raises UserError for an unknown setting or a bad value."""
    parser = Parser("", "")
    add_arguments(parser)
    first = base.get("seed", 0)
    configs, folders = [], []
    for seed in range(first, first + seeds):
        given = [f"{option(name)}={value}" for name, value in {**values, "seed": seed}.items()]
        parsed = vars(parser.parse_args(given))
        try:
            configs.append(from_arguments(argparse.Namespace(**base | parsed)))
        except ValueError as error:
            raise UserError(str(error)) from error
        name = ",".join(f"{key}={value}" for key, value in {**values, "seed": seed}.items())
        folders.append(RunFolder(folder / re.sub(r"[^\w.,=-]", "-", name)))
    return Combination(values, configs, folders)
