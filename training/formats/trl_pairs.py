"""Read TRL's preference pairs as the objects of ranking JSONL: rankings of two.

https://huggingface.co/docs/trl/dataset_formats#preference
Pairs are texts or conversations, with an explicit prompt or one that chosen and rejected share.
Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from training.formats.lines import Found

SPEAKERS = {"Human": "user", "Assistant": "assistant"}  # of Anthropic's transcripts
TURN = re.compile(r"\n\n(Human|Assistant):")


def read_pairs(lines: Iterable[Found]) -> Iterator[Found]:
    """Yield each pair as a ranking of two."""
    for number, line in lines:
        yield number, line if isinstance(line, ValueError) else pair(line)


def pair(line: Any) -> Any:
    """Return a pair as an object of ranking JSONL, or a ValueError that says what is wrong."""
    try:
        if not isinstance(line, dict):
            raise ValueError("is not a JSON object with chosen and rejected")
        prompt, chosen, rejected = split(line)
    except ValueError as error:
        return error
    return {
        "prompt": prompt,
        "responses": [{"id": "chosen", "text": chosen}, {"id": "rejected", "text": rejected}],
        "ranking": [["chosen"], ["rejected"]],
        "labeller": line.get("labeller"),
    }


def split(line: dict[str, Any]) -> tuple[Any, str, str]:
    """Return the prompt, the chosen and the rejected response of a pair."""
    prompt, chosen, rejected = (line.get(key) for key in ("prompt", "chosen", "rejected"))
    if isinstance(chosen, str) and isinstance(rejected, str):
        if prompt is not None:
            return prompt, chosen, rejected
        return split_texts(chosen, rejected)
    if isinstance(chosen, list) and isinstance(rejected, list):
        return split_conversations(prompt, chosen, rejected)
    raise ValueError("has no chosen and rejected: two texts, or two lists of messages")


def split_texts(chosen: str, rejected: str) -> tuple[Any, str, str]:
    """Split two texts that begin with the same prompt: transcripts, or any other texts."""
    if TURN.match(chosen) and TURN.match(rejected):
        prompt, *texts = split_conversations(None, transcript(chosen), transcript(rejected))
        return prompt, texts[0], texts[1]
    length = 0
    for one, other in zip(chosen, rejected, strict=False):
        if one != other:
            break
        length += 1
    # No word is cut in two: the responses begin with the word in which they differ.
    shared = re.match(r"(?s).*\s", chosen[:length])
    if shared is None or not shared[0].strip():
        raise ValueError("has no prompt, and chosen and rejected do not begin with the same one")
    length = shared.end()
    return chosen[:length].rstrip(), chosen[length:], rejected[length:]


def transcript(text: str) -> list[dict[str, str]]:
    """Return Anthropic's transcript, "\\n\\nHuman: ...\\n\\nAssistant: ...", as messages."""
    _, *parts = TURN.split(text)
    return [
        {"role": SPEAKERS[who], "content": said.strip()}
        for who, said in zip(parts[::2], parts[1::2], strict=True)
    ]


def split_conversations(
    prompt: Any, chosen: list[Any], rejected: list[Any]
) -> tuple[Any, str, str]:
    """Split two lists of messages, which may begin with the prompt."""
    length = 0
    for one, other in zip(chosen[:-1], rejected[:-1], strict=False):
        if one != other:
            break
        length += 1
    shared = chosen[:length]
    asked = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt or []
    if not isinstance(asked, list):
        raise ValueError("has a prompt that is neither a text nor a list of messages")
    # An explicit prompt may stand at the beginning of both as well.
    there = asked in (shared[: len(asked)], shared[-len(asked) :] if asked else [])
    whole = shared if there else asked + shared
    return whole, last(chosen[length:], "chosen"), last(rejected[length:], "rejected")


def last(messages: list[Any], key: str) -> str:
    """Return the single message of the assistant that is the response."""
    if len(messages) != 1 or not isinstance(messages[0], dict):
        raise ValueError(
            f"has a {key} of {len(messages)} messages beyond what both share; a response is one"
        )
    role, content = messages[0].get("role"), messages[0].get("content")
    if role != "assistant" or not isinstance(content, str):
        raise ValueError(f"has a {key} that does not end with a message of the assistant")
    return content
