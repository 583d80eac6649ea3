"""A markdown-it plugin that shows where links lead."""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from django.utils.html import escape
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

HOST = re.compile(r"([a-zA-Z0-9._-]+|\[[0-9a-fA-F:.]+\])(:[0-9]+)?")


def links_plugin(markdown: MarkdownIt) -> None:
    """Give links a scheme, and show their host if their text does not name it."""
    markdown.core.ruler.after("text_join", "hosts", show_hosts)
    markdown.add_render_rule("host", render_host)


def show_hosts(state: StateCore) -> None:
    for block in state.tokens:
        if block.type == "inline" and any(t.type == "link_open" for t in block.children or []):
            block.children = with_hosts(block.children or [])


def with_hosts(tokens: Sequence[Token]) -> list[Token]:
    """Return the tokens of a line with a token for the host after each link that hides it."""
    shown: list[Token] = []
    href, text, leads_nowhere = "", "", False
    for token in tokens:
        shown.append(token)
        if token.type == "link_open":
            href, text = str(token.attrGet("href") or ""), ""
            if href.startswith("//"):  # as a browser reads it on a page of https
                href = f"https:{href}"
                token.attrSet("href", href)
            leads_nowhere = not leads_elsewhere(href)
            if leads_nowhere:
                token.meta["href"] = token.attrs.pop("href", "")
        elif token.type == "link_close":
            host = href if leads_nowhere else destination(href)
            if host and not names(text, host):
                shown.append(Token("host", "", 0, content=host))
        else:
            text += token.content
    return shown


def leads_elsewhere(href: str) -> bool:
    """Return True if an address has a scheme and, if it needs one, a host.

    Without a scheme it would lead into Podium itself.
    """
    try:
        parts = urlsplit(href)
    except ValueError:
        return False
    if parts.scheme in ("http", "https"):
        return HOST.fullmatch(parts.netloc.rpartition("@")[2]) is not None
    return bool(parts.scheme)


def destination(href: str) -> str:
    """Return the host of a web address or the recipient of a mail, or "" for other links."""
    try:
        parts = urlsplit(href)
        return parts.path if parts.scheme == "mailto" else parts.hostname or ""
    except ValueError:
        return href


def names(text: str, host: str) -> bool:
    """Return True if a text contains a host as a whole, with or without www."""
    name = re.escape(host.removeprefix("www."))
    return re.search(rf"(?<![\w.@-])(?:www\.)?{name}(?![\w@-]|\.\w)", text, re.I) is not None


def render_host(
    _renderer: RendererProtocol,
    tokens: Sequence[Token],
    index: int,
    _options: OptionsDict,
    _env: EnvType,
) -> str:
    return f'<span class="host">{escape(tokens[index].content)}</span>'
