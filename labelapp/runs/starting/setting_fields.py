"""Form fields made from the settings of the engine, with the choices and help of TrainConfig."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

from django import forms
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy, pgettext_lazy

from training.config import BACKBONE_DEFAULTS, TrainConfig, label, left_to, settings_used, words

GROUPS = {
    "rankings": gettext_lazy("Rankings"),
    "model": gettext_lazy("Model"),
    "learning": gettext_lazy("Learning"),
    "evaluation": gettext_lazy("Evaluation"),
    "machine": gettext_lazy("Machine"),
}
LEFT_TO = {
    "rankings": gettext_lazy("decided by the rankings"),
    "model": gettext_lazy("decided by the model"),
}
MAX_TEXT = 300  # characters of a setting that is a text

SETTINGS = {field.name: field for field in dataclasses.fields(TrainConfig)}
TYPES = get_type_hints(TrainConfig)


def choices(name: str) -> list[tuple[str, str | Promise]]:
    """Return the choices of a setting, each in words."""
    return [
        (value, pgettext_lazy("setting", words(name, value))) for value in get_args(TYPES[name])
    ]


def setting_texts() -> Iterator[str]:
    """Yield what the engine says of its settings, in English: names, help, and choices in words."""
    for name in SETTINGS:
        yield label(name)
        yield help_text(name)
        yield from (words(name, value) for value in get_args(TYPES[name]) if isinstance(value, str))


def setting_fields() -> dict[str, forms.Field]:
    """Return a form field for each setting; none is required."""
    return {name: setting_field(name) for name in SETTINGS}


def setting_field(name: str) -> forms.Field:
    """Return the form field of a setting. TrainConfig checks the range of its value."""
    common: dict[str, Any] = {
        "required": False,
        "label": capfirst(pgettext_lazy("setting", label(name))),
        "help_text": pgettext_lazy("setting", help_text(name)),
    }
    default = SETTINGS[name].default
    if options := choices(name):
        if default is None:
            options = [("", gettext_lazy("Default of the backbone")), *options]
        return forms.ChoiceField(choices=options, initial=default or "", **common)
    found = defaults(name)
    attributes = {"placeholder": found["auto"], "data-defaults": json.dumps(found)}
    if TYPES[name] is str:
        is_date = SETTINGS[name].metadata["is_date"]
        text = forms.TextInput(attrs=attributes | ({"type": "date"} if is_date else {}))
        return forms.CharField(max_length=MAX_TEXT, widget=text, **common)
    limits = SETTINGS[name].metadata
    lowest = limits["least"] if limits["least"] is not None else limits["above"]
    ends = {"min": lowest, "max": limits["most"]}
    attributes |= {end: value for end, value in ends.items() if value is not None}
    if TYPES[name] is int:
        return forms.IntegerField(widget=forms.NumberInput(attrs=attributes), **common)
    widget = forms.NumberInput(attrs=attributes | {"step": "any"})
    return forms.FloatField(widget=widget, **common)


def help_text(name: str) -> str:
    """Return the help of the command line as a sentence, without the name that the label has."""
    text: str = SETTINGS[name].metadata["help"]
    return f"{capfirst(text.removeprefix(f'{label(name)}: '))}."


def defaults(name: str) -> dict[str, str]:
    """Return the default of a setting for each backbone, as a text."""
    default = SETTINGS[name].default
    found = {
        backbone: values.get(name) if default is None else default
        for backbone, values in BACKBONE_DEFAULTS.items()
    }
    return {
        backbone: str(LEFT_TO[left_to(name)] if value is None else value)
        for backbone, value in found.items()
    }


def backbones_using(name: str) -> list[str]:
    """Return the backbones whose models a setting has an effect on."""
    return [one for one in BACKBONE_DEFAULTS if name in settings_used(one, network=True)]
