"""Rows of hand-written SQL: the same instances, and the same rows, as Django's own."""

import uuid

import pytest
from django.db import IntegrityError, connection, models, transaction

from labelapp.db.sql import columns, insert, insert_few, read
from labelapp.labelling import assignments
from labelapp.models import Assignment, Member, Placement, Project, Prompt, Ranking, Response
from tests.conftest import AddPrompt, AddRanking


def values(row: models.Model) -> dict[str, object]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


@pytest.mark.parametrize("model", [Project, Member, Prompt, Response, Assignment, Ranking])
def test_what_is_read_is_what_django_reads(
    model: type[models.Model], add_prompt: AddPrompt, add_ranking: AddRanking, labeller: Member
) -> None:
    add_ranking(add_prompt("One?"), labeller, [1, 2, 2, 3])
    add_prompt("Two?")
    assignments.current_task(labeller)
    table = connection.ops.quote_name(model._meta.db_table)
    found = read(model, f"SELECT {columns(model)} FROM {table} ORDER BY id", {})  # noqa: S608 - ours
    expected = list(model._default_manager.order_by("pk"))
    assert found == expected != []
    assert [values(row) for row in found] == [values(row) for row in expected]
    found[0].save()  # one that is there already


def test_what_is_inserted_is_what_django_inserts(add_prompt: AddPrompt, labeller: Member) -> None:
    prompt = add_prompt("One?")
    made = Ranking(
        prompt=prompt,
        member=labeller,
        responses_hash="a" * 64,
        seconds=1.5,
        all_bad=True,
        note="“why”",
        key=uuid.uuid4(),
    )
    insert(made)
    assert values(Ranking.objects.get(pk=made.pk)) == values(made)
    responses = [response.pk for response in prompt.responses.order_by("pk")]
    rows = [(made.pk, response, rank) for rank, response in enumerate(responses, start=1)]
    insert_few(Placement, ("ranking", "response", "rank"), rows)
    assert made.ranks() == {response: rank for _, response, rank in rows}


def test_the_database_refuses_what_it_would_refuse_of_django(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    ranking = Ranking(prompt=add_prompt("One?"), member=labeller, responses_hash="a" * 64)
    insert(ranking)
    again = Ranking(prompt=ranking.prompt, member=labeller, responses_hash="a" * 64)
    with pytest.raises(IntegrityError), transaction.atomic():
        insert(again)
    assert again.pk is None
