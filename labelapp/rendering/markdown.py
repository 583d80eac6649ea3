"""Render untrusted Markdown as safe HTML.

Prompts and responses come from strangers and from models. Raw HTML in them is shown as text, the
rendered Markdown passes an allow-list, images become links (loading one would tell its host who is
reading), code is highlighted with class names only, and formulas become MathML.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
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

# Longer texts are shown unformatted, and longer code is not highlighted, for speed.
MAX_MARKDOWN = 200_000
MAX_HIGHLIGHT = 20_000

# Han with its extensions, hiragana and katakana; and their punctuation.
CHARACTER_WORDS = re.compile(
    r"[\u3005-\u3007\u3040-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
CHARACTER_PUNCTUATION = re.compile(
    r"[\u3000-\u3004\u3008-\u303f\u30fb\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]"
)

BLOCK_TAGS = {"p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li"}
INLINE_TAGS = {"strong", "em", "s", "code", "pre", "span", "a"}
TABLE_TAGS = {"table", "thead", "tbody", "tr", "th", "td", "div"}
TAGS = BLOCK_TAGS | INLINE_TAGS | TABLE_TAGS | math.TAGS
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
    """Return the highlighted HTML of a code block, or escaped text if the language is unknown."""
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
    """Open a table cell, with its alignment as an attribute, because inline styles are removed."""
    cell = tokens[index]
    style = str(cell.attrs.pop("style", ""))
    if style.startswith("text-align:"):
        cell.attrs["align"] = style.removeprefix("text-align:")
    return renderer.renderToken(tokens, index, options, env)


def markdown() -> MarkdownIt:
    """Return a Markdown parser that wraps tables in a scrollable box."""
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


# Created once: for short texts, that takes longer than cleaning.
CLEANER = nh3.Cleaner(
    tags=TAGS,
    attributes=ATTRIBUTES,
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer nofollow",
    set_tag_attribute_values={"a": {"target": "_blank"}},
)


def render(text: str) -> SafeString:
    """Render Markdown as safe HTML."""
    if len(text) > MAX_MARKDOWN:
        return mark_safe(f"<pre>{escape(text)}</pre>")  # noqa: S308 - escaped
    parser = WITH_FORMULAS if math.may_hold(text) else MARKDOWN
    return mark_safe(CLEANER.clean(parser.render(text)))  # noqa: S308 - passed the allow-list


def render_messages(messages: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return the messages of a prompt with their roles and their contents as HTML."""
    return [{"role": each["role"], "html": render(each["content"])} for each in messages]


def count_words(text: str) -> int:
    """Count words separated by spaces, and each character of Chinese and Japanese."""
    separated = CHARACTER_WORDS.sub(" x ", CHARACTER_PUNCTUATION.sub(" ", text))
    return len(separated.split())
