"""Find the template of a policy in texts that should be in none.

Some requests have messages, or a prompt and its responses, each a text of its own. If a client puts
its policy's template into them, their reward is that of the template's tokens. Only what stands
where a template puts it counts: what people write about templates, and HTML's <s>, are text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from training.rankings import Message
from training.serving.conversations import (
    BEGIN,
    END,
    FILLERS,
    PLAIN,
    TEMPLATES,
    NotUnderstoodError,
    is_headed,
    read_prompt,
    without_beginning,
    without_end,
)

TOKEN = re.compile(
    r"<\|[^|<>\s]{1,40}\|>|<｜[^｜<>\s]{1,40}｜>|<(?:start|end)_of_turn>|<bos>|\[gMASK\]|<<SYS>>"
)
"""Tokens that are those of a template where a text begins or ends with one."""
HEADER = re.compile(r"(?:<\|im_start\|>|<start_of_turn>)\w{1,40}\Z")
"""The header of a turn of which the text is yet to come, in templates where it ends in a word."""
HTML = {"<s>", "</s>", "<unk>"}
"""Tokens that people write, too."""
LONGEST = 120
"""Characters of a header at most."""


def read_asked(text: str) -> list[Message]:
    """Return the messages of a prompt: one of the user, unless it is in a template.

    Raises NotUnderstoodError for a template that is not known or not whole.
    """
    if sign(text) or is_plain_prompt(text) or is_headed(text):
        return read_prompt(text)
    return [{"role": "user", "content": text}]


def check_messages(messages: Sequence[Message]) -> None:
    """Raise NotUnderstoodError if the content of a message is in a template."""
    for message in messages:
        if found := sign(message["content"]):
            raise NotUnderstoodError(
                f"a message of the {message['role']} contains {found} of a chat template;"
                " send its text alone"
            )


def read_answer(text: str) -> str:
    """Return a response without the tokens that end it.

    Raises NotUnderstoodError if it begins with a template's token, or goes on after its end.
    """
    words = HTML if is_struck_out(text) else HTML - {"</s>"}
    response = without_end(text, [one for one in FILLERS if one not in words])
    if found := opening(response) or turn_after(response):
        raise NotUnderstoodError(
            f"the response contains {found} of a chat template; send its text alone"
        )
    return response


def sign(text: str) -> str:
    """Return the token which shows that a text is in a template, or ""."""
    return opening(text) or closing(text) or turn_after(text)


def opening(text: str) -> str:
    """Return the token of a template that a text begins with, or ""."""
    rest = without_beginning(text)
    before = text[: len(text) - len(rest)]
    rest = rest.lstrip()
    if rest.startswith(BEGIN):
        return BEGIN
    found = TOKEN.search(before) or TOKEN.match(rest)
    return found[0] if found else ""


def closing(text: str) -> str:
    """Return the token of a template that a text ends with, or ""."""
    text = text.rstrip()
    if text.endswith(END):
        return END
    if text.endswith("</s>"):
        return "" if is_struck_out(text) else "</s>"
    last = text[-LONGEST:]
    if found := HEADER.search(last):
        return found[0]
    return next((one[0] for one in TOKEN.finditer(last) if one.end() == len(last)), "")


def is_struck_out(text: str) -> bool:
    """Return True if </s> is HTML's, which strikes out what is between it and <s>."""
    return "<s>" in text or "<s " in text


def turn_after(text: str) -> str:
    """Return the header of a turn before which the text ends the one that it began in, or ""."""
    for template in TEMPLATES:
        if found := template.header.search(text):
            before = text[: found.start()]
            if without_end(before) != before:
                return found[0].strip()
    return ""


def is_plain_prompt(text: str) -> bool:
    """Return True for a prompt between the headers of a template of PLAIN."""
    for plain in PLAIN:
        if plain.header.match(text):
            *_, last = plain.header.finditer(text + "\n")
            return last[1] == "Assistant" and not text[last.end() :].strip()
    return False
