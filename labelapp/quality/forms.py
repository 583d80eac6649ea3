"""A comment on a prompt's rankings."""

from django import forms

MAX_COMMENT = 5000  # characters


class CommentForm(forms.Form):
    text = forms.CharField(
        max_length=MAX_COMMENT,
        error_messages={
            "required": "Write something first.",
            "max_length": f"A comment has at most {MAX_COMMENT:,} characters; this is longer.",
        },
    )
