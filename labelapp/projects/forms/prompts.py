"""What a manager does with prompts that were chosen in a list, or with all that are queued."""

import re
from typing import Any

from django import forms
from django.db.models import QuerySet

from labelapp.models import Prompt
from labelapp.projects import prompts

HIGHEST_PRIORITY = 1_000_000
MOST_RANKINGS = 100  # of one prompt
MOST_CHOSEN = 200  # prompts in one act
NUMBER = re.compile(r"[0-9]{1,18}")

ACTS = [("priority", "Set priority"), ("again", "Ask for one more"), ("out", "Take out")]


def counted(number: int) -> str:
    return f"{number} prompt{'' if number == 1 else 's'}"


class ActForm(forms.Form):
    """An act on some prompts of a project; they are given by their numbers."""

    act = forms.ChoiceField(
        choices=ACTS, error_messages=dict.fromkeys(("required", "invalid_choice"), "Choose an act.")
    )
    priority = forms.IntegerField(
        required=False,
        min_value=-HIGHEST_PRIORITY,
        max_value=HIGHEST_PRIORITY,
        error_messages=dict.fromkeys(
            ("invalid", "min_value", "max_value"),
            f"A priority is a whole number from −{HIGHEST_PRIORITY:,} to {HIGHEST_PRIORITY:,}.",
        ),
    )

    def __init__(self, data: Any, *, of: QuerySet[Prompt]) -> None:
        super().__init__(data)
        self.of = of

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if not self.of.exists():
            self.add_error(None, "Choose at least one prompt first: check its box.")
        if given.get("act") != "priority":
            self.errors.pop("priority", None)  # another act does not look at it
        elif given.get("priority") is None and "priority" not in self.errors:
            self.add_error("priority", "Give the priority: a whole number; higher comes first.")
        return given

    def carry_out(self) -> str:
        """Do what was asked, and say what was done."""
        act: str = self.cleaned_data["act"]
        if act == "priority":
            priority = self.cleaned_data["priority"]
            number = prompts.set_priority(prompts=self.of, priority=priority)
            return f"{counted(number)} now ha{'s' if number == 1 else 've'} priority {priority}."
        if act == "again":
            return self.ask_again()
        number = prompts.take_out(prompts=self.of)
        if not number:
            return "Nothing to take out: no labeller was to get it any more."
        return f"{counted(number)} taken out of the queue; what was begun can be finished."

    def ask_again(self) -> str:
        asked, number = self.of.count(), prompts.ask_again(prompts=self.of)
        said = f"{counted(number)} will be ranked once more."
        if number < asked:
            said += f" {counted(asked - number)} cannot: a ranking here needs 4 responses."
        return said


class WantedForm(forms.Form):
    """How many rankings every queued prompt wants."""

    wanted = forms.IntegerField(
        min_value=1,
        max_value=MOST_RANKINGS,
        label="Rankings wanted of every queued prompt",
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"),
            f"Give a whole number from 1 to {MOST_RANKINGS}.",
        ),
    )


def chosen(data: Any, prompts: QuerySet[Prompt]) -> QuerySet[Prompt]:
    """Those of some prompts whose boxes were checked."""
    asked = [text for text in data.getlist("prompt")[:MOST_CHOSEN] if NUMBER.fullmatch(text)]
    return prompts.filter(pk__in=asked)


def problems(form: forms.Form) -> list[str]:
    """Every error, in words."""
    return [str(message) for messages in form.errors.values() for message in messages]
