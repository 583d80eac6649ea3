"""Hostile Markdown to safe HTML.

Prompts and responses come from strangers and from models. Raw HTML in them is shown as text, what
Markdown makes passes an allow-list, pictures become links (loading one would tell its host who
reads), and code is highlighted with class names only.
"""

from typing import Any

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

# Past these sizes a text is shown as it is: reading matters more than colours.
MAX_MARKDOWN = 200_000
MAX_HIGHLIGHT = 20_000

TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li"),
    *("strong", "em", "s", "code", "pre", "span", "a"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES: dict[str, set[str]] = {
    "a": {"href", "title"},
    "code": {"class"},
    "span": {"class"},
    "ol": {"start"},
    "th": {"align"},
    "td": {"align"},
}
CLEANER = nh3.Cleaner(
    tags=TAGS,
    attributes=ATTRIBUTES,
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer nofollow",
    set_tag_attribute_values={"a": {"target": "_blank"}},
)


def highlight_code(code: str, language: str, _attributes: Any = None) -> str:
    """HTML of a fenced code block's inside; escaped text where the language is not known."""
    if not language or len(code) > MAX_HIGHLIGHT:
        return escape(code)
    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return escape(code)
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))


MARKDOWN = (
    MarkdownIt("commonmark", {"html": False, "breaks": True, "highlight": highlight_code})
    .enable(["table", "strikethrough"])
    .disable("image")
)


def render(text: str) -> SafeString:
    """Markdown as HTML that is safe to put into a page."""
    if len(text) > MAX_MARKDOWN:
        return mark_safe(f"<pre>{escape(text)}</pre>")  # noqa: S308 - escaped
    return mark_safe(  # noqa: S308 - passed through the allow-list
        CLEANER.clean(MARKDOWN.render(text))
    )


def count_words(text: str) -> int:
    return len(text.split())
