"""Check that a rendered text shows everything that was written.

The characters that a reader sees are counted in the source and in its HTML. The HTML may lack the
signs of Markdown, the address of a link and the language of a fence; anything else that is missing,
or that nobody wrote, is a difference. So are a star around a number, which may be a product, and
invisible characters.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from html import unescape
from typing import Any
from urllib.parse import unquote

from markdown_it.token import Token

SYNTAX = frozenset("*_~`#>+-=|:[]()!<\\")

TAG = re.compile(r"<[^>]*>")
NOT_WRITTEN = re.compile(r'<math\b.*?</math>|<span class="host">[^<]*</span>', re.DOTALL)

# Controls, the soft hyphen, fillers, marks and overrides of direction, zero width, tags.
INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)
ASCII_CONTROLS = bytes(n for n in range(128) if INVISIBLE.match(chr(n)))
# What is part of a sign that is seen: emoji of several, flags, and joiners between letters of
# scripts that need them, from Arabic to Khmer.
JOINED = re.compile(
    "(?<=[\u00a9-\u3299\ufe0f\U0001f000-\U0001faff])\u200d(?=[\u00a9-\u3299\U0001f000-\U0001faff])"
    "|(?<=[\u0600-\u109f\u1780-\u17ff])[\u200c\u200d]+"
    "|\U0001f3f4[\U000e0020-\U000e007f]+"
)


def has_invisible(text: str) -> bool:
    """Return True if a text has characters that cannot be seen."""
    return INVISIBLE.search(text) is not None and INVISIBLE.search(JOINED.sub("", text)) is not None


class Difference(Enum):
    """The difference between HTML and its source."""

    NONE = 0
    SIGNS = 1  # something is shown in another form, or its title or number is hidden
    TEXT = 2  # letters or digits are missing


def difference(text: str, html: str, tokens: Sequence[Token], env: Mapping[str, Any]) -> Difference:
    """Return what HTML lacks of its source, or has in addition."""
    source = visible(text)
    shown = visible(unescape(TAG.sub("", NOT_WRITTEN.sub("", html))))
    if shown - source:
        return Difference.SIGNS
    for piece in (*env.get("shown_formulas", []), *shown_otherwise(tokens)):
        shown += visible(piece)
    addresses = [address(text, link) for link in links(tokens)]
    for piece in addresses:
        shown += visible(piece)
    missing = source - shown
    for piece in hidden(tokens):
        shown += visible(piece)
    are_exact = all(piece in text for piece in addresses)  # not those of other alphabets
    if are_exact and any(sign.isalnum() for sign in source - shown):
        return Difference.TEXT
    return Difference.SIGNS if missing.keys() - SYNTAX or marks_numbers(tokens) else Difference.NONE


def visible(text: str) -> Counter[str]:
    """Return how often each character occurs that is not a space."""
    return Counter("".join(text.split()))


def shown_otherwise(tokens: Sequence[Token]) -> Iterator[str]:
    """Yield what is seen but not in the text of HTML: numbers of lists, languages of fences."""
    for token in tokens:
        if token.type == "list_item_open" and token.info == str(int(token.info or 0)):
            yield token.info + token.markup
        elif token.type == "fence":
            yield "".join(token.info.split(maxsplit=1)[:1])


def hidden(tokens: Sequence[Token]) -> Iterator[str]:
    """Yield what is hidden but not lost: titles of links, settings of fences, zeros of numbers."""
    for token in tokens:
        if token.type in ("list_item_open", "fence"):
            yield token.info
    for link in links(tokens):
        yield str(link.attrGet("title") or "")


def links(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yield the tokens that begin links."""
    for token in tokens:
        yield from (child for child in token.children or [] if child.type == "link_open")


def address(text: str, link: Token) -> str:
    """Return the address of a link in the form in which it was written, if that is in the text."""
    href = str(link.attrGet("href") or link.meta.get("href", ""))
    forms = (href, unquote(href), href.removeprefix("https:"), unquote(href).removeprefix("https:"))
    return next((form for form in forms if form in text), href)


def marks_numbers(tokens: Sequence[Token]) -> bool:
    """Return True if something without a letter stands between two stars, as in 2 *3* 4."""
    for token in tokens:
        content: str | None = None
        for child in token.children or []:
            if child.type == "em_open" and child.markup == "*":
                content = ""
            elif child.type == "em_close" and content is not None:
                if not any(sign.isalpha() for sign in content):
                    return True
                content = None
            elif content is not None:
                content += child.content
    return False


def without_invisible(text: str) -> str:
    """Return a text without the characters that cannot be seen, and without space around it."""
    if text.isascii():  # most are, and this is many times as fast
        return text.encode().translate(None, ASCII_CONTROLS).decode().strip()
    return INVISIBLE.sub("", text).strip()
