"""What is decided of a project: by its managers, and once more when it is new."""

from typing import Any

from django import forms

from labelapp.models import INSTRUCTGPT_FLAGS, Project
from labelapp.models.projects import MAX_SHARE

MAX_GUIDELINES = 50_000  # characters: they are rendered for every task
MAX_FLAGS = 30
MAX_FLAG = 100  # characters

MEASURING = ("gold_share", "repeat_share", "repeat_after_days")

SCALES = [(0, "No scores"), (5, "From 1 to 5"), (7, "From 1 to 7, as for InstructGPT")]
NO_FLAGS, INSTRUCTGPT, OWN = "off", "instructgpt", "own"
FLAG_CHOICES = [
    (NO_FLAGS, "No flags"),
    (INSTRUCTGPT, f"The {len(INSTRUCTGPT_FLAGS)} flags of InstructGPT"),
    (OWN, "A list of your own"),
]


class SettingsForm(forms.ModelForm):
    """The settings of a project. Where a post says nothing of scores or flags, they stay."""

    guidelines = forms.CharField(
        required=False,
        max_length=MAX_GUIDELINES,
        widget=forms.Textarea(attrs={"spellcheck": "true"}),
        help_text="What makes a response better here. Markdown; labellers see it at every prompt.",
    )
    rating_scale = forms.TypedChoiceField(
        required=False,
        choices=SCALES,
        coerce=int,
        label="Score of each response",
        help_text="Labellers may give each response a score before they rank.",
    )
    flag_choice = forms.ChoiceField(
        required=False,
        choices=FLAG_CHOICES,
        widget=forms.RadioSelect,
        label="Flags",
        help_text="What a labeller may say of a single response, beside its rank.",
    )
    flag_names = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 8}),
        label="Names of your flags",
        help_text=f"One in each line: at most {MAX_FLAGS}, of at most {MAX_FLAG} characters.",
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
        ]
        labels = {
            "lease_minutes": "Return a prompt to the queue after (minutes)",
            "gold_share": "Gold prompts, in percent",
            "repeat_share": "Repeated prompts, in percent",
            "repeat_after_days": "Repeated after, in days",
        }
        help_texts = {
            "responses_per_ranking": (
                "K, from 4 to 9. Of a prompt with more responses, each labeller is shown this "
                "many, drawn at random."
            ),
            "rankings_per_prompt": (
                "How many labellers rank each prompt. A change counts for prompts that are "
                "imported from then on."
            ),
            "lease_minutes": (
                "How long a prompt stays with a labeller whose page is closed, before another may "
                "get it."
            ),
            "gold_share": (
                "Of a labeller’s tasks, this many in a hundred are prompts with a gold ranking, by "
                f"which they are measured. At most {MAX_SHARE}; 0 for none."
            ),
            "repeat_share": (
                "Of a labeller’s tasks, this many in a hundred are prompts that they have ranked "
                f"before: how often do they say the same? At most {MAX_SHARE}; 0 for none."
            ),
            "repeat_after_days": (
                "A prompt comes to its labeller again this many days after they ranked it, or "
                "later, and only once."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        flags = self.instance.flags
        choice = OWN if flags else NO_FLAGS
        self.initial["flag_choice"] = INSTRUCTGPT if flags == INSTRUCTGPT_FLAGS else choice
        # Where a post says nothing of them they stay, too.
        for name in MEASURING:
            self.fields[name].required = False
        # A list of one's own begins with InstructGPT's: shortening is easier than thinking up.
        self.initial["flag_names"] = "\n".join(flags or INSTRUCTGPT_FLAGS)

    def clean_gold_share(self) -> int:
        return self.given("gold_share")

    def clean_repeat_share(self) -> int:
        return self.given("repeat_share")

    def clean_repeat_after_days(self) -> int:
        return self.given("repeat_after_days")

    def given(self, name: str) -> int:
        """A number as it was posted; as it is where nothing was."""
        number = self.cleaned_data[name]
        return int(getattr(self.instance, name) if number is None else number)

    def clean_rating_scale(self) -> int:
        scale = self.cleaned_data["rating_scale"]
        return self.instance.rating_scale if scale == "" else int(scale)

    def clean_flag_names(self) -> list[str]:
        """The names in their lines; checked only where they are asked for."""
        lines = (line.strip() for line in self.cleaned_data["flag_names"].splitlines())
        names = [line for line in lines if line]
        if self.cleaned_data.get("flag_choice") == OWN and (problem := wrong_with(names)):
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


def wrong_with(names: list[str]) -> str:
    """What is wrong with the names of a project's flags, in a sentence; empty when nothing is."""
    if not names:
        return "Name at least one flag, or choose to have none."
    if len(names) > MAX_FLAGS:
        return f"At most {MAX_FLAGS} flags, please; these are {len(names)}."
    for name in names:
        if len(name) > MAX_FLAG:
            return f"“{name[:40]}…” is longer than {MAX_FLAG} characters."
    lowered = [name.casefold() for name in names]
    for place, name in enumerate(names):
        if lowered[place] in lowered[:place]:
            return f"“{name}” is there twice."
    return ""


class ProjectForm(SettingsForm):
    """A new project: the settings, and the slug that stays in its addresses."""

    class Meta(SettingsForm.Meta):
        fields = ["slug", *SettingsForm.Meta.fields]
        help_texts = {
            **SettingsForm.Meta.help_texts,
            "slug": "Its name in addresses and commands: small letters, digits and hyphens.",
        }
