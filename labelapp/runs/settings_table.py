"""The settings of a run: those changed from their defaults first, and the command to repeat it."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from labelapp.models import TrainingRun
from labelapp.runs import choice
from labelapp.runs.comparing import full_config
from labelapp.runs.process import run_folder
from labelapp.runs.words import capitalised
from training.config import TrainConfig, option, settings_used

BY_MODEL = "by the model"
HAS_DEFAULTS = ("backbone", "model")
RATE_DEPENDS_ON = ("backbone", "model", "lora_rank", "optimizer")


@dataclass(frozen=True)
class Setting:
    """One setting of a run, with its default and the sentence that explains it."""

    name: str
    group: str
    help: str
    value: str
    default: str
    is_changed: bool

    @property
    def option(self) -> str:
        return option(self.name)


@dataclass(frozen=True)
class Group:
    """Settings under one heading."""

    title: str
    settings: list[Setting]


def grouped_settings(run: TrainingRun) -> list[Group]:
    """Return the settings that have an effect on the run: the changed ones first, then by group."""
    found = list(settings_of(run))
    groups = [Group("Changed from the default", [one for one in found if one.is_changed])]
    for name in dict.fromkeys(one.group for one in found):
        kept = [one for one in found if one.group == name and not one.is_changed]
        groups.append(Group(capitalised(name), kept))
    return [group for group in groups if group.settings]


def settings_of(run: TrainingRun) -> Iterator[Setting]:
    """Yield the settings that have an effect on the run, in the order of `--help`."""
    config, defaults = full_config(run), defaults_of(run)
    used = settings_used(str(config["backbone"]), network=choice.may_have_network(run))
    completed = run_folder(run).read_config() if run.folder else None
    for field in fields(TrainConfig):
        name = field.name
        if name not in used:
            continue
        value, default = config[name], defaults[name]
        known = value if value is not None else getattr(completed, name, None)
        yield Setting(
            name=name,
            group=field.metadata["group"],
            help=f"{capitalised(field.metadata['help'])}.",
            value=text_of(known),
            default=text_of(default),
            is_changed=is_changed(value, default),
        )


def is_changed(value: object, default: object) -> bool:
    """Return whether a value was chosen that is not the default."""
    return value is not None and value != default


def text_of(value: object) -> str:
    """Return a value as the page shows it."""
    if value is None:
        return BY_MODEL
    return "none" if value == "" else str(value)


def defaults_of(run: TrainingRun) -> dict[str, Any]:
    """Return the value of each setting if it is left out, given the backbone of the run."""
    config = full_config(run)
    found = config_or_default(config, HAS_DEFAULTS)
    rate = config_or_default(config, RATE_DEPENDS_ON)["learning_rate"]
    usual = TrainConfig().to_json()
    model = {"backbone": usual["backbone"], "model": usual_model(found)}
    return found | model | {"learning_rate": rate}


def usual_model(found: dict[str, Any]) -> str:
    """Return the model that a run of this backbone begins with if none is named."""
    values: dict[str, Any] = TrainConfig(backbone=found["backbone"]).to_json()
    return str(values["model"])


def config_or_default(config: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Return all settings where only these are given; the defaults for those of other versions."""
    try:
        return TrainConfig.from_json({name: config[name] for name in names}).to_json()
    except (KeyError, ValueError):
        return TrainConfig().to_json()


def changed_names(run: TrainingRun) -> list[str]:
    """Return the names of the settings that differ from their defaults."""
    config, defaults = full_config(run), defaults_of(run)
    return [name for name in defaults if is_changed(config.get(name), defaults[name])]


def command(run: TrainingRun) -> str:
    """Return the command that starts a run with the same settings on the server."""
    config = full_config(run)
    chosen = [f"{option(name)}={config[name]}" for name in changed_names(run)]
    arguments = ["manage.py", "train_reward", f"--project={run.project.slug}", *chosen]
    return f"python {shlex.join(arguments)}"
