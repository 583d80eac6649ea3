"""Helpers of the tests of exports, to make rankings and to read files."""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from labelapp.models import (
    Member,
    Placement,
    Project,
    Prompt,
    Ranking,
    Response,
    hash_responses,
    hash_text,
)
from training.rankings import prompt_hash

THREE = ("Scattering.", "Paint.", "The sea.")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONVERSATION = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Why?"},
]


def name_responses(prompt: Prompt, *ids: str) -> list[Response]:
    """Give a prompt's responses the ids of an imported file."""
    responses = list(prompt.responses.order_by("pk"))
    for response, id_ in zip(responses, ids, strict=True):
        response.external_id = id_
        response.save()
    return responses


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.split("\n") if line]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def conversation(project: Project, messages: list[dict[str, str]], *texts: str) -> Prompt:
    prompt = Prompt.objects.create(
        project=project, messages=messages, content_hash=prompt_hash(messages)
    )
    for text in texts:
        Response.objects.create(prompt=prompt, text=text, content_hash=hash_text(text))
    return prompt


def refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as error:
        call_command("export_rankings", *arguments, stdout=io.StringIO())
    return str(error.value)


def rank(prompt: Prompt, member: Member, responses: list[Response], ranks: list[int]) -> Ranking:
    """Create a ranking of some of a prompt's responses."""
    ranking = Ranking.objects.create(
        prompt=prompt,
        member=member,
        responses_hash=hash_responses(r.content_hash for r in responses),
    )
    for response, place in zip(responses, ranks, strict=True):
        Placement.objects.create(ranking=ranking, response=response, rank=place)
    return ranking
