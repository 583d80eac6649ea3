"""Hostile Markdown to safe HTML.

Prompts and responses come from strangers and from models. Raw HTML in them is shown as text, what
Markdown makes passes an allow-list, pictures become links (loading one would tell its host who
reads), code is highlighted with class names only, and formulas become MathML.
"""

import re
from collections.abc import Sequence
from typing import Any

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from labelapp.rendering import math

# Past these sizes a text is shown as it is: reading matters more than colours.
MAX_MARKDOWN = 200_000
MAX_HIGHLIGHT = 20_000

# Han with its extensions, hiragana and katakana; and the punctuation that goes with them.
CHARACTER_WORDS = re.compile(
    r"[\u3005-\u3007\u3040-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
CHARACTER_PUNCTUATION = re.compile(
    r"[\u3000-\u3004\u3008-\u303f\u30fb\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]"
)

TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li"),
    *("strong", "em", "s", "code", "pre", "span", "a"),
    *("table", "thead", "tbody", "tr", "th", "td", "div"),
    *math.TAGS,
}
ATTRIBUTES: dict[str, set[str]] = {
    "a": {"href", "title"},
    "code": {"class"},
    "span": {"class"},
    "ol": {"start"},
    "th": {"align"},
    "td": {"align"},
    "div": {"class"},
    **math.ATTRIBUTES,
}


def highlight_code(code: str, language: str, _attributes: Any = None) -> str:
    """HTML of a fenced code block's inside; escaped text where the language is not known."""
    if not language or len(code) > MAX_HIGHLIGHT:
        return escape(code)
    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return escape(code)
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))


def open_cell(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: EnvType,
) -> str:
    """A table's cell, with its alignment as an attribute: inline style is not let through."""
    cell = tokens[index]
    style = str(cell.attrs.pop("style", ""))
    if style.startswith("text-align:"):
        cell.attrs["align"] = style.removeprefix("text-align:")
    return renderer.renderToken(tokens, index, options, env)


def markdown() -> MarkdownIt:
    """A Markdown parser whose tables stand in a box of their own, which scrolls."""
    parser = (
        MarkdownIt("commonmark", {"html": False, "breaks": True, "highlight": highlight_code})
        .enable(["table", "strikethrough"])
        .disable("image")
    )
    parser.add_render_rule("table_open", lambda *_: '<div class="table-box"><table>\n')
    parser.add_render_rule("th_open", open_cell)
    parser.add_render_rule("td_open", open_cell)
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return parser


MARKDOWN = markdown()
WITH_FORMULAS = markdown().use(math.formulas_plugin)


# Made once: for short texts, making it takes longer than cleaning.
CLEANER = nh3.Cleaner(
    tags=TAGS,
    attributes=ATTRIBUTES,
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer nofollow",
    set_tag_attribute_values={"a": {"target": "_blank"}},
)


def render(text: str) -> SafeString:
    """Markdown as HTML that is safe to put into a page."""
    if len(text) > MAX_MARKDOWN:
        return mark_safe(f"<pre>{escape(text)}</pre>")  # noqa: S308 - escaped
    parser = WITH_FORMULAS if math.may_hold(text) else MARKDOWN
    return mark_safe(CLEANER.clean(parser.render(text)))  # noqa: S308 - passed the allow-list


def count_words(text: str) -> int:
    """Words between spaces; of Chinese and Japanese, which have none, every character."""
    apart = CHARACTER_WORDS.sub(" x ", CHARACTER_PUNCTUATION.sub(" ", text))
    return len(apart.split())
