"""The form to confirm what cannot be undone."""

from typing import Any

from django import forms


class ConfirmForm(forms.Form):
    """Ask for a name to be typed."""

    typed = forms.CharField(widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, name: str, data: Any) -> None:
        super().__init__(data)
        self.name = name
        self.fields["typed"].label = f"Type “{name}” to confirm"

    def clean_typed(self) -> str:
        if self.cleaned_data["typed"] != self.name.strip():
            raise forms.ValidationError(f"Type “{self.name}” exactly as it is written here.")
        return self.name
