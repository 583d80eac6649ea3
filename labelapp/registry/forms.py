"""The forms of the registry: promotion, gates, tokens and the playground."""

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from labelapp.models import MAX_RESPONSES, PromotionGates
from labelapp.rendering.letters import letter

FEWEST_SHOWN = 4
"""Fields for responses that are shown empty."""
MOST_TURNS = 20
"""Messages that can be typed before the prompt."""
ROLES = [("user", _("User")), ("assistant", _("Assistant")), ("system", _("System"))]

MOST_CHARACTERS = 1_000_000


def as_sent(text: str) -> str:
    """Return a text with the line breaks that it had: a form's fields change them."""
    return text.replace("\r\n", "\n")


class MoveForm(forms.Form):
    """Why an alias moves, and what the page showed."""

    reason = forms.CharField(
        max_length=1000,
        label=_("Why?"),
        help_text=_("Kept with the promotion, for those who ask later."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, blocked: bool = False, **kwargs: Any) -> None:
        """Ask for a confirmation where the version does not pass the gates."""
        super().__init__(*args, **kwargs)
        if blocked:
            self.fields["anyway"] = forms.BooleanField(
                label=_("Promote although a gate is not passed")
            )


class GatesForm(forms.ModelForm):
    class Meta:
        model = PromotionGates
        fields = ["beats_baselines", "beats_champion", "most_points_lost"]
        labels = {
            "beats_baselines": _("Measurably better than every baseline"),
            "beats_champion": _("Measurably better than the champion"),
            "most_points_lost": _("No slice measurably worse by more than"),
        }
        help_texts = {
            "most_points_lost": _(
                "Percentage points of accuracy, for each source, length, number of responses and "
                "labeller with at least 5 held-out prompts. Empty: no such gate."
            ),
        }
        widgets = {"most_points_lost": forms.NumberInput(attrs={"step": "0.1", "min": "0"})}


class TokenForm(forms.Form):
    name = forms.CharField(
        max_length=100,
        label=_("Who uses it"),
        widget=forms.TextInput(attrs={"placeholder": _("GRPO on cluster A")}),
    )


class VersionField(forms.ModelChoiceField):
    """A choice of versions, each with the name of its run."""

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name} · {obj.run_title}" if obj.run_title else obj.name


class PlaygroundForm(forms.Form):
    """A prompt, perhaps after other messages, responses, and the versions that score them."""

    prompt = forms.CharField(
        label=_("Prompt"),
        max_length=MOST_CHARACTERS,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 4}),
    )

    def __init__(
        self,
        *args: Any,
        versions: Any,
        responses: int,
        has_messages: bool,
        turns: int = 0,
        **kwargs: Any,
    ) -> None:
        """Take the versions to choose from, and the numbers of responses and of earlier turns."""
        super().__init__(*args, **kwargs)
        self.fields["version"] = VersionField(versions, label=_("Version"), empty_label=None)
        self.fields["other"] = VersionField(
            versions, label=_("Beside"), required=False, empty_label=_("no other version")
        )
        if has_messages:
            del self.fields["prompt"]
        else:
            self.add_turns(min(MOST_TURNS, turns))
        for number in range(min(MAX_RESPONSES, max(FEWEST_SHOWN, responses))):
            self.fields[f"response_{number}"] = forms.CharField(
                required=False,
                strip=False,
                max_length=MOST_CHARACTERS,
                label=gettext("Response %(letter)s") % {"letter": letter(number)},
                widget=forms.Textarea(attrs={"rows": 4}),
            )

    def add_turns(self, turns: int) -> None:
        """Add the fields of the messages before the prompt."""
        for number in range(turns):
            words = {"number": number + 1}
            self.fields[f"role_{number}"] = forms.ChoiceField(
                choices=ROLES,
                initial=ROLES[number % 2][0],
                label=gettext("Role of message %(number)s") % words,
            )
            self.fields[f"turn_{number}"] = forms.CharField(
                required=False,
                strip=False,
                max_length=MOST_CHARACTERS,
                label=gettext("Message %(number)s") % words,
                widget=forms.Textarea(attrs={"rows": 2}),
            )

    @property
    def turn_fields(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        """Return the role and the text of each message before the prompt."""
        numbers = range(sum(name.startswith("turn_") for name in self.fields))
        return [(self[f"role_{number}"], self[f"turn_{number}"]) for number in numbers]

    @property
    def messages(self) -> list[dict[str, str]]:
        """Return the typed conversation without empty messages, once the form is valid."""
        turns = [
            (self.cleaned_data[role.name], as_sent(self.cleaned_data[text.name]))
            for role, text in self.turn_fields
        ]
        said = [*turns, ("user", as_sent(self.cleaned_data["prompt"]))]
        return [{"role": role, "content": text} for role, text in said if text.strip()]

    @property
    def response_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith("response_")]

    @property
    def responses(self) -> dict[str, str]:
        """Return the responses that are not empty by their letter, once the form is valid."""
        values = [self.cleaned_data[field.name] for field in self.response_fields]
        return {letter(place): as_sent(text) for place, text in enumerate(values) if text.strip()}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        names = [name for name in self.fields if name.startswith("response_")]
        is_refused = any(name in self.errors for name in names)
        if not is_refused and not any((cleaned.get(name) or "").strip() for name in names):
            raise forms.ValidationError(_("Enter at least one response."))
        if cleaned.get("other") is not None and cleaned.get("other") == cleaned.get("version"):
            cleaned["other"] = None
        return cleaned
