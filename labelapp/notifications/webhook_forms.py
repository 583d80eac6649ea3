"""The form of a project's webhook."""

from django import forms
from django.utils.translation import gettext_lazy as _

from labelapp.notifications.posting import PostError, check_address


class WebhookForm(forms.Form):
    """The address of a project's webhook."""

    url = forms.CharField(
        label=_("Address"),
        max_length=500,
        help_text=_("It begins with https://, and leads to a machine on the internet."),
        widget=forms.TextInput(attrs={"inputmode": "url", "spellcheck": "false", "dir": "ltr"}),
    )

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        try:
            check_address(url)
        except PostError as error:
            raise forms.ValidationError(str(error)) from error
        return url
