"""The settings of a run: those changed from their defaults first, and the command to repeat it."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from labelapp.models import TrainingRun
from labelapp.runs import choice
from labelapp.runs.changed_settings import changed_values, defaults_of
from labelapp.runs.comparison.comparing import full_config
from labelapp.runs.process import run_folder
from training.config import TrainConfig, left_to, option, settings_used


@dataclass(frozen=True)
class Setting:
    """One setting of a run, with its default and the sentence that explains it."""

    name: str
    group: str
    help: str
    value: str
    default: str
    is_changed: bool


@dataclass(frozen=True)
class Group:
    """Settings under one heading."""

    title: str
    settings: list[Setting]


def grouped_settings(run: TrainingRun) -> list[Group]:
    """Return the settings that have an effect on the run: the changed ones first, then by group."""
    found = list(settings_of(run))
    groups = [Group(_("Changed from the default"), [one for one in found if one.is_changed])]
    for name in dict.fromkeys(one.group for one in found):
        kept = [one for one in found if one.group == name and not one.is_changed]
        groups.append(Group(capfirst(name), kept))
    return [group for group in groups if group.settings]


def settings_of(run: TrainingRun) -> Iterator[Setting]:
    """Yield the settings that have an effect on the run, in the order of `--help`."""
    config, changed = full_config(run), changed_of(run)
    backbone = str(config["backbone"])
    defaults = defaults_of(backbone, config["lora_rank"], config["optimizer"])
    used = settings_used(backbone, network=choice.may_have_network(run))
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
            help=f"{capfirst(field.metadata['help'])}.",
            value=text_of(name, known),
            default=text_of(name, default),
            is_changed=name in changed,
        )


def text_of(name: str, value: object) -> str:
    """Return a value of a setting as the page shows it."""
    if value is None:
        by_data = left_to(name) == "rankings"
        return (
            pgettext("setting", "by the rankings")
            if by_data
            else pgettext("setting", "by the model")
        )
    return _("none") if value == "" else str(value)


def changed_of(run: TrainingRun) -> dict[str, Any]:
    """Return the settings that differ from their defaults, with their values."""
    return changed_values(full_config(run), network=choice.may_have_network(run))


def command(run: TrainingRun) -> str:
    """Return the command that starts a run with the same settings on the server."""
    chosen = [f"{option(name)}={value}" for name, value in changed_of(run).items()]
    arguments = ["manage.py", "train_reward", f"--project={run.project.slug}", *chosen]
    return f"python {shlex.join(arguments)}"
