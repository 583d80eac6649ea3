"""The form to create an invitation."""

from datetime import timedelta

from django import forms
from django.utils.translation import gettext_lazy as _

from labelapp.models import Role

ONE, ANY = "one", "any"


class InvitationForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices, initial=Role.LABELLER, label=_("They join as"))
    people = forms.ChoiceField(
        choices=[(ONE, _("One person")), (ANY, _("Any number of people"))],
        label=_("The link is for"),
    )
    days = forms.TypedChoiceField(
        choices=[(1, _("1 day")), (7, _("7 days")), (30, _("30 days"))],
        coerce=int,
        initial=7,
        label=_("It works for"),
    )

    @property
    def lasts(self) -> timedelta:
        return timedelta(days=self.cleaned_data["days"])

    @property
    def single(self) -> bool:
        return bool(self.cleaned_data["people"] == ONE)
