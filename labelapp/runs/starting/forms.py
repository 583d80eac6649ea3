"""The forms of runs: the settings that one is started with, and its name, note and tags."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms import BoundField
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labelapp.models import Project, TrainingRun
from labelapp.rendering.sentences import translated
from labelapp.runs.starting.base_models import base_models
from labelapp.runs.starting.ranking_choices import LISTS, choice_fields
from labelapp.runs.starting.setting_fields import GROUPS, SETTINGS, backbones_using, setting_fields
from labelapp.runs.words import setting_label
from training.config import TrainConfig, option, settings_used


def in_words_of_the_form(reason: str) -> str:
    """Return why a run failed, with the labels of the form in place of command-line options."""
    for name in SETTINGS if "--" in reason else ():
        label = _("“%(words)s”") % {"words": capfirst(setting_label(name))}
        reason = re.sub(rf"{option(name)}\b(?!-)", label, reason)
    return reason


def error_of_setting(
    error: ValueError, fields: Mapping[str, forms.Field]
) -> tuple[str | None, str]:
    """Return what TrainConfig says of its settings as an error of a form, and the field's name."""
    said = translated(str(error))  # begins with the name of a setting, in each language
    name, _space, problem = said.partition(" ")
    return (name, f"{capfirst(problem)}.") if name in fields else (None, f"{said}.")


@dataclass(frozen=True)
class SettingField:
    """A field of the form, and the backbones that it concerns."""

    field: BoundField
    backbones: str  # separated by spaces


@dataclass(frozen=True)
class Group:
    """The fields of a group: those that are shown at once, and those that are folded."""

    name: str
    title: str
    basic: list[SettingField]
    folded: list[SettingField]
    is_open: bool  # a folded field has a value or an error


class TrainForm(forms.Form):
    """The settings of a run. A field that is left empty has its default."""

    form_key = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(
        self, data: Any = None, *, project: Project, initial: dict[str, Any] | None = None
    ) -> None:
        super().__init__(data, initial=initial)
        self.fields |= setting_fields()
        self.models = dict(base_models(project))
        first = next(iter(self.models.values()), _("none is set up"))
        self.fields["model"].widget = forms.Select(
            choices=[("", _("Default: %(model)s") % {"model": first}), *self.models.items()]
        )
        self.fields["model"].help_text += " " + _("An administrator can add models to this list.")
        self.fields["reward_feature"].widget = forms.Select(
            choices=[("", _("None")), *self.models.items()]
        )
        self.fields |= choice_fields(project)

    def get_initial_for_field(self, field: forms.Field, field_name: str) -> Any:
        """Return the value that a field begins with; of a setting that lists values, the list."""
        value = super().get_initial_for_field(field, field_name)
        return value.split(",") if field_name in LISTS and isinstance(value, str) else value

    def clean_labellers(self) -> str:
        return ",".join(self.cleaned_data["labellers"])

    def clean_uploads(self) -> str:
        return ",".join(self.cleaned_data["uploads"])

    def clean_sources(self) -> str:
        return ",".join(self.cleaned_data["sources"])

    def clean_model(self) -> str:
        """Return the model, or the first of the list if a pretrained one needs it.

        One that is not in the list is refused in the same words whether it exists or not.
        """
        model: str = self.cleaned_data["model"]
        backbone = self.cleaned_data.get("backbone")
        if backbone == "pretrained":
            model = model or next(iter(self.models), "")
        elif not model:
            return ""
        return self.listed(model) if backbone in ("pretrained", "embedding") else model

    def clean_reward_feature(self) -> str:
        """Return the reward model whose score is a feature, if any; it must be in the list."""
        model: str = self.cleaned_data["reward_feature"]
        return self.listed(model) if model else ""

    def listed(self, model: str) -> str:
        """Return a model of the list. Raises ValidationError for any other one."""
        if model not in self.models:
            raise forms.ValidationError(
                _(
                    "This model can’t be used here. Choose one from the list, or ask an"
                    " administrator to add it."
                )
            )
        return model

    def clean(self) -> dict[str, Any]:
        if not self.errors:
            try:
                self.config = TrainConfig.from_json(self.given())
            except ValueError as error:
                self.add_error(*error_of_setting(error, self.fields))
        return self.cleaned_data

    def given(self) -> dict[str, Any]:
        """Return the settings that have a value and concern the backbone."""
        used = settings_used(self.cleaned_data["backbone"] or "auto", network=True)
        return {
            name: value
            for name, value in self.cleaned_data.items()
            if name in used and value not in (None, "")
        }

    def groups(self) -> Iterator[Group]:
        """Yield the fields in their groups."""
        for group, title in GROUPS.items():
            fields = {
                name: SettingField(self[name], " ".join(backbones_using(name)))
                for name, setting in SETTINGS.items()
                if setting.metadata["group"] == group
            }
            basic = [name for name in fields if SETTINGS[name].metadata["is_basic"]]
            folded = [name for name in fields if name not in basic]
            yield Group(
                group,
                str(title),
                [fields[name] for name in basic],
                [fields[name] for name in folded],
                any(name in self.errors or self.has_value(name) for name in folded),
            )

    def has_value(self, name: str) -> bool:
        """Return True if a field has another value than its default."""
        return self[name].value() not in (None, "", [], SETTINGS[name].default)


class AboutForm(forms.ModelForm):
    """Edit the name, the note and the tags by which a run is found again."""

    class Meta:
        model = TrainingRun
        fields = ("name", "note", "tags")
        widgets = {"note": forms.Textarea(attrs={"rows": 2})}
        labels = {
            "name": gettext_lazy("Name"),
            "note": gettext_lazy("Note"),
            "tags": gettext_lazy("Tags"),
        }
        help_texts = {"tags": gettext_lazy("Separated by spaces.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["placeholder"] = _("Run %(number)s") % {
            "number": self.instance.pk
        }

    def clean_tags(self) -> str:
        """Return the tags without commas, each of them once."""
        return " ".join(dict.fromkeys(self.cleaned_data["tags"].replace(",", " ").split()))
