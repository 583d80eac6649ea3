"""Find out whether a rendered text says what was written.

The characters that a reader sees are counted in the source and in its HTML. The HTML may lack the
signs of Markdown, the address of a link and the language of a fence; anything else that is missing,
or that is there though nobody wrote it, is a difference. So are a star around a number, which may
be a product, and characters that cannot be seen.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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


def differs(text: str, html: str, tokens: Sequence[Token], env: Mapping[str, Any]) -> bool:
    """Return True if HTML lacks something of its source, or has more than that."""
    source = visible(text)
    shown = visible(unescape(TAG.sub("", NOT_WRITTEN.sub("", html))))
    if shown - source:
        return True
    for piece in accounted(text, tokens, env):
        shown += visible(piece)
    return bool((source - shown).keys() - SYNTAX) or marks_numbers(tokens)


def visible(text: str) -> Counter[str]:
    """Return how often each character occurs that is not a space."""
    return Counter("".join(text.split()))


def accounted(text: str, tokens: Sequence[Token], env: Mapping[str, Any]) -> Iterator[str]:
    """Yield what HTML shows in another form: list numbers, addresses, languages, formulas."""
    yield from env.get("shown_formulas", [])
    for token in tokens:
        if token.type == "list_item_open" and token.info == str(int(token.info or 0)):
            yield token.info + token.markup
        elif token.type == "fence":
            yield "".join(token.info.split(maxsplit=1)[:1])
        for child in token.children or []:
            if child.type == "link_open":
                href = str(child.attrGet("href") or "")
                yield next((form for form in (href, unquote(href)) if form in text), href)


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
