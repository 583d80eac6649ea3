"""Read Label Studio's exports: tasks with annotations, ranked or compared by pairs.

https://labelstud.io/guide/export and https://labelstud.io/tags/ranker. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from training.formats.conversation import prompt_of, response_text
from training.formats.record import Record
from training.formats.response_list import list_in, read_item
from training.formats.sides import sides_in
from training.formats.values import score_of, text, time_of
from training.formats.verdicts import ranked
from training.sentences import sentence

NOT_RANKED = ("_", "unranked", "pool")


def is_task(record: Record) -> bool:
    return isinstance(record.data.get("data"), Mapping) and isinstance(
        record.data.get("annotations", record.data.get("completions")), list
    )


def read_task(record: Record) -> Iterator[dict[str, Any]]:
    """Yield a ranking for each annotation of a task. Raises ValueError."""
    data = Record(record.read("data", "data"), record.reading, path="data.")
    responses = responses_of(data)
    prompt = prompt_of(data)
    data.leave()
    key = "annotations" if "annotations" in record.data else "completions"
    found = 0
    for annotation in record.read(key, "annotations"):
        if not isinstance(annotation, Mapping) or annotation.get("was_cancelled"):
            record.reading.notes[sentence("annotations that were cancelled, left out")] += 1
            continue
        by = Record(annotation, record.reading, path=f"{key}[].")
        ranking = ranking_of(by.take("result", ("result",)), [r["id"] for r in responses], record)
        if ranking is None:
            continue
        found += 1
        yield {
            "prompt": prompt,
            "id": record.data.get("id"),
            "responses": responses,
            "labeller": name_of(by.take("labeller")),
            "seconds": by.take("seconds"),
            "created_at": time_of(by.take("created_at")),
            **ranking,
        }
        by.used |= {"id", "was_cancelled"} & annotation.keys()
        by.leave()
    record.used |= {"id"}
    if not found:
        record.reading.nothing[
            sentence("no annotation has a ranking or a choice between two responses")
        ] += 1


def responses_of(data: Record) -> list[dict[str, Any]]:
    """Return the responses of a task: a list of items, or texts side by side."""
    key = list_in(data)
    if key is not None:
        items = data.read(key, "responses")
        inner = [Record(i, data.reading, path=f"data.{key}[].") if isinstance(i, Mapping) else None
                 for i in items]  # fmt: skip
        responses = []
        for place, (item, fields) in enumerate(zip(items, inner, strict=True)):
            response = read_item(item, fields, place, data)
            if fields is not None:
                title = fields.take("source", ("title",))
                response["source"] = response["source"] or title
                fields.leave()
            responses.append(response)
        return responses
    sides = sides_in(data)
    if len(sides) < 2:
        raise ValueError(
            sentence("has no responses that are known; its data has %(keys)s", keys=data.keys())
        )
    return [
        {"id": side.key, "text": response_text(data.read(side.key, "response"), data, side.key)}
        for side in sides
    ]


def name_of(who: Any) -> Any:
    """Return the name of who annotated: an e-mail address, a name, or a number."""
    if isinstance(who, Mapping):
        who = who.get("email") or who.get("username") or who.get("id")
    return text(who)


def ranking_of(results: Any, ids: list[str], record: Record) -> dict[str, Any] | None:
    """Return the ranking of an annotation's results, or None where they have none."""
    if not isinstance(results, list):
        return None
    scores: dict[str, float] = {}
    for result in results:
        value = result.get("value") if isinstance(result, Mapping) else None
        if not isinstance(value, Mapping):
            continue
        if isinstance(ranker := value.get("ranker"), Mapping):
            return ranked_buckets(ranker, ids, record)
        if "selected" in value and len(ids) == 2:
            side = str(value["selected"])
            if side in ("left", "right"):
                return {"ranking": [[ids[0]], [ids[1]]] if side == "left" else [[ids[1]], [ids[0]]]}
            return {"ranking": [ids]}
        if "rating" in value and (name := str(result.get("to_name"))) in ids:
            score = score_of(value["rating"])
            if score is not None:
                scores[name] = score
    if len(scores) == len(ids):
        record.reading.notes[sentence("ratings of responses: the higher is the better")] += 1
        places = sorted({*scores.values()}, reverse=True)
        return {"ranking": [[id_ for id_ in ids if scores[id_] == place] for place in places]}
    return None


def ranked_buckets(
    ranker: Mapping[str, Any], ids: list[str], record: Record
) -> dict[str, Any] | None:
    """Return the ranking of a Ranker: the one list in which items were put in order."""
    lists = {name: [text(i) for i in items] for name, items in ranker.items()
             if isinstance(items, list) and name not in NOT_RANKED and items}  # fmt: skip
    if len(lists) != 1:
        return None
    (order,) = lists.values()
    below = [id_ for id_ in ids if id_ not in order]
    return ranked([[id_] for id_ in order], below, record.reading)
