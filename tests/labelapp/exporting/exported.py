"""Helpers of the tests of exports, to make rankings and to read files."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from labelapp.exporting.writer import export_lines
from labelapp.importing.importer import import_lines
from labelapp.labelling import submissions
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import (
    Assignment,
    Member,
    Placement,
    Project,
    Prompt,
    Ranking,
    Response,
    hash_responses,
    hash_text,
)
from tests.labelapp.exporting.archived import numbers
from training.formats.ranking_file import BadLine, open_ranking_file
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


def archive(project: Project) -> str:
    return "".join(export_lines(project, "jsonl", all_versions=True))


def import_text(project: Project, text: str, path: Path) -> list[str]:
    """Import lines, and return the reasons of the bad ones."""
    path.write_bytes(text.encode())
    bad: list[BadLine] = []
    with open_ranking_file(str(path)) as file:
        import_lines(project, file, report=bad.append, skip_bad_lines=True)
    return [line.reason for line in bad]


def empty() -> Project:
    return Project.objects.create(name="To", slug=f"to-{next(numbers)}")


def needed(project: Project) -> list[tuple[int, int]]:
    queue = project.prompts.order_by("pk")
    return list(queue.values_list("rankings_wanted", "rankings_needed"))


def verdict(assignment: Assignment, *ranks: int, note: str = "") -> RankingInput:
    """Return a ranking of the responses in the order shown."""
    letters = submissions.letters(assignment)
    return RankingInput(dict(zip(letters, ranks, strict=True)), note=note)
