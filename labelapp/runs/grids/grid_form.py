"""The form that starts a grid: the settings of a run, most of which take several values."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labelapp.models import Project
from labelapp.runs.starting.forms import TrainForm, error_of_setting
from labelapp.runs.starting.ranking_choices import LISTS
from labelapp.runs.starting.setting_fields import SETTINGS
from labelapp.runs.starting.setting_fields import choices as choices_of
from training.config import TrainConfig, settings_used

MOST_RUNS = 48
ONE_VALUE = (*LISTS, "ranked_from", "ranked_until", "backbone_license")
"""Settings of which a grid has one value: a list or a text by itself, or the days of the data."""


@dataclass(frozen=True)
class GridPreset:
    """Values to begin with."""

    name: str
    title: Any
    changes: Any
    settings: dict[str, Any] = field(default_factory=dict)


PRESETS = (
    GridPreset(
        "seeds",
        gettext_lazy("3 seeds"),
        gettext_lazy("The defaults three times: how much of a difference is chance."),
        {"seed": "0, 1, 2"},
    ),
    GridPreset(
        "learning-rates",
        gettext_lazy("Learning rates"),
        gettext_lazy("A transformer from scratch with three learning rates, each with two seeds."),
        {"backbone": ["transformer"], "learning_rate": "0.0003, 0.001, 0.003", "seed": "0, 1"},
    ),
    GridPreset(
        "backbones",
        gettext_lazy("Backbones"),
        gettext_lazy("A linear model, a transformer and a recurrent network, side by side."),
        {"backbone": ["features", "transformer", "rnn"]},
    ),
)


def preset(name: str) -> GridPreset:
    """Return the preset of this name, or the first one."""
    return next((one for one in PRESETS if one.name == name), PRESETS[0])


class SeveralField(forms.CharField):
    """Values separated by commas, each of which a field for one value accepts."""

    def __init__(self, one: forms.Field, **options: Any) -> None:
        attributes = {name: value for name, value in one.widget.attrs.items() if name in KEPT}
        super().__init__(required=False, widget=forms.TextInput(attrs=attributes), **options)
        self.one = one

    def to_python(self, value: Any) -> Any:
        """Return the list of the values. Raises ValidationError for one that is none."""
        parts = re.split(r"[,;]\s*|\s+", str(value or "").strip())
        found = []
        for part in filter(None, parts):
            try:
                found.append(self.one.clean(part))
            except forms.ValidationError as error:
                raise forms.ValidationError(
                    _("“%(part)s”: %(problem)s Separate values with commas."),
                    params={"part": part, "problem": " ".join(error.messages)},
                ) from error
        return list(dict.fromkeys(found))

    def validate(self, value: Any) -> None:
        """Accept the list, whose values have been checked one by one."""

    def run_validators(self, value: Any) -> None:
        """Accept the list, whose values have been checked one by one."""


KEPT = ("placeholder", "data-defaults")
"""Attributes of the field for one value that a field for several has as well."""


def several(name: str, one: forms.Field) -> forms.Field:
    """Return a field for several values of a setting, given the field for one."""
    help_text = str(one.help_text)
    if not isinstance(one, forms.ChoiceField):
        one.widget.attrs.pop("min", None)
        return SeveralField(one, label=one.label, help_text=help_text)
    default = SETTINGS[name].default
    words = dict(choices_of(name)).get(str(default)) or _("the default of the backbone")
    none_ticked = _("None ticked: %(default)s.") % {"default": words}
    return forms.MultipleChoiceField(
        choices=choices_of(name),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=one.label,
        help_text=f"{help_text} {none_ticked}",
    )


class GridForm(TrainForm):
    """The settings of a grid. A field that is left empty has its default."""

    def __init__(
        self, data: Any = None, *, project: Project, initial: dict[str, Any] | None = None
    ) -> None:
        super().__init__(data, project=project, initial=initial)
        self.configs: list[TrainConfig] = []
        self.varied: dict[str, list[Any]] = {}
        for name in SETTINGS:
            if name in ("model", "reward_feature"):
                none = [("", _("None"))] if name == "reward_feature" else []
                self.fields[name] = forms.MultipleChoiceField(
                    choices=[*none, *self.models.items()],
                    required=False,
                    widget=forms.CheckboxSelectMultiple,
                    label=self.fields[name].label,
                    help_text=self.fields[name].help_text,
                )
            elif name not in ONE_VALUE:
                self.fields[name] = several(name, self.fields[name])

    def clean_model(self) -> Any:
        """Return the models, or the first of the list if a pretrained one needs it."""
        models = self.cleaned_data["model"]
        if not models and "pretrained" in self.cleaned_data.get("backbone", []):
            return list(self.models)[:1]
        return models

    def clean_reward_feature(self) -> Any:
        """Return the reward models whose score is a feature; "" stands for a run without one."""
        return self.cleaned_data["reward_feature"]

    def clean(self) -> dict[str, Any]:
        if self.errors:
            return self.cleaned_data
        values = {
            name: found if isinstance(found, list) else [found]
            for name, found in self.cleaned_data.items()
            if name in SETTINGS and found not in (None, "", [])
        }
        number = prod(len(found) for found in values.values())
        if number > MOST_RUNS:
            self.add_error(None, _("These are %(number)s runs; a grid has at most %(most)s.") % {
                "number": number, "most": MOST_RUNS,
            })  # fmt: skip
            return self.cleaned_data
        self.configs = self.combined(values)
        if not self.errors and len(self.configs) < 2:
            self.add_error(
                None,
                _("Give at least one setting two values, in a way that makes two different runs."),
            )
        differ = {name: values[name] for name in values if len(values[name]) > 1}
        self.varied = {name: [plain(one) for one in found] for name, found in differ.items()}
        return self.cleaned_data

    def combined(self, values: Mapping[str, Sequence[Any]]) -> list[TrainConfig]:
        """Return the configuration of each run, and add the errors of those that cannot be."""
        found: dict[str, TrainConfig] = {}
        for given in combinations(values):
            used = settings_used(given.get("backbone", "auto"), network=True)
            try:
                config = TrainConfig.from_json(
                    {name: value for name, value in given.items() if name in used}
                )
            except ValueError as error:
                name, words = error_of_setting(error, self.fields)
                if words not in self.errors.get(name or "__all__", []):
                    self.add_error(name, words)
            else:
                found.setdefault(str(config.to_json()), config)
        return list(found.values())


def combinations(values: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Yield every combination of the values; that of the last setting changes fastest."""
    for one in product(*values.values()):
        yield dict(zip(values, one, strict=True))


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    return value if isinstance(value, int | float) else str(value)
