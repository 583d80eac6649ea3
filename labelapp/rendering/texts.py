"""Render the texts of a page within the limits of a page.

A text with too much Markdown is shown as it was written, so that no response keeps a page busy.
Code is highlighted in all texts of a page or in none: colours must not make one response look
better than another. What was rendered is kept in memory by the hash of its text.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from threading import Lock

from django.utils.html import format_html
from django.utils.safestring import SafeString

from labelapp.rendering import code, markdown
from labelapp.rendering.fidelity import Difference, has_invisible

MAX_MARKDOWN = 200_000  # characters of one text
MAX_MARKUP = 20_000  # of one text: lines, and signs that Markdown looks at
MAX_PAGE_MARKUP = 60_000  # of the texts of a page together
MAX_CELLS = 100_000
MAX_KEPT = 20_000_000  # characters of HTML that a process keeps

MARKUP = re.compile(r"[\n\\\[\]*_`~<>|$!]")


class Remark(StrEnum):
    """A note to the reader about how a text is shown."""

    NONE = ""
    FORMATTING = "formatting"  # characters are shown as formatting, or not at all
    INVISIBLE = "invisible"  # the text has invisible characters
    PLAIN = "plain"  # too long or too complex to format without loss


@dataclass(frozen=True)
class RenderedText:
    html: SafeString
    remark: Remark


class Kept:
    """A cache of the rendered texts that were used last, up to a number of characters."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self.texts: OrderedDict[tuple[bytes, bool], RenderedText] = OrderedDict()
        self.lock = Lock()  # a process serves several requests at a time

    def get(self, key: tuple[bytes, bool]) -> RenderedText | None:
        with self.lock:
            if key in self.texts:
                self.texts.move_to_end(key)
            return self.texts.get(key)

    def put(self, key: tuple[bytes, bool], rendered: RenderedText) -> None:
        with self.lock:
            if key not in self.texts:
                self.size += len(rendered.html)
                self.texts[key] = rendered
            while self.size > self.limit:
                self.size -= len(self.texts.popitem(last=False)[1].html)


KEPT = Kept(MAX_KEPT)


def render_texts(texts: Sequence[str]) -> list[RenderedText]:
    """Return the texts of a page as HTML, within the limits of a page."""
    formatted = choose_formatted(texts)
    coloured = is_highlighted([texts[index] for index in formatted])
    return [
        format_text(text, coloured) if index in formatted else show_plain(text)
        for index, text in enumerate(texts)
    ]


def render_text(text: str) -> RenderedText:
    """Return a text as HTML, within the limits of a page."""
    return render_texts([text])[0]


def render_prompt(
    messages: Iterable[Mapping[str, str]], responses: Iterable[str] = ()
) -> tuple[list[dict[str, object]], list[RenderedText]]:
    """Return the messages of a prompt with their texts rendered, and its responses rendered."""
    chat = list(messages)
    rendered = render_texts([*(message["content"] for message in chat), *responses])
    shown: list[dict[str, object]] = [
        {"role": message["role"], "text": text, "key": message_key(index)}
        for index, (message, text) in enumerate(zip(chat, rendered, strict=False))
    ]
    return shown, rendered[len(chat) :]


def message_key(index: int) -> str:
    """Return the name under which pages ask for the source of a message."""
    return f"message-{index + 1}"


def sources(messages: Iterable[Mapping[str, str]], responses: Mapping[str, str]) -> dict[str, str]:
    """Return the messages and responses of a prompt as they were written, by the keys of a page.

    As JSON they reach a page unchanged, whereas HTML would replace line ends and controls.
    """
    chat = {message_key(i): message["content"] for i, message in enumerate(messages)}
    return {**chat, **responses}


def choose_formatted(texts: Sequence[str]) -> set[int]:
    """Return the indices of the texts that are formatted: those without too much Markdown.

    The texts with the least Markdown come first, until a page has enough.
    """
    sizes = sorted((count_markup(text), index) for index, text in enumerate(texts))
    chosen = set()
    total = 0
    for size, index in sizes:
        total += size
        if size > MAX_MARKUP or total > MAX_PAGE_MARKUP:
            break
        if len(texts[index]) <= MAX_MARKDOWN and count_cells(texts[index]) <= MAX_CELLS:
            chosen.add(index)
    return chosen


def count_markup(text: str) -> int:
    """Return how many lines a text has, and how many signs that Markdown looks at."""
    return len(MARKUP.findall(text))


def count_cells(text: str) -> int:
    """Return how many cells a table may have: those of the widest line, in every line."""
    lines = text.split("\n")
    return max(line.count("|") for line in lines) * len(lines)


def is_highlighted(texts: Iterable[str]) -> bool:
    """Return True if the code of all texts together is little enough to be highlighted."""
    counts = [code.count(text) for text in texts]
    characters = sum(count[0] for count in counts)
    fences = sum(count[1] for count in counts)
    return characters <= code.MAX_CODE and fences <= code.MAX_FENCES


def format_text(text: str, coloured: bool) -> RenderedText:
    """Return Markdown as HTML, as it was kept from an earlier page or rendered now."""
    key = sha256(text.encode(errors="surrogatepass")).digest(), coloured
    rendered = KEPT.get(key)
    if rendered is None:
        rendered = format_now(text, coloured)
        KEPT.put(key, rendered)
    return rendered


def format_now(text: str, coloured: bool) -> RenderedText:
    """Return Markdown as HTML, or as it was written if letters or digits would get lost."""
    html, difference = markdown.render(text, coloured=coloured)
    if difference is Difference.TEXT:
        return show_plain(text)
    if has_invisible(text):
        return RenderedText(html, Remark.INVISIBLE)
    return RenderedText(html, Remark.FORMATTING if difference.value else Remark.NONE)


def show_plain(text: str) -> RenderedText:
    """Return a text as it was written."""
    return RenderedText(format_html('<pre class="plain">{}</pre>', text), Remark.PLAIN)
