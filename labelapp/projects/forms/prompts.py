"""The forms to change selected prompts, or all queued ones."""

import re
from typing import Any

from django import forms
from django.db.models import QuerySet

from labelapp.models import Prompt
from labelapp.projects import prompts

MAX_PRIORITY = 1_000_000
MAX_RANKINGS = 100  # of one prompt
MAX_SELECTED = 200  # prompts in one request
NUMBER = re.compile(r"[0-9]{1,18}")

ACTIONS = [
    ("priority", "Set priority"),
    ("again", "Ask for one more ranking"),
    ("out", "Remove from queue"),
]


def count_prompts(number: int) -> str:
    return f"{number} prompt{'' if number == 1 else 's'}"


class ActionForm(forms.Form):
    """An action on some prompts of a project."""

    act = forms.ChoiceField(
        choices=ACTIONS,
        error_messages=dict.fromkeys(("required", "invalid_choice"), "Choose an action."),
    )
    priority = forms.IntegerField(
        required=False,
        min_value=-MAX_PRIORITY,
        max_value=MAX_PRIORITY,
        error_messages=dict.fromkeys(
            ("invalid", "min_value", "max_value"),
            f"Enter a whole number from −{MAX_PRIORITY:,} to {MAX_PRIORITY:,} as the priority.",
        ),
    )

    def __init__(self, data: Any, *, prompts: QuerySet[Prompt]) -> None:
        super().__init__(data)
        self.prompts = prompts

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if not self.prompts.exists():
            self.add_error(None, "Select at least one prompt.")
        if given.get("act") != "priority":
            self.errors.pop("priority", None)  # other actions ignore it
        elif given.get("priority") is None and "priority" not in self.errors:
            self.add_error("priority", "Enter the priority as a whole number; higher comes first.")
        return given

    def carry_out(self) -> str:
        """Carry out the action and return a message for the page."""
        act: str = self.cleaned_data["act"]
        if act == "priority":
            priority = self.cleaned_data["priority"]
            number = prompts.set_priority(prompts=self.prompts, priority=priority)
            return (
                f"{count_prompts(number)} now ha{'s' if number == 1 else 've'} priority {priority}."
            )
        if act == "again":
            return self.ask_again()
        number = prompts.remove_from_queue(prompts=self.prompts)
        if not number:
            return "Nothing to remove: the selected prompts were not in the queue."
        return (
            f"{count_prompts(number)} removed from the queue. Labellers can finish what they "
            "have started."
        )

    def ask_again(self) -> str:
        selected, number = self.prompts.count(), prompts.ask_again(prompts=self.prompts)
        message = f"{count_prompts(number)} will be ranked once more."
        if number < selected:
            left = count_prompts(selected - number)
            message += f" {left} cannot be ranked: a ranking needs at least 4 responses."
        return message


class WantedForm(forms.Form):
    """The number of rankings for every queued prompt."""

    wanted = forms.IntegerField(
        min_value=1,
        max_value=MAX_RANKINGS,
        label="Rankings per queued prompt",
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"),
            f"Enter a whole number from 1 to {MAX_RANKINGS}.",
        ),
    )


def selected_prompts(data: Any, prompts: QuerySet[Prompt]) -> QuerySet[Prompt]:
    """Return the prompts whose boxes are checked."""
    selected = [text for text in data.getlist("prompt")[:MAX_SELECTED] if NUMBER.fullmatch(text)]
    return prompts.filter(pk__in=selected)


def problems(form: forms.Form) -> list[str]:
    """Return all error messages of a form."""
    return [str(message) for messages in form.errors.values() for message in messages]
