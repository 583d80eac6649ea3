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
