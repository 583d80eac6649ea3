"""The form to comment on the rankings of a prompt."""

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from labelapp.templatetags.figures import thousands

MAX_COMMENT = 5000  # characters


class CommentForm(forms.Form):
    text = forms.CharField(error_messages={"required": _("Write a comment first.")})

    def clean_text(self) -> str:
        text: str = self.cleaned_data["text"]
        if len(text) > MAX_COMMENT:
            message = gettext("Shorten the comment to at most %(limit_value)s characters.")
            raise ValidationError(message % {"limit_value": thousands(MAX_COMMENT)})
        return text
