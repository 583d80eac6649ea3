"""Highlight fenced code of common languages, within limits.

Some lexers of Pygments take a time that grows with the square of the code, so that a model's
response could keep a page busy for minutes. The languages are an allow-list, a page highlights
so many characters and fences, and code that takes too long is shown without colours.
"""

import re
from functools import lru_cache
from time import thread_time
from typing import Any

from django.utils.html import escape
from pygments import format as format_tokens
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_all_lexers, get_lexer_by_name

MAX_CODE = 20_000  # characters that a page highlights
MAX_FENCES = 100  # fences that a page highlights
MAX_SECONDS = 0.25  # of computation for one text; ordinary code of 20,000 characters takes 0.1

LANGUAGES = {
    "Bash", "Bash Session", "C", "C#", "C++", "CSS", "Diff", "Docker", "Go", "Haskell", "HTML",
    "Java", "JavaScript", "JSON", "Julia", "Kotlin", "Lua", "Makefile", "Markdown", "Perl",
    "PHP", "PowerShell", "Python", "Python console session", "R", "Ruby", "Rust", "Scala", "SQL",
    "Swift", "TeX", "TOML", "TypeScript", "XML", "YAML",
}  # fmt: skip
ALIASES = {
    alias for name, aliases, _, _ in get_all_lexers() if name in LANGUAGES for alias in aliases
}  # as written after a fence


# A fence with a language, and its code; close enough to tell how much code a text has.
FENCE = re.compile(
    r"^[ \t>]*(`{3,}|~{3,})[ \t]*([^\s`]+)[^\n]*\n(.*?)(?:^[ \t>]*\1|\Z)", re.MULTILINE | re.DOTALL
)


def has_colours(name: str) -> bool:
    """Return True if code of the language that a fence names is highlighted."""
    return name.lower() in ALIASES


def count(text: str) -> tuple[int, int]:
    """Return how many characters and fences of a text would be highlighted."""
    sizes = [len(code) for _, name, code in FENCE.findall(text) if has_colours(name)]
    return sum(sizes), len(sizes)


@lru_cache
def lexer(name: str) -> Any:
    return get_lexer_by_name(name, stripnl=False)


class Highlighter:
    """Highlights the code of one text, until a limit is reached."""

    def __init__(self) -> None:
        self.characters = 0
        self.fences = 0
        self.seconds = 0.0

    def highlight(self, code: str, name: str) -> str:
        """Return code as HTML with class names, or as plain HTML for other languages."""
        plain = str(escape(code))
        if not has_colours(name) or self.seconds > MAX_SECONDS:
            return plain
        self.characters += len(code)
        self.fences += 1
        if self.characters > MAX_CODE or self.fences > MAX_FENCES:
            return plain
        return self.coloured(code, name) or plain

    def coloured(self, code: str, name: str) -> str:
        """Return code as HTML with class names, or "" if that takes too long."""
        tokens: list[tuple[Any, str]] = []
        start = thread_time()
        for token in lexer(name.lower()).get_tokens(code):
            if self.seconds + thread_time() - start > MAX_SECONDS:
                tokens.clear()
                break
            tokens.append(token)
        self.seconds += thread_time() - start
        return str(format_tokens(tokens, HtmlFormatter(nowrap=True)))
