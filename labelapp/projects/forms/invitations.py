"""The form to create an invitation."""

from datetime import timedelta

from django import forms

from labelapp.models import Role

ONE, ANY = "one", "any"


class InvitationForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices, initial=Role.LABELLER, label="They join as")
    people = forms.ChoiceField(
        choices=[(ONE, "One person"), (ANY, "Any number of people")],
        label="The link is for",
    )
    days = forms.TypedChoiceField(
        choices=[(1, "1 day"), (7, "7 days"), (30, "30 days")],
        coerce=int,
        initial=7,
        label="It works for",
    )

    @property
    def lasts(self) -> timedelta:
        return timedelta(days=self.cleaned_data["days"])

    @property
    def single(self) -> bool:
        return bool(self.cleaned_data["people"] == ONE)
