"""The form to comment on the rankings of a prompt."""

from django import forms

MAX_COMMENT = 5000  # characters


class CommentForm(forms.Form):
    text = forms.CharField(
        max_length=MAX_COMMENT,
        error_messages={
            "required": "Write a comment first.",
            "max_length": f"Shorten the comment to at most {MAX_COMMENT:,} characters.",
        },
    )
