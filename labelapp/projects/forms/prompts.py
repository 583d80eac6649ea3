"""The forms to change selected prompts, or all queued ones."""

import re
from typing import Any

from django import forms
from django.db.models import QuerySet

from labelapp.models import Project, Prompt, User
from labelapp.projects import prompt_changes, prompts

MAX_PRIORITY = 1_000_000
MAX_RANKINGS = 100  # of one prompt
MAX_SELECTED = 200  # prompts in one request
NUMBER = re.compile(r"[0-9]{1,18}")

ACTIONS = [
    ("priority", "Set priority"),
    ("wanted", "Set rankings wanted"),
    ("again", "Ask for one more ranking"),
    ("out", "Remove from queue"),
    ("gold", "Make decisions gold"),
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

    wanted = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_RANKINGS,
        error_messages=dict.fromkeys(
            ("invalid", "min_value", "max_value"),
            f"Enter a whole number from 1 to {MAX_RANKINGS} as the rankings wanted.",
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
        if given.get("act") != "wanted":
            self.errors.pop("wanted", None)
        elif given.get("wanted") is None and "wanted" not in self.errors:
            self.add_error("wanted", "Enter how many rankings each prompt should have.")
        return given

    def carry_out(self, *, project: Project, by: User) -> str:
        """Carry out the action, so that it can be undone, and return a message for the page."""
        self.selected = self.prompts.count()
        made: dict[str, Any] = {"prompts": self.prompts, "project": project, "by": by}
        if self.cleaned_data["act"] == "gold":
            self.number = prompt_changes.make_gold(**made)
        else:
            self.number = prompt_changes.carry_out(self.change, **made)
        return self.message()

    def change(self) -> int:
        """Carry out the action and return the number of prompts."""
        act: str = self.cleaned_data["act"]
        if act == "priority":
            return prompts.set_priority(
                prompts=self.prompts, priority=self.cleaned_data["priority"]
            )
        if act == "wanted":
            return prompts.want(prompts=self.prompts, wanted=self.cleaned_data["wanted"])
        if act == "again":
            return prompts.ask_again(prompts=self.prompts)
        return prompts.remove_from_queue(prompts=self.prompts)

    def message(self) -> str:
        """Return what was done."""
        act, number = self.cleaned_data["act"], self.number
        if act == "priority":
            priority = self.cleaned_data["priority"]
            return (
                f"{count_prompts(number)} now ha{'s' if number == 1 else 've'} priority {priority}."
            )
        if act == "gold":
            return gold_message(number, self.selected - number)
        if act == "wanted":
            verb = "wants" if number == 1 else "want"
            wanted = f"{count_prompts(number)} now {verb} {self.cleaned_data['wanted']} rankings."
            return wanted + self.not_rankable()
        if act == "again":
            return f"{count_prompts(number)} will be ranked once more." + self.not_rankable()
        if not number:
            return "Nothing to remove: the selected prompts were not in the queue."
        return (
            f"{count_prompts(number)} removed from the queue. Labellers can finish what they "
            "have started."
        )

    def not_rankable(self) -> str:
        """Return a sentence on the selected prompts that cannot be ranked, or ""."""
        if self.number == self.selected:
            return ""
        left = count_prompts(self.selected - self.number)
        return f" {left} cannot be ranked: a ranking needs at least 4 responses."


def gold_message(made: int, others: int) -> str:
    """Return how many adjudicated rankings are gold now, and why the others are not."""
    message = f"{made} adjudicated ranking{'' if made == 1 else 's'} made gold."
    if others:
        message += (
            f" {count_prompts(others)} left as before: without a decision, with one that is gold "
            "already, or one that cannot be gold."
        )
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
