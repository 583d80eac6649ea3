"""The form to start a run. Settings that are not in it keep their defaults."""

import re
from typing import Any

from django import forms
from django.forms.utils import pretty_name

from labelapp.models import Project
from labelapp.runs.base_models import base_models
from training.config import TrainConfig, option

BACKBONES = [
    ("auto", "Automatic: the best by cross-validation"),
    ("features", "Features and words, linear"),
    ("transformer", "Transformer, from scratch"),
    ("rnn", "LSTM, from scratch"),
    ("pretrained", "Pretrained (Hugging Face)"),
]
TIES = [
    ("drop", "Leave them out"),
    ("half", "Label them one half"),
    ("davidson", "Model their probability (Davidson)"),
]
AGGREGATIONS = [
    ("all", "All rankings"),
    ("majority", "The majority of a prompt’s labellers, as one ranking"),
    ("adjudicated", "The adjudicated ranking where there is one, otherwise all"),
]


def in_words_of_the_form(reason: str) -> str:
    """Return why a run failed, with the labels of the form in place of command-line options."""
    for name, field in TrainForm.base_fields.items():
        label = field.label or pretty_name(name)
        reason = re.sub(rf"{option(name)}\b(?!-)", f"“{label}”", reason)
    return reason


class TrainForm(forms.Form):
    backbone = forms.ChoiceField(choices=BACKBONES, initial="auto")
    model = forms.CharField(
        required=False,
        max_length=300,
        widget=forms.Select,
        label="Pretrained model",
        help_text="An administrator can add models to this list.",
    )
    epochs = forms.IntegerField(
        required=False,
        min_value=1,
        help_text="Passes over the training rankings. Leave empty for the default.",
    )
    learning_rate = forms.FloatField(
        required=False, help_text="Peak learning rate. Leave empty for the default."
    )
    aggregation = forms.ChoiceField(
        choices=AGGREGATIONS, required=False, initial="all", label="Which rankings"
    )
    ties = forms.ChoiceField(choices=TIES, initial="drop", label="Tied responses")
    seed = forms.IntegerField(initial=0, min_value=0)

    def __init__(self, data: Any = None, *, project: Project) -> None:
        super().__init__(data)
        self.models = dict(base_models(project))
        widget = self.fields["model"].widget
        if isinstance(widget, forms.Select):
            widget.choices = list(self.models.items())

    def clean_model(self) -> str:
        """Return the model, or the first of the list if none is given.

        One that is not in the list is refused in the same words whether it exists or not.
        """
        model: str = self.cleaned_data["model"] or next(iter(self.models), "")
        if self.cleaned_data.get("backbone") == "pretrained" and model not in self.models:
            raise forms.ValidationError(
                "This model can’t be used here. Choose one from the list, or ask an administrator "
                "to add it."
            )
        return model

    def clean(self) -> dict[str, Any]:
        if not self.errors:
            given = {
                name: value for name, value in self.cleaned_data.items() if value not in (None, "")
            }
            if given["backbone"] != "pretrained":
                given.pop("model", None)
            try:
                self.config = TrainConfig.from_json(given)
            except ValueError as error:
                name, _, problem = str(error).partition(" ")
                known = name in self.fields
                self.add_error(
                    name if known else None,
                    f"{problem[:1].upper()}{problem[1:]}." if known else f"{error}.",
                )
        return self.cleaned_data
