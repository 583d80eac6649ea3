"""Read Argilla's records: fields with responses to a ranking, a rating or a choice.

https://docs.argilla.io/latest/how_to_guides/import_export. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from training.formats.conversation import prompt_of, response_text
from training.formats.record import Record, normal
from training.formats.response_list import list_in, read_item
from training.formats.sides import sides_in
from training.formats.values import groups_of, rank_of, text
from training.formats.verdicts import ranked, words_of
from training.sentences import sentence

ANSWERED = ("submitted", None)


def is_record(record: Record) -> bool:
    return isinstance(record.data.get("fields"), Mapping) and isinstance(
        record.data.get("responses", record.data.get("suggestions")), Mapping | list
    )


def read_record(record: Record) -> Iterator[dict[str, Any]]:
    """Yield a ranking for each person who answered. Raises ValueError."""
    fields = Record(record.read("fields", "fields"), record.reading, path="fields.")
    sides = sides_in(fields)
    key = list_in(fields)
    if len(sides) >= 2:
        responses = [
            {"id": s.key, "text": response_text(fields.read(s.key, "response"), fields, s.key)}
            for s in sides
        ]
    elif key is not None:
        items = fields.read(key, "responses")
        responses = [read_item(item, Record(item, record.reading, path=f"fields.{key}[].")
                               if isinstance(item, Mapping) else None, place, fields)
                     for place, item in enumerate(items)]  # fmt: skip
    else:
        raise ValueError(
            sentence("has no responses that are known; its fields are %(keys)s", keys=fields.keys())
        )
    prompt = prompt_of(fields)
    fields.leave()
    ids = [response["id"] for response in responses]
    answers = answers_of(record)
    record.used |= {"id", "status", "external_id"}
    found = 0
    for who, said in answers:
        ranking = ranking_of(said, ids, record, sides)
        if ranking is not None:
            found += 1
            yield {
                "prompt": prompt,
                "id": record.data.get("external_id") or record.data.get("id"),
                "responses": responses,
                "labeller": text(who),
                **ranking,
            }
    if not found and len(ids) >= 4 and not answers:
        yield {"prompt": prompt, "id": record.data.get("id"), "responses": responses}
    elif not found:
        record.reading.nothing[sentence("nobody ranked it")] += 1


def answers_of(record: Record) -> list[tuple[Any, list[Any]]]:
    """Return who answered, and the values of their answers."""
    given = record.data.get("responses")
    record.used.add("responses")
    people: dict[Any, list[Any]] = {}
    if isinstance(given, Mapping):  # version 2: the answers by question
        for question, answers in given.items():
            for answer in answers if isinstance(answers, list) else []:
                if isinstance(answer, Mapping) and answer.get("status") in ANSWERED:
                    people.setdefault(answer.get("user_id"), []).append(answer.get("value"))
                    record.reading.fields["ranking"][f"responses.{question}"] += 1
    elif isinstance(given, list):  # version 1: the questions by person
        for answer in given:
            if not isinstance(answer, Mapping) or answer.get("status") not in ANSWERED:
                continue
            for question, value in (answer.get("values") or {}).items():
                said = value.get("value") if isinstance(value, Mapping) else value
                people.setdefault(answer.get("user_id"), []).append(said)
                record.reading.fields["ranking"][f"responses.{question}"] += 1
    return list(people.items())


def ranking_of(
    said: Sequence[Any], ids: list[str], record: Record, sides: Sequence[Any]
) -> dict[str, Any] | None:
    """Return the ranking in somebody's answers: a ranking of the responses, or the better one."""
    names = {normal(id_): id_ for id_ in ids}
    for value in said:
        if isinstance(value, list) and all(
            isinstance(item, Mapping) and "rank" in item for item in value
        ):
            ranks = {names.get(normal(str(item.get("value")))): item["rank"] for item in value}
            groups, without = groups_of(ids, [rank_of(ranks.get(id_)) for id_ in ids])
            if groups:
                return ranked(groups, without, record.reading)
        if isinstance(value, str) and len(ids) == 2 and len(sides) == 2:
            best = words_of(value, sides, [])
            if best == "tie":
                return {"ranking": [ids]}
            if best in ids:
                return {"ranking": [[best], [id_ for id_ in ids if id_ != best]]}
    return None
