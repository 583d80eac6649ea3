"""The forms to create a project and to change its settings."""

from typing import Any

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from labelapp.models import INSTRUCTGPT_FLAGS, Project
from labelapp.models.projects import MAX_SHARE
from labelapp.web.versions import VersionedForm

MAX_GUIDELINES = 50_000  # characters; they are rendered for every ranking page
MAX_FLAGS = 30
MAX_FLAG = 100  # characters

UNCHANGED_IF_MISSING = (
    "gold_share",
    "repeat_share",
    "repeat_after_days",
    "daily_target",
    "rank_top",
)

SCALES = [
    (0, _("No scores")),
    (5, _("From 1 to 5")),
    (7, _("From 1 to 7, as for InstructGPT")),
]
NO_FLAGS, INSTRUCTGPT, OWN = "off", "instructgpt", "own"
FLAG_CHOICES = [
    (NO_FLAGS, _("No flags")),
    (
        INSTRUCTGPT,
        format_lazy(_("The {number} flags of InstructGPT"), number=len(INSTRUCTGPT_FLAGS)),
    ),
    (OWN, _("Your own list")),
]


class SettingsForm(VersionedForm, forms.ModelForm):
    """The settings of a project. Scores and flags that are not posted stay unchanged."""

    guidelines = forms.CharField(
        label=_("Guidelines"),
        required=False,
        max_length=MAX_GUIDELINES,
        widget=forms.Textarea(attrs={"spellcheck": "true"}),
        help_text=_("What makes a response better, in Markdown. Labellers see it at every prompt."),
    )
    rating_scale = forms.TypedChoiceField(
        required=False,
        choices=SCALES,
        coerce=int,
        label=_("Score of each response"),
        help_text=_("Labellers can give each response a score before they rank."),
    )
    flag_choice = forms.ChoiceField(
        required=False,
        choices=FLAG_CHOICES,
        widget=forms.RadioSelect,
        label=_("Flags"),
        help_text=_("Problems that a labeller can mark in a single response."),
    )
    flag_names = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 8}),
        label=_("Names of your flags"),
        help_text=format_lazy(
            _("One per line, at most {flags} flags of at most {characters} characters."),
            flags=MAX_FLAGS,
            characters=MAX_FLAG,
        ),
    )

    # Whether a new number of rankings is for the prompts that are here, too.
    present = forms.ChoiceField(
        required=False, choices=[("yes", "yes"), ("no", "no")], widget=forms.HiddenInput
    )

    instructgpt_flags = INSTRUCTGPT_FLAGS
    unversioned = frozenset({"present"})
    is_saved = False
    prompts_here = 0  # which the page asks about
    prompts_changed: int | None = None

    class Meta:
        model = Project
        fields = [
            "name",
            "guidelines",
            "responses_per_ranking",
            "rankings_per_prompt",
            "ties_allowed",
            "rank_top",
            "rating_scale",
            "lease_minutes",
            "paused",
            "gold_share",
            "repeat_share",
            "repeat_after_days",
            "reviewers_train",
            "practice",
            "show_pace",
            "daily_target",
        ]
        labels = {
            "name": _("Name"),
            "slug": _("Slug"),
            "responses_per_ranking": _("Responses per ranking"),
            "rankings_per_prompt": _("Rankings per prompt"),
            "ties_allowed": _("Ties allowed"),
            "paused": _("Paused"),
            "rank_top": _("Rank only the best"),
            "lease_minutes": _("Return a prompt to the queue after (minutes)"),
            "gold_share": _("Gold prompts (percent)"),
            "repeat_share": _("Repeated prompts (percent)"),
            "repeat_after_days": _("Repeated after (days)"),
            "practice": _("Labellers begin with practice prompts"),
            "show_pace": _("Labellers see their pace"),
            "daily_target": _("Daily target (prompts)"),
            "reviewers_train": _("Reviewers may train models and export rankings"),
        }
        help_texts = {
            "ties_allowed": _("May two responses share a rank?"),
            "paused": _("Labellers get no new prompt; what they have begun is kept."),
            "responses_per_ranking": _(
                "From 4 to 9. If a prompt has more responses, each labeller sees a random "
                "selection of this many."
            ),
            "rankings_per_prompt": _(
                "How many labellers rank each prompt. If you change it, you are asked about the "
                "prompts that are here."
            ),
            "rank_top": _(
                "Labellers rank at least this many, and may leave the rest below: each ranked "
                "response is better than these, and nothing is said among them. 0 to rank all."
            ),
            "lease_minutes": _(
                "If a labeller closes the page without submitting, another labeller can get the "
                "prompt after this time."
            ),
            "gold_share": (
                format_lazy(
                    _(
                        "Percentage of a labeller’s prompts that have a gold ranking, with which "
                        "theirs is compared. At most {most}; 0 for none."
                    ),
                    most=MAX_SHARE,
                )
            ),
            "repeat_share": (
                format_lazy(
                    _(
                        "Percentage of a labeller’s prompts that they have ranked before, to "
                        "measure how consistent they are. At most {most}; 0 for none."
                    ),
                    most=MAX_SHARE,
                )
            ),
            "practice": _(
                "A labeller’s first visit shows three practice prompts with the right answer "
                "explained. They can be skipped, and do not count."
            ),
            "show_pace": _("How many prompts they ranked today, and how long each took."),
            "daily_target": _("Shown with the pace, as in “12 of 20 today”. 0 for none."),
            "reviewers_train": _("Promoting a model, and deleting runs, stay with managers."),
            "repeat_after_days": _(
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
        for name in UNCHANGED_IF_MISSING:
            if name in self.fields:
                self.fields[name].required = False
        # A custom list starts with the InstructGPT flags: editing is easier than starting empty.
        self.initial["flag_names"] = "\n".join(flags or INSTRUCTGPT_FLAGS)

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
        for name in UNCHANGED_IF_MISSING:
            if name in cleaned and cleaned[name] is None:
                cleaned[name] = getattr(self.instance, name)
        choice = cleaned.get("flag_choice")
        if choice == OWN and "flag_names" in cleaned:
            self.instance.flags = cleaned["flag_names"]
        elif choice in (NO_FLAGS, INSTRUCTGPT):
            self.instance.flags = INSTRUCTGPT_FLAGS if choice == INSTRUCTGPT else []
        return cleaned


def problem_with(names: list[str]) -> str:
    """Return the problem with the names of a project's flags as a sentence, or ""."""
    if not names:
        return gettext("Enter at least one flag, or choose “No flags”.")
    if len(names) > MAX_FLAGS:
        return gettext("Enter at most %(most)s flags; these are %(number)s.") % {
            "most": MAX_FLAGS,
            "number": len(names),
        }
    for name in names:
        if len(name) > MAX_FLAG:
            return gettext("“%(flag)s…” is longer than %(most)s characters.") % {
                "flag": name[:40],
                "most": MAX_FLAG,
            }
    lowered = [name.casefold() for name in names]
    for place, name in enumerate(names):
        if lowered[place] in lowered[:place]:
            return gettext("“%(flag)s” is listed twice.") % {"flag": name}
    return ""


class ProjectForm(SettingsForm):
    """The settings of a project and its slug, for the administration pages."""

    present = None  # type: ignore[assignment]

    class Meta(SettingsForm.Meta):
        fields = ["slug", *SettingsForm.Meta.fields]
        help_texts = {
            **SettingsForm.Meta.help_texts,
            "slug": _("The name in URLs and commands: lowercase letters, digits and hyphens."),
        }
