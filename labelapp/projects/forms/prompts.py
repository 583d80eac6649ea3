"""The forms to change selected prompts, or all queued ones."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy

from labelapp.models import MAX_TAG, MIN_RESPONSES, Project, Prompt, User
from labelapp.projects import assignees, prompt_changes, prompt_queue, tags
from labelapp.web.query import key_of

MAX_PRIORITY = 1_000_000
MAX_RANKINGS = 100  # of one prompt
MAX_SELECTED = 200  # prompts in one request

ACTIONS = [
    ("priority", gettext_lazy("Set priority")),
    ("wanted", gettext_lazy("Set rankings wanted")),
    ("again", gettext_lazy("Ask for one more ranking")),
    ("out", gettext_lazy("Remove from queue")),
    ("gold", gettext_lazy("Make decisions gold")),
    ("assign", gettext_lazy("Assign")),
    ("unassign", gettext_lazy("Open to everyone")),
    ("tag", gettext_lazy("Add tag")),
    ("untag", gettext_lazy("Remove tag")),
]
EVENLY, EACH = "evenly", "each"
SHARES = [
    (EVENLY, gettext_lazy("Share evenly: one person each")),
    (EACH, gettext_lazy("Everyone gets all of them")),
]
# The fields that an action needs; others are ignored with it.
NEEDED = {
    "priority": gettext_lazy("Enter the priority as a whole number; higher comes first."),
    "wanted": gettext_lazy("Enter how many rankings each prompt should have."),
    "people": gettext_lazy("Choose at least one person to assign the prompts to."),
    "tag": gettext_lazy("Enter a tag."),
}
FIELDS = {"priority": "priority", "wanted": "wanted", "assign": "people"}
FIELDS |= {"tag": "tag", "untag": "tag"}


# What an action has done, by number of prompts.
DONE = {
    "priority": ngettext_lazy(
        "%(number)s prompt now has priority %(priority)s.",
        "%(number)s prompts now have priority %(priority)s.",
        "number",
    ),
    "wanted": ngettext_lazy(
        "%(number)s prompt now wants %(wanted)s rankings.",
        "%(number)s prompts now want %(wanted)s rankings.",
        "number",
    ),
    "again": ngettext_lazy(
        "%(number)s prompt will be ranked once more.",
        "%(number)s prompts will be ranked once more.",
        "number",
    ),
    "out": ngettext_lazy(
        "%(number)s prompt removed from the queue. Labellers can finish what they have started.",
        "%(number)s prompts removed from the queue. Labellers can finish what they have started.",
        "number",
    ),
    "gold": ngettext_lazy(
        "%(number)s adjudicated ranking made gold.",
        "%(number)s adjudicated rankings made gold.",
        "number",
    ),
    "unassign": ngettext_lazy(
        "%(number)s prompt is open to everyone again.",
        "%(number)s prompts are open to everyone again.",
        "number",
    ),
    "tag": ngettext_lazy(
        "%(number)s prompt tagged “%(tag)s”.", "%(number)s prompts tagged “%(tag)s”.", "number"
    ),
    "untag": ngettext_lazy(
        "Tag “%(tag)s” removed from %(number)s prompt.",
        "Tag “%(tag)s” removed from %(number)s prompts.",
        "number",
    ),
}
# Where it has done nothing.
UNDONE = {
    "out": gettext_lazy("Nothing to remove: the selected prompts were not in the queue."),
    "unassign": gettext_lazy(
        "Nothing to change: none of the selected prompts was assigned to anybody."
    ),
}
CANNOT_BE_RANKED = ngettext_lazy(
    "%(number)s prompt cannot be ranked: a ranking needs at least %(least)s responses.",
    "%(number)s prompts cannot be ranked: a ranking needs at least %(least)s responses.",
    "number",
)
# Of the prompts to which it has done nothing.
LEFT = {
    "wanted": CANNOT_BE_RANKED,
    "again": CANNOT_BE_RANKED,
    "gold": ngettext_lazy(
        "%(number)s prompt left as before: without a decision, with one that is gold already, or "
        "one that cannot be gold.",
        "%(number)s prompts left as before: without a decision, with one that is gold already, or "
        "one that cannot be gold.",
        "number",
    ),
}


def same(message: Any, *names: str) -> dict[str, Any]:
    """Return error messages that all say the same."""
    return dict.fromkeys(names, message)


def count_prompts(number: int) -> str:
    return ngettext("%(number)s prompt", "%(number)s prompts", number) % {"number": number}


def clean_tag(text: str) -> str:
    """Return a tag in one line. Raises ValidationError for one with a comma."""
    if "," in text:
        raise forms.ValidationError(_("A tag cannot contain a comma."))
    return " ".join(text.split())


class ActionForm(forms.Form):
    """An action on some prompts of a project."""

    act = forms.ChoiceField(
        choices=ACTIONS,
        error_messages=same(gettext_lazy("Choose an action."), "required", "invalid_choice"),
    )
    priority = forms.IntegerField(
        required=False,
        min_value=-MAX_PRIORITY,
        max_value=MAX_PRIORITY,
        error_messages=same(
            gettext_lazy("Enter a whole number from −1,000,000 to 1,000,000 as the priority."),
            "invalid",
            "min_value",
            "max_value",
        ),
    )
    wanted = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_RANKINGS,
        error_messages=same(
            gettext_lazy("Enter a whole number from 1 to 100 as the rankings wanted."),
            "invalid",
            "min_value",
            "max_value",
        ),
    )
    people: Any = forms.ModelMultipleChoiceField(
        queryset=None,
        required=False,
        error_messages=same(
            gettext_lazy("Choose people who are in the project and are not left out."),
            "invalid_choice",
            "invalid_pk_value",
            "list",
        ),
    )
    share = forms.ChoiceField(choices=SHARES, required=False)
    only = forms.BooleanField(required=False)
    tag = forms.CharField(
        required=False,
        max_length=MAX_TAG,
        error_messages=same(
            gettext_lazy("A tag has at most 100 characters, in one line."), "max_length", "invalid"
        ),
    )

    def __init__(self, data: Any, *, project: Project, prompts: QuerySet[Prompt]) -> None:
        super().__init__(data)
        self.project = project
        self.prompts = prompts
        self.fields["people"].queryset = assignees.assignable(project)  # type: ignore[attr-defined]

    def clean_tag(self) -> str:
        return clean_tag(self.cleaned_data["tag"])

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if not self.prompts.exists():
            self.add_error(None, _("Select at least one prompt."))
        needed = FIELDS.get(given.get("act", ""))
        for field, message in NEEDED.items():
            if field != needed:
                self.errors.pop(field, None)  # other actions ignore it
            elif field not in self.errors and not given.get(field) and given.get(field) != 0:
                self.add_error(field, str(message))
        return given

    def carry_out(self, *, by: User) -> str:
        """Carry out the action, so that it can be undone, and return a message for the page."""
        self.selected = self.prompts.count()
        self.idle = self.prompts.filter(rankings_needed=0).count()
        made: dict[str, Any] = {"prompts": self.prompts, "project": self.project, "by": by}
        if self.cleaned_data["act"] == "gold":
            self.number = prompt_changes.make_gold(**made)
        else:
            self.number = prompt_changes.carry_out(self.change, **made)
        return self.message()

    def change(self) -> int:
        """Carry out the action and return the number of prompts."""
        given, some = self.cleaned_data, self.prompts
        act: str = given["act"]
        if act == "priority":
            return prompt_queue.set_priority(prompts=some, priority=given["priority"])
        if act == "wanted":
            return prompt_queue.want(prompts=some, wanted=given["wanted"])
        if act == "again":
            return prompt_queue.ask_again(prompts=some)
        if act == "assign":
            return assignees.assign(
                project=self.project,
                prompts=some,
                members=list(given["people"]),
                evenly=given["share"] == EVENLY,
                only=given["only"],
            )
        if act == "unassign":
            return assignees.unassign(prompts=some)
        if act == "tag":
            return tags.tag(project=self.project, prompts=some, name=given["tag"])
        if act == "untag":
            return tags.untag(project=self.project, prompts=some, name=given["tag"])
        return prompt_queue.remove_from_queue(prompts=some)

    # ---- what was done ----

    def message(self) -> str:
        """Return what was done, and to how many prompts, for the page."""
        act: str = self.cleaned_data["act"]
        if act == "assign":
            return self.assign_message()
        if not self.number and act in UNDONE:
            return str(UNDONE[act])
        message = DONE[act] % {**self.cleaned_data, "number": self.number}
        left = self.selected - self.number
        if act in LEFT and left:
            message += " " + LEFT[act] % {"number": left, "least": MIN_RESPONSES}
        return message

    def assign_message(self) -> str:
        people = self.cleaned_data["people"]
        if len(people) == 1:
            message = ngettext(
                "%(number)s prompt assigned to %(name)s.",
                "%(number)s prompts assigned to %(name)s.",
                self.number,
            ) % {"number": self.number, "name": people[0].name}
        else:
            message = ngettext(
                "%(number)s prompt assigned to %(people)s people.",
                "%(number)s prompts assigned to %(people)s people.",
                self.number,
            ) % {"number": self.number, "people": len(people)}
        if self.cleaned_data["only"]:
            message += " " + _("Nobody else gets them.")
        if self.idle:
            rest = ngettext(
                "%(number)s of them waits for no ranking, so it is given to nobody.",
                "%(number)s of them wait for no ranking, so they are given to nobody.",
                self.idle,
            )
            message += " " + rest % {"number": self.idle}
        return message


class WantedForm(forms.Form):
    """The number of rankings for every queued prompt."""

    wanted = forms.IntegerField(
        min_value=1,
        max_value=MAX_RANKINGS,
        label=gettext_lazy("Rankings per queued prompt"),
        error_messages=same(
            gettext_lazy("Enter a whole number from 1 to 100."),
            "required",
            "invalid",
            "min_value",
            "max_value",
        ),
    )


class TagForm(forms.Form):
    """A tag's new name."""

    name = forms.CharField(
        max_length=MAX_TAG,
        error_messages=same(gettext_lazy("Enter a tag."), "required")
        | same(gettext_lazy("A tag has at most 100 characters, in one line."), "max_length"),
    )

    def clean_name(self) -> str:
        return clean_tag(self.cleaned_data["name"])


def selected_prompts(data: Any, prompts: QuerySet[Prompt]) -> QuerySet[Prompt]:
    """Return the prompts whose boxes are checked."""
    selected = {key_of(text) or 0 for text in data.getlist("prompt")[:MAX_SELECTED]}
    return prompts.filter(pk__in=selected)


def problems(form: forms.Form) -> list[str]:
    """Return all error messages of a form."""
    return [str(message) for messages in form.errors.values() for message in messages]
