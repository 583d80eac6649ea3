"""The form to confirm what cannot be undone."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _


class ConfirmForm(forms.Form):
    """Ask for a name to be typed."""

    typed = forms.CharField(widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, name: str, data: Any) -> None:
        super().__init__(data)
        self.name = name
        self.fields["typed"].label = _("Type “%(name)s” to confirm") % {"name": name}

    def clean_typed(self) -> str:
        if self.cleaned_data["typed"] != self.name.strip():
            raise forms.ValidationError(
                _("Type “%(name)s” exactly as it is written here.") % {"name": self.name}
            )
        return self.name


class ConfirmNumberForm(forms.Form):
    """Ask for the number of rankings to be typed, if there are any, before prompts are deleted."""

    # What the page has told; more or fewer must be told first.
    prompts = forms.IntegerField(widget=forms.HiddenInput)
    rankings = forms.IntegerField(widget=forms.HiddenInput)
    typed = forms.CharField(widget=forms.TextInput(attrs={"autocomplete": "off"}))

    data: Any

    def __init__(self, data: Any, *, prompts: int, rankings: int) -> None:
        told = {"prompts": prompts, "rankings": rankings}
        super().__init__(data, initial=told)
        self.told = told
        if rankings:
            label = _("Type %(number)s, the number of rankings, to confirm")
            self.fields["typed"].label = label % {"number": rankings}
        else:
            del self.fields["typed"]

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if {name: given.get(name) for name in self.told} != self.told:
            now = {name: str(number) for name, number in self.told.items()}
            self.data = {**self.data.dict(), **now}
            raise forms.ValidationError(
                _("The prompts have changed since this page was opened. Check the numbers again.")
            )
        if self.told["rankings"] and given.get("typed", "").strip() != str(self.told["rankings"]):
            self.add_error("typed", _("Type the number of rankings exactly as it is written here."))
        return given
