"""Read Open Assistant's messages as the objects of ranking JSONL.

A line of `*.trees.jsonl` is a conversation that branches: every message has replies, and those of
the assistant have ranks, 0 for the best. Other files hold one message per line, with the id of its
parent. A ranking is made of each message of a prompter's to which at least two replies are ranked.
https://huggingface.co/datasets/OpenAssistant/oasst1. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from training.formats.lines import Found
from training.formats.reading import Reading
from training.formats.record import Record
from training.sentences import sentence

ROLES = {"prompter": "user", "assistant": "assistant"}
ENOUGH_TO_LABEL = 4  # replies without ranks that a labeller can be shown
MOST_MESSAGES = 100_000  # of a tree; the bound keeps memory bounded


def is_tree(record: Record) -> bool:
    prompt = record.data.get("prompt")
    return (
        "message_tree_id" in record.data
        if not isinstance(prompt, Mapping)
        else ("replies" in prompt or "message_id" in prompt or "message_tree_id" in record.data)
    )


def is_message(record: Record) -> bool:
    return {"message_id", "parent_id", "role", "text"} <= record.data.keys()


def read_tree(record: Record) -> Iterator[dict[str, Any]]:
    """Yield the rankings of a tree. Raises ValueError where it is none."""
    found = False
    record.used |= {"prompt", "message_tree_id", "tree_state"}
    for ranking in rankings(record.data):
        found = True
        record.reading.fields["rank"]["replies[].rank"] += 1
        yield ranking
    if not found:
        record.reading.nothing[
            sentence("no message has two ranked replies, or four replies to label")
        ] += 1


def read_messages(records: Iterable[tuple[int, Any]], reading: Reading) -> Iterator[Found]:
    """Yield the rankings of the messages of each tree, whose messages stand together."""
    tree: dict[str, dict[str, Any]] = {}
    key, first, done = None, 0, set[int]()

    def closed() -> Iterator[Found]:
        roots = [m for m in tree.values() if not tree.get(str(m.get("parent_id")))]
        for message in tree.values():
            parent = tree.get(str(message.get("parent_id")))
            if parent is not None:
                parent["replies"].append(message)
        found = False
        for root in roots:
            try:
                for ranking in rankings({"prompt": root}):
                    found = True
                    yield first, ranking
            except ValueError as error:
                found = True
                yield first, error
        if tree and not found:
            reading.nothing[
                sentence("no message has two ranked replies, or four replies to label")
            ] += 1

    for number, data in records:
        if isinstance(data, ValueError):
            yield number, data
            continue
        record = Record(data, reading)
        if not is_message(record):
            yield (
                number,
                ValueError(sentence("is not a message with message_id, parent_id, role and text")),
            )
            continue
        for name in ("message_id", "parent_id", "role", "text", "rank", "deleted",
                     "message_tree_id", "tree_state", "synthetic", "model_name"):  # fmt: skip
            if name in record.data:
                record.read(name, name)
        record.leave()
        if data.get("message_tree_id") != key or len(tree) >= MOST_MESSAGES:
            yield from closed()
            tree, key, first = {}, data.get("message_tree_id"), number
            if hash(key) in done:
                yield (
                    number,
                    ValueError(sentence("is of a tree that began earlier: sort the file by tree")),
                )
            done.add(hash(key))
        tree[str(data["message_id"])] = {**data, "replies": []}
    yield from closed()


def rankings(tree: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield an object of ranking JSONL for each message whose replies are ranked, or can be.

    Raises ValueError where the line is not a tree.
    """
    if not isinstance(tree.get("prompt"), dict):
        raise ValueError(
            sentence("is not a message tree: an object with message_tree_id and prompt")
        )
    waiting: list[tuple[dict[str, Any], list[dict[str, str]]]] = [(tree["prompt"], [])]
    while waiting:
        message, before = waiting.pop()
        if message.get("deleted"):
            continue  # and what was said to it: nobody can read what that was about
        role, text = ROLES.get(str(message.get("role"))), message.get("text")
        if role is None or not isinstance(text, str):
            raise ValueError(sentence("has a message without text, or whose role is not known"))
        said = [*before, {"role": role, "content": text}]
        replies = message.get("replies") or []
        if not isinstance(replies, list) or not all(isinstance(r, dict) for r in replies):
            raise ValueError(sentence("has replies that are not a list of messages"))
        if role == "user" and (found := ranking(message, said, replies)) is not None:
            yield found
        waiting += [(reply, said) for reply in reversed(replies)]


def ranking(
    message: dict[str, Any], said: list[dict[str, str]], replies: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """Return the ranked replies; all replies without ranks if few have one; None if too few."""
    there = [r for r in replies if not r.get("deleted") and r.get("role") == "assistant"]
    there = [{**r, "rank": whole_rank(r.get("rank"))} for r in there]
    ranked = [r for r in there if r["rank"] is not None]
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


def whole_rank(rank: Any) -> int | None:
    """Return a rank, which pandas may have written as 1.0, or None."""
    return int(rank) if isinstance(rank, int | float) and rank == rank // 1 else None


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
