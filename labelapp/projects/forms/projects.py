"""The forms to create a project and to change its settings."""

from typing import Any

from django import forms

from labelapp.models import INSTRUCTGPT_FLAGS, Project
from labelapp.models.projects import MAX_SHARE
from labelapp.web.versions import VersionedForm

MAX_GUIDELINES = 50_000  # characters; they are rendered for every ranking page
MAX_FLAGS = 30
MAX_FLAG = 100  # characters

MEASURING = ("gold_share", "repeat_share", "repeat_after_days")

SCALES = [(0, "No scores"), (5, "From 1 to 5"), (7, "From 1 to 7, as for InstructGPT")]
NO_FLAGS, INSTRUCTGPT, OWN = "off", "instructgpt", "own"
FLAG_CHOICES = [
    (NO_FLAGS, "No flags"),
    (INSTRUCTGPT, f"The {len(INSTRUCTGPT_FLAGS)} flags of InstructGPT"),
    (OWN, "Your own list"),
]


class SettingsForm(VersionedForm, forms.ModelForm):
    """The settings of a project. Scores and flags that are not posted stay unchanged."""

    guidelines = forms.CharField(
        required=False,
        max_length=MAX_GUIDELINES,
        widget=forms.Textarea(attrs={"spellcheck": "true"}),
        help_text="What makes a response better, in Markdown. Labellers see it at every prompt.",
    )
    rating_scale = forms.TypedChoiceField(
        required=False,
        choices=SCALES,
        coerce=int,
        label="Score of each response",
        help_text="Labellers can give each response a score before they rank.",
    )
    flag_choice = forms.ChoiceField(
        required=False,
        choices=FLAG_CHOICES,
        widget=forms.RadioSelect,
        label="Flags",
        help_text="Problems that a labeller can mark in a single response.",
    )
    flag_names = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 8}),
        label="Names of your flags",
        help_text=f"One per line, at most {MAX_FLAGS} flags of at most {MAX_FLAG} characters.",
    )

    instructgpt_flags = INSTRUCTGPT_FLAGS

    class Meta:
        model = Project
        fields = [
            "name",
            "guidelines",
            "responses_per_ranking",
            "rankings_per_prompt",
            "ties_allowed",
            "rating_scale",
            "lease_minutes",
            "paused",
            "gold_share",
            "repeat_share",
            "repeat_after_days",
            "reviewers_train",
        ]
        labels = {
            "lease_minutes": "Return a prompt to the queue after (minutes)",
            "gold_share": "Gold prompts (percent)",
            "repeat_share": "Repeated prompts (percent)",
            "repeat_after_days": "Repeated after (days)",
            "reviewers_train": "Reviewers may train models and export rankings",
        }
        help_texts = {
            "responses_per_ranking": (
                "From 4 to 9. If a prompt has more responses, each labeller sees a random "
                "selection of this many."
            ),
            "rankings_per_prompt": (
                "How many labellers rank each prompt. A change applies to prompts imported "
                "afterwards."
            ),
            "lease_minutes": (
                "If a labeller closes the page without submitting, another labeller can get the "
                "prompt after this time."
            ),
            "gold_share": (
                "Percentage of a labeller’s prompts that have a gold ranking, with which theirs is "
                f"compared. At most {MAX_SHARE}; 0 for none."
            ),
            "repeat_share": (
                "Percentage of a labeller’s prompts that they have ranked before, to measure how "
                f"consistent they are. At most {MAX_SHARE}; 0 for none."
            ),
            "reviewers_train": "Promoting a model, and deleting runs, stay with managers.",
            "repeat_after_days": (
                "Minimum number of days before a labeller gets a prompt again. Each prompt is "
                "repeated only once."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        flags = self.instance.flags
        choice = OWN if flags else NO_FLAGS
        self.initial["flag_choice"] = INSTRUCTGPT if flags == INSTRUCTGPT_FLAGS else choice
        # If they are not posted, they stay unchanged.
        for name in MEASURING:
            self.fields[name].required = False
        # A custom list starts with the InstructGPT flags: editing is easier than starting empty.
        self.initial["flag_names"] = "\n".join(flags or INSTRUCTGPT_FLAGS)

    def clean_gold_share(self) -> int:
        return self.posted_or_present("gold_share")

    def clean_repeat_share(self) -> int:
        return self.posted_or_present("repeat_share")

    def clean_repeat_after_days(self) -> int:
        return self.posted_or_present("repeat_after_days")

    def posted_or_present(self, name: str) -> int:
        """Return the number posted for a field, or its present value if none was posted."""
        number = self.cleaned_data[name]
        return int(getattr(self.instance, name) if number is None else number)

    def clean_rating_scale(self) -> int:
        scale = self.cleaned_data["rating_scale"]
        return self.instance.rating_scale if scale == "" else int(scale)

    def clean_flag_names(self) -> list[str]:
        """Return the names, one per line. They are validated only if they are used."""
        lines = (line.strip() for line in self.cleaned_data["flag_names"].splitlines())
        names = [line for line in lines if line]
        if self.cleaned_data.get("flag_choice") == OWN and (problem := problem_with(names)):
            raise forms.ValidationError(problem)
        return names

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        choice = cleaned.get("flag_choice")
        if choice == OWN and "flag_names" in cleaned:
            self.instance.flags = cleaned["flag_names"]
        elif choice in (NO_FLAGS, INSTRUCTGPT):
            self.instance.flags = INSTRUCTGPT_FLAGS if choice == INSTRUCTGPT else []
        return cleaned


def problem_with(names: list[str]) -> str:
    """Return the problem with the names of a project's flags as a sentence, or ""."""
    if not names:
        return "Enter at least one flag, or choose “No flags”."
    if len(names) > MAX_FLAGS:
        return f"Enter at most {MAX_FLAGS} flags; these are {len(names)}."
    for name in names:
        if len(name) > MAX_FLAG:
            return f"“{name[:40]}…” is longer than {MAX_FLAG} characters."
    lowered = [name.casefold() for name in names]
    for place, name in enumerate(names):
        if lowered[place] in lowered[:place]:
            return f"“{name}” is listed twice."
    return ""


class ProjectForm(SettingsForm):
    """A new project: its settings, and its slug, which cannot be changed later."""

    class Meta(SettingsForm.Meta):
        fields = ["slug", *SettingsForm.Meta.fields]
        help_texts = {
            **SettingsForm.Meta.help_texts,
            "slug": "The name in URLs and commands: lowercase letters, digits and hyphens.",
        }
