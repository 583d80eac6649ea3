"""The orders of the list of prompts, also over several pages."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from django.utils.datastructures import MultiValueDict

from labelapp.models import Assignment, Disagreement, Member, Project
from labelapp.projects import prompt_orders, prompts
from labelapp.projects.prompt_filters import PromptFilter, matching
from tests.conftest import AddPrompt, sign_in
from tests.labelapp.projects.steering import URL


def paged(
    project: Project, monkeypatch: pytest.MonkeyPatch, sort: str, columns: str = ""
) -> list[str]:
    """Return the texts of the prompts, read in pages of one, two and three, which must agree."""
    chosen = PromptFilter.of(MultiValueDict({"sort": [sort], "columns": [columns]}))
    assert chosen.sort == sort
    found = []
    for size in (1, 2, 3):
        monkeypatch.setattr(prompts, "PAGE_SIZE", size)
        shown, after = [], ""
        while True:
            page = prompts.page(project=project, chosen=chosen, after=after)
            shown += [str(row.prompt) for row in page.rows]
            if not (after := page.next):
                break
        found.append(shown)
    assert found[0] == found[1] == found[2]
    return found[0]


def test_prompts_are_sorted_by_metadata_and_those_without_come_last(
    add_prompt: AddPrompt, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"a": "pear", "b": None, "c": "apple", "d": 10, "e": 9.5, "f": "pear"}
    for text, value in values.items():
        add_prompt(text, metadata={'the "key"': value})
    add_prompt("g")
    order = 'metadata:the "key"'
    assert paged(project, monkeypatch, order, 'the "key"') in (
        ["e", "d", "c", "a", "f", "b", "g"],  # numbers, then texts
        ["c", "a", "f", "e", "d", "b", "g"],  # as PostgreSQL has them
    )
    backwards = paged(project, monkeypatch, f"-{order}", 'the "key"')
    assert backwards in (
        ["a", "f", "c", "d", "e", "b", "g"],
        ["d", "e", "a", "f", "c", "b", "g"],
    )


def test_prompts_are_sorted_by_disagreement_skips_and_what_is_in_progress(
    add_prompt: AddPrompt, project: Project, labeller: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [add_prompt(text) for text in "abcde"]
    for prompt, share in zip(made[1:], (0.5, 0, 0.5, 1), strict=True):
        Disagreement.objects.create(
            prompt=prompt, project=project, labellers=2, comparisons=2, against=0, share=share
        )
    assert paged(project, monkeypatch, "-disagreement") == ["e", "b", "d", "c", "a"]
    assert paged(project, monkeypatch, "disagreement") == ["c", "b", "d", "e", "a"]
    now = timezone.now()
    for prompt in made[2:4]:
        Assignment.objects.create(
            prompt=prompt,
            member=labeller,
            order=[],
            expires_at=now + timedelta(hours=1),
            skipped_at=now,
            skip_reason="other",
        )
    assert paged(project, monkeypatch, "-skips") == ["c", "d", "a", "b", "e"]
    assert paged(project, monkeypatch, "skips") == ["a", "b", "e", "c", "d"]
    Assignment.objects.create(
        prompt=made[4], member=labeller, order=[], slot=1, expires_at=now + timedelta(hours=1)
    )
    assert paged(project, monkeypatch, "-progress") == ["e", "a", "b", "c", "d"]
    assert paged(project, monkeypatch, "progress") == ["a", "b", "c", "d", "e"]


def test_the_columns_sort_and_show_the_share_of_disagreement(
    add_prompt: AddPrompt, project: Project, manager: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = add_prompt("a", metadata={"topic": "pear"})
    Disagreement.objects.create(
        prompt=prompt, project=project, labellers=2, comparisons=2, against=1, share=0.5
    )
    client = sign_in(manager)
    html = client.get(f"{URL}?columns=topic").content.decode()
    assert "sort=-disagreement" in html
    assert "50.0\u202f%" in html
    assert "sort=metadata%3Atopic" in html
    monkeypatch.setattr(prompt_orders, "MOST_BY_METADATA", 0)
    assert "sort=metadata" not in client.get(f"{URL}?columns=topic").content.decode()


def test_a_key_that_is_no_column_does_not_sort() -> None:
    query = MultiValueDict({"sort": ["metadata:other"], "columns": ["topic"]})
    assert PromptFilter.of(query).sort == ""


@pytest.mark.parametrize(
    ("sort", "indexes"),
    [
        ("-wanted", ["prompt_list"]),
        ("priority", ["prompt_list"]),
        ("-rankings", ["ranking_of_prompt"]),
    ],
)
def test_large_projects_are_sorted_by_an_index_alone(
    project: Project, sort: str, indexes: list[str]
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL reads small tables whole")
    chosen = PromptFilter(sort=sort)
    [part] = prompt_orders.ranges_after(matching(project, chosen), chosen, "", project)
    plan = part.values_list("pk", "key").explain()
    assert all(f"USING COVERING INDEX {index}" in plan for index in indexes), plan
