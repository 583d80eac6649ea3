"""Beginnings of long texts, in one line without Markdown."""

import re
from html import unescape

from labelapp.rendering.texts import render_text

EXCERPT = 240  # characters
READ = 8 * EXCERPT  # characters of Markdown: formulas and links are longer than they look
BLOCK = re.compile(r"</?(?:p|br|hr|h[1-6]|blockquote|div|pre|ul|ol|li|tr|td|th)\b[^>]*>")
HOST = re.compile(r'<span class="host">[^<]*</span>')  # after a link whose text hides it
# One line that begins with a letter, and has no sign that Markdown or LaTeX knows.
PLAIN = re.compile(r"\s?[^\W\d_][^\\`*_~$<>&\[\]|\n\r\x00]*")
TAG = re.compile(r"<[^>]*>")


def excerpt(text: str, length: int = EXCERPT, read: int = READ) -> str:
    """Return the beginning of a text in one line, with an ellipsis if it goes on.

    Markdown is left out, and formulas are set as characters. Of the text, `read` characters are
    looked at.
    """
    line = plain_text(text[:read])
    if len(line) > length:
        return f"{line[:length].rstrip()}…"
    return f"{line}…" if len(text) > read else line


def plain_text(text: str) -> str:
    """Return the text of Markdown in one line."""
    if PLAIN.fullmatch(text):  # as most prompts are: a list of them is rendered in no time
        return " ".join(text.split())
    html = BLOCK.sub(" ", HOST.sub("", render_text(text).html))
    return " ".join(unescape(TAG.sub("", html)).split())
