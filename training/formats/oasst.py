"""Read Open Assistant's message trees as the objects of ranking JSONL.

A line of `*.trees.jsonl` is a conversation that branches: every message has replies, and those of
the assistant have ranks, 0 for the best. A ranking is made of each message of a prompter's to which
at least two replies are ranked. https://huggingface.co/datasets/OpenAssistant/oasst1
Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from training.formats.lines import Found

ROLES = {"prompter": "user", "assistant": "assistant"}
ENOUGH_TO_LABEL = 4  # replies without ranks that a labeller can be shown


def read_trees(lines: Iterable[Found]) -> Iterator[Found]:
    """Yield the rankings of each tree, with the number of its line."""
    for number, line in lines:
        if isinstance(line, ValueError):
            yield number, line
            continue
        try:
            yield from [(number, ranking) for ranking in rankings(line)]
        except ValueError as error:
            yield number, error


def rankings(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield an object of ranking JSONL for each message whose replies are ranked, or can be.

    Raises ValueError where the line is not a tree.
    """
    if not isinstance(tree, dict) or not isinstance(tree.get("prompt"), dict):
        raise ValueError("is not a message tree: an object with message_tree_id and prompt")
    waiting: list[tuple[dict[str, Any], list[dict[str, str]]]] = [(tree["prompt"], [])]
    while waiting:
        message, before = waiting.pop()
        if message.get("deleted"):
            continue  # and what was said to it: nobody can read what that was about
        role, text = ROLES.get(str(message.get("role"))), message.get("text")
        if role is None or not isinstance(text, str):
            raise ValueError("has a message without text, or whose role is not known")
        said = [*before, {"role": role, "content": text}]
        replies = message.get("replies") or []
        if not isinstance(replies, list) or not all(isinstance(r, dict) for r in replies):
            raise ValueError("has replies that are not a list of messages")
        if role == "user" and (found := ranking(message, said, replies)) is not None:
            yield found
        waiting += [(reply, said) for reply in reversed(replies)]


def ranking(
    message: dict[str, Any], said: list[dict[str, str]], replies: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """Return the ranked replies; all replies without ranks if few have one; None if too few."""
    there = [r for r in replies if not r.get("deleted") and r.get("role") == "assistant"]
    ranked = [r for r in there if isinstance(r.get("rank"), int)]
    ranked = without_repetitions(sorted(ranked, key=lambda r: int(r["rank"])))
    found = {"prompt": said, "id": message.get("message_id")}
    if len(ranked) >= 2:
        ranks = sorted({reply["rank"] for reply in ranked})
        groups = [[r.get("message_id") for r in ranked if r["rank"] == rank] for rank in ranks]
        return found | {"responses": [response(r) for r in ranked], "ranking": groups}
    there = without_repetitions(there)
    if len(there) >= ENOUGH_TO_LABEL:
        return found | {"responses": [response(reply) for reply in there]}
    return None


def without_repetitions(replies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the replies but those with the text of an earlier one."""
    first: dict[str, dict[str, Any]] = {}
    for reply in replies:
        first.setdefault(str(reply.get("text")), reply)
    return list(first.values())


def response(reply: dict[str, Any]) -> dict[str, Any]:
    """Return a reply as a response, with the model that wrote it as its source."""
    source = (reply.get("model_name") or "synthetic") if reply.get("synthetic") else None
    return {"id": reply.get("message_id"), "text": reply.get("text"), "source": source}
