"""The form to comment on the rankings of a prompt."""

from django import forms
from django.utils.translation import gettext_lazy as _

MAX_COMMENT = 5000  # characters


class CommentForm(forms.Form):
    text = forms.CharField(
        max_length=MAX_COMMENT,
        error_messages={
            "required": _("Write a comment first."),
            "max_length": _("Shorten the comment to at most %(limit_value)s characters."),
        },
    )
