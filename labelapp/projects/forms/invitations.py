"""The forms to create an invitation, and an account to accept it with."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth.forms import UserCreationForm

from labelapp.models import Role, User

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


class AccountForm(UserCreationForm):
    """Create an account with a name and a password, validated by Django."""

    class Meta(UserCreationForm.Meta):
        model = User

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].help_text = "Letters, digits and @ . + - _"
        self.fields[
            "password1"
        ].help_text = "At least 8 characters, not only digits, and not a common password."
        self.fields["password2"].label = "Password again"
        self.fields["password2"].help_text = ""
