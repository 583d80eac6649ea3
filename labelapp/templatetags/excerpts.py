"""Template filters for the beginnings of prompts and responses in tables."""

from django import template

from labelapp.models import Prompt
from labelapp.rendering.excerpts import excerpt

register = template.Library()

LENGTH = 200  # characters
READ = 3 * LENGTH  # a list has many rows


@register.filter
def beginning(text: str, length: int = LENGTH) -> str:
    """Return the beginning of a text in one line without Markdown."""
    return excerpt(text, length, READ)


@register.filter
def asked(prompt: Prompt) -> str:
    """Return the beginning of a prompt's last message in one line without Markdown."""
    return beginning(str(prompt.messages[-1]["content"]))
