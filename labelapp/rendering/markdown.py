"""Render untrusted Markdown as safe HTML.

Prompts and responses come from strangers and from models. Raw HTML in them is shown as text, and
the HTML that Markdown produces passes an allow-list. Images become links, because loading one would
tell its host who reads the page. Code is highlighted with class names only, and formulas become
MathML.
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

from labelapp.rendering import math
from labelapp.rendering.code import Highlighter
from labelapp.rendering.fidelity import Difference, difference
from labelapp.rendering.links import links_plugin
from labelapp.rendering.literal import literal_plugin

# Han characters with their extensions, hiragana and katakana.
CJK_CHARACTER = re.compile(
    r"[\u3005-\u3007\u3040-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
CJK_PUNCTUATION = re.compile(
    r"[\u3000-\u3004\u3008-\u303f\u30fb\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]"
)

BLOCK_TAGS = {"p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "div", "pre"}
LIST_TAGS = {"ul", "ol", "li"}
INLINE_TAGS = {"strong", "em", "s", "code", "span", "a"}
TABLE_TAGS = {"table", "thead", "tbody", "tr", "th", "td"}
TAGS = BLOCK_TAGS | LIST_TAGS | INLINE_TAGS | TABLE_TAGS | math.TAGS
ATTRIBUTES: dict[str, set[str]] = {
    "a": {"href", "title"},
    "code": {"class"},
    "span": {"class"},
    "ol": {"start", "class"},
    "li": {"value"},
    "pre": {"class"},
    "th": {"align"},
    "td": {"align"},
    "div": {"class"},
    **math.ATTRIBUTES,
}


def render_fence(
    _renderer: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    _options: OptionsDict,
    env: EnvType,
) -> str:
    """Render fenced code, highlighted if the page has little code."""
    token = tokens[index]
    name = "".join(token.info.split(maxsplit=1)[:1])
    highlighter = env["highlighter"]
    html = highlighter.highlight(token.content, name) if highlighter else escape(token.content)
    return f"<pre><code>{html}</code></pre>\n"


def open_cell(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: EnvType,
) -> str:
    """Render a table cell with its alignment as an attribute, as the allow-list has no `style`."""
    cell = tokens[index]
    style = str(cell.attrs.pop("style", ""))
    if style.startswith("text-align:"):
        cell.attrs["align"] = style.removeprefix("text-align:")
    return renderer.renderToken(tokens, index, options, env)


def markdown() -> MarkdownIt:
    """Return a Markdown parser that wraps each table in a scrolling box."""
    parser = (
        MarkdownIt("commonmark", {"html": False, "breaks": True})
        .enable(["table", "strikethrough"])
        .disable("image")
        .use(literal_plugin)
        .use(links_plugin)
    )
    parser.add_render_rule("fence", render_fence)
    parser.add_render_rule("table_open", lambda *_: '<div class="table-box"><table>\n')
    parser.add_render_rule("th_open", open_cell)
    parser.add_render_rule("td_open", open_cell)
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return parser


MARKDOWN = markdown()
WITH_FORMULAS = markdown().use(math.formulas_plugin)

# Created once, as creating a cleaner takes longer than cleaning a short text.
CLEANER = nh3.Cleaner(
    tags=TAGS,
    attributes=ATTRIBUTES,
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer nofollow",
    set_tag_attribute_values={"a": {"target": "_blank"}},
)


def render(text: str, coloured: bool = True) -> tuple[SafeString, Difference]:
    """Return Markdown as HTML that is safe to put into a page, and how far it is from its source.

    Without `coloured`, code is not highlighted.
    """
    parser = WITH_FORMULAS if math.may_contain_formula(text) else MARKDOWN
    env: dict[str, Any] = {"highlighter": Highlighter() if coloured else None}
    tokens = parser.parse(text, env)
    html = CLEANER.clean(parser.renderer.render(tokens, parser.options, env))
    found = difference(text, html, tokens, env)
    return mark_safe(html), found  # noqa: S308 - passed the allow-list


def count_words(text: str) -> int:
    """Return the number of words; each Chinese or Japanese character counts as one.

    These languages have no spaces between words.
    """
    separated = CJK_CHARACTER.sub(" x ", CJK_PUNCTUATION.sub(" ", text))
    return len(separated.split())
