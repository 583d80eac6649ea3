"""The forms on a labeller's page."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy


class DateInput(forms.DateInput):
    input_type = "date"


class ExclusionForm(forms.Form):
    """Ask which of a labeller's rankings to leave out, and why."""

    which = forms.ChoiceField(
        label=gettext_lazy("Which rankings"),
        choices=[
            ("all", gettext_lazy("All their rankings, and those to come")),
            ("since", gettext_lazy("Rankings submitted or changed from this day on")),
        ],
        initial="all",
        widget=forms.RadioSelect,
    )
    since = forms.DateField(
        label=gettext_lazy("From"),
        required=False,
        widget=DateInput,
        error_messages={"invalid": gettext_lazy("Enter a day.")},
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("Managers and reviewers see it. The labeller does not."),
        error_messages={"required": gettext_lazy("Give a reason: others will want to know.")},
    )

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if given.get("which") == "since" and not given.get("since") and "since" not in self.errors:
            self.add_error("since", _("Enter the first day whose rankings are left out."))
        return given

    @property
    def start(self) -> datetime | None:
        """Return the moment from which rankings are left out, or None for all."""
        if self.cleaned_data["which"] == "all":
            return None
        day = self.cleaned_data["since"]
        return timezone.make_aware(datetime.combine(day, datetime.min.time()))


class TextForm(forms.Form):
    """A note on a labeller, or a message to them."""

    text = forms.CharField(
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"required": gettext_lazy("Write something first.")},
    )
