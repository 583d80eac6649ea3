"""Links in Markdown: each has a scheme, and the host that it leads to stands behind its text."""

import re
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from django.utils.html import escape
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

HOST = re.compile(r"([a-zA-Z0-9._-]+|\[[0-9a-fA-F:.]+\])(:[0-9]+)?")


def links_plugin(parser: MarkdownIt) -> None:
    parser.add_render_rule("link_open", open_link)
    parser.add_render_rule("link_close", close_link)


def open_link(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: EnvType,
) -> str:
    """Render the start of a link.

    Without a scheme it would lead to Podium itself, or with the scheme of Podium to elsewhere.
    """
    link = tokens[index]
    href = str(link.attrs["href"])
    if href.startswith("//"):
        link.attrs["href"] = f"https:{href}"
    if not leads_elsewhere(str(link.attrs["href"])):
        del link.attrs["href"]
    return renderer.renderToken(tokens, index, options, env)


def close_link(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: EnvType,
) -> str:
    """Render the end of a link, and its host unless its text is the address."""
    start = max(place for place in range(index) if tokens[place].type == "link_open")
    host = host_of(parts(str(tokens[start].attrs.get("href", ""))))
    text = "".join(token.content for token in tokens[start + 1 : index])
    if not host or tokens[start].info == "auto" or text == host:
        return "</a>"
    return f'</a> <span class="link-host">({escape(host)})</span>'


def leads_elsewhere(href: str) -> bool:
    """Return whether an address has a scheme and, if it needs one, a host."""
    address = parts(href)
    if address.scheme in ("http", "https"):
        return HOST.fullmatch(host_of(address)) is not None
    return bool(address.scheme)


def host_of(address: SplitResult) -> str:
    """Return the host and the port, without the name and password that may come before."""
    return address.netloc.rpartition("@")[2]


def parts(href: str) -> SplitResult:
    """Return the parts of an address, which are empty if it is none."""
    try:
        return urlsplit(href)
    except ValueError:
        return urlsplit("")
