"""Read prompts whose responses stand in a list, with ranks, scores or an order.

Ranking JSONL itself is such a format. Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from training.formats.conversation import RESPONSE, is_message, prompt_of, response_text
from training.formats.lines import AmbiguousError
from training.formats.record import Record
from training.formats.values import (
    blank,
    groups_of,
    missing,
    number_in,
    rank_of,
    score_of,
    text,
    unfolded,
)
from training.formats.verdicts import ranked, with_best
from training.sentences import sentence

LISTS = (
    "responses", "completions", "answers", "outputs", "candidates", "generations", "replies",
    "summaries", "translations", "items", "options", "choices", "results", "responses_list",
    "model_outputs", "model_responses", "generated_responses", "response", "completion", "answer",
    "output", "generation",
)  # fmt: skip
SOURCES = (
    "generator",
    "model",
    "models",
    "sources",
    "generation_models",
    "model_names",
    "generators",
    "policies",
)
RANKS = ("ranks", "rank", "human_ranks", "rankings")
SCORES = ("scores", "ratings", "rewards", "score", "rating", "overall_scores")
ORDERS = ("ranking", "order", "preference_order", "ranked_ids", "ordering")
BEST = ("choice", "best", "preferred", "selected", "winner", "best_response", "label", "chosen")
WRITTEN = re.compile(r"\s*([>=≻~,|])\s*")  # of an order such as b > a = c


def list_in(record: Record) -> str | None:
    """Return the key of the list of responses, or of an object that names them, or None."""
    for name in LISTS:
        key = record.names.get(name)
        if key is not None and is_list_of_responses(unfolded(record.data[key])):
            return key
    return None


def is_list_of_responses(value: Any) -> bool:
    """Return True for a list, but not one of messages, and for an object of texts by name."""
    if isinstance(value, Mapping):
        return len(value) > 1 and all(isinstance(text, str) for text in value.values())
    return isinstance(value, list) and not any(map(is_message, value))


def read_list(
    record: Record, key: str, *, highest_first: bool, ranking_is: str | None
) -> dict[str, Any]:
    """Return a record as an object of ranking JSONL. Raises ValueError that says what is wrong.

    `ranking_is` says of a list of numbers whether it holds the ranks or the order.
    """
    items = unfolded(record.read(key, "responses"))
    if isinstance(items, Mapping):
        items = [{"id": name, "text": text, "source": name} for name, text in items.items()]
    inner = [Record(item, record.reading, path=f"{key}[].") if isinstance(item, Mapping) else None
             for item in items]  # fmt: skip
    sources = beside(record, "source", SOURCES, len(items))
    responses = []
    for place, (item, fields) in enumerate(zip(items, inner, strict=True)):
        response = read_item(item, fields, place, record)
        if response["source"] is None and sources is not None:
            response["source"] = text(sources[place])
        responses.append(response)
    order = order_of(record, inner, [response["id"] for response in responses],
                     highest_first=highest_first, ranking_is=ranking_is)  # fmt: skip
    for fields in inner:
        if fields is not None:
            fields.leave()
    return {"prompt": prompt_of(record), "responses": responses, **(order or {})}


def read_item(item: Any, fields: Record | None, place: int, record: Record) -> dict[str, Any]:
    """Return a response of a list."""
    if fields is None:
        if not isinstance(item, str | list):
            raise ValueError(
                sentence(
                    "has a response that is not a text: number %(place)s", place=str(place + 1)
                )
            )
        return {"id": str(place), "text": response_text(item, record, RESPONSE), "source": None}
    said = fields.take("text")
    if said is None and "tool_calls" in fields.names:
        said = {"role": "assistant", **item}
        fields.used.add(fields.names["tool_calls"])
    fields.used |= {key for name in ("role", "from") if (key := fields.names.get(name))}
    if said is None:
        raise ValueError(
            sentence(
                "has an empty response: number %(place)s; its keys are %(keys)s",
                place=str(place + 1),
                keys=fields.keys(),
            )
        )
    id_ = fields.take("id")
    return {
        "id": str(place) if id_ is None else id_,
        "text": response_text(said, record, RESPONSE),
        "source": text(fields.take("source")),
    }


def beside(record: Record, field: str, names: Sequence[str], count: int) -> list[Any] | None:
    """Return a list with one item for each response that stands beside them, or None."""
    for name in names:
        key = record.names.get(name)
        if key is None or key in record.used:
            continue
        value = unfolded(record.data[key])
        if isinstance(value, list) and len(value) == count and count:
            record.read(key, field)
            return value
    return None


def order_of(
    record: Record,
    inner: Sequence[Record | None],
    ids: list[str],
    *,
    highest_first: bool,
    ranking_is: str | None,
) -> dict[str, Any] | None:
    """Return the ranking of a record and its details, or None where it has none."""
    orders = [record.names[name] for name in ORDERS if name in record.names]
    key = next((key for key in orders if not blank(record.data[key])), None)
    if key is not None:
        found = unfolded(record.read(key, "ranking"))
        return written_order(found, ids, ranking_is, record)
    for field, names, convert in (("rank", RANKS, rank_of), ("score", SCORES, score_of)):
        values = beside(record, field, names, len(ids))
        if values is None:
            values = inside(inner, field)
        if values is None:
            continue
        places = [convert(value) for value in values]
        descending = field == "score" and highest_first
        groups, without = groups_of(ids, places, highest_first=descending)
        if not groups:
            continue
        details = ranked(groups, without, record.reading)
        if field == "score" and all(
            p is not None and p.is_integer() and 1 <= p <= 7 for p in places
        ):
            details["ratings"] = {
                id_: {"score": int(p)} for id_, p in zip(ids, places, strict=True) if p is not None
            }
        return details
    return best_of(record, inner, ids)


def inside(inner: Sequence[Record | None], field: str) -> list[Any] | None:
    """Return the values of a field in each of the responses; None where none has it."""
    fields = [one for one in inner if one is not None]
    if len(fields) < len(inner) or not any(one.key(field) for one in fields):
        return None
    values = [one.take(field) for one in fields]
    # A key that holds words in place of numbers, such as a label, is not a score.
    if any(not missing(v) and not isinstance(v, bool) and rank_like(v) is None for v in values):
        raise ValueError(
            sentence(
                "has a %(field)s that is not a number: %(values)s",
                field=field,
                values=str(values)[:80],
            )
        )
    return values


def rank_like(value: Any) -> float | None:
    try:
        return rank_of(value)
    except ValueError:
        return None


def written_order(
    found: Any, ids: list[str], ranking_is: str | None, record: Record
) -> dict[str, Any]:
    """Return an order, given as groups of ids, ids, numbers, or a text such as b > a = c."""
    if isinstance(found, str):
        found = groups_of_text(found)
    if not isinstance(found, list) or not found:
        raise ValueError(
            sentence('has a ranking that is not groups of tied ids, such as [["a"], ["b", "c"]]')
        )
    groups = [group if isinstance(group, list) else [group] for group in found]
    named = {str(text(name)).lower() for group in groups for name in group}
    letters = dict(zip("abcdefghi", ids, strict=False))
    if named <= letters.keys() and named.isdisjoint(map(str.lower, ids)):
        record.reading.notes[sentence("rankings by letter: a is the first response")] += 1
        return {"ranking": [[letters[str(name).lower()] for name in group] for group in groups]}
    if any(isinstance(group, list) for group in found):
        return {"ranking": groups}
    names = [text(item) for item in found]
    numbers = [number_in(item) for item in found]
    if None in numbers or (set(names) == set(ids) and not all(id_.isdigit() for id_ in ids)):
        return {"ranking": [[name] for name in names]}
    return numbers_order([n for n in numbers if n is not None], ids, ranking_is, record)


def groups_of_text(said: str) -> list[Any]:
    """Return the groups of an order that is written as a text: > between groups, = within one."""
    groups: list[list[str]] = [[]]
    for part in WRITTEN.split(said.strip()):
        if part in (">", "≻", ",", "|"):
            groups.append([])
        elif part not in ("=", "~"):
            groups[-1].append(part)
    return groups


def numbers_order(
    numbers: list[float], ids: list[str], ranking_is: str | None, record: Record
) -> dict[str, Any]:
    """Return the ranking that a list of numbers gives, as the ranks or as the order.

    Raises AmbiguousError where both readings are possible and differ.
    """
    as_ranks = as_order = None
    if len(numbers) == len(ids):
        as_ranks = groups_of(ids, list(numbers))[0]
    start = min(numbers, default=0)
    if set(map(text, numbers)) == set(ids):
        as_order = [[text(number)] for number in numbers]
    elif sorted(numbers) == [start + i for i in range(len(ids))] and start in (0, 1):
        as_order = [[ids[int(number - start)]] for number in numbers]
    if ranking_is == "order" or (as_ranks is None and ranking_is is None):
        as_ranks = None
    elif ranking_is == "ranks":
        as_order = None
    if as_ranks is not None and as_order is not None and as_ranks != as_order:
        raise AmbiguousError(
            sentence(
                "has a ranking [%(numbers)s] that may hold the rank of each response or the order "
                "of the responses",
                numbers=", ".join(f"{n:g}" for n in numbers),
            ),
            "Say which with --ranking-is ranks or --ranking-is order",
        )
    if (found := as_ranks or as_order) is None:
        raise ValueError(
            sentence("has a ranking that fits its responses neither as ranks nor as an order")
        )
    return {"ranking": found}


def best_of(
    record: Record, inner: Sequence[Record | None], ids: list[str]
) -> dict[str, Any] | None:
    """Return the ranking of a verdict that names the best response only, or None."""
    for name in BEST:
        key = record.names.get(name)
        if key is None or key in record.used or blank(record.data[key]):
            continue
        said = text(record.data[key])
        if said in ids:
            record.read(key, "verdict")
            return with_best(said, ids, record.reading)
    picked = [one.take("verdict", ("selected", "is_selected", "is_best", "chosen", "is_chosen"))
              if one is not None else None for one in inner]  # fmt: skip
    best = [id_ for id_, value in zip(ids, picked, strict=True) if value in (True, 1, "true")]
    if len(best) == 1 and len(ids) > 1:
        return with_best(best[0], ids, record.reading)
    return None
