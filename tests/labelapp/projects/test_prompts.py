"""The lists of prompts, with their filters and orders."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labelapp.models import (
    Disagreement,
    Member,
    Origin,
    Project,
    Prompt,
)
from labelapp.projects import prompts
from labelapp.projects.prompt_filters import STATES, PromptFilter
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.labelapp.labelling.acting import skip
from tests.labelapp.projects.steering import URL, listed, rank, task

# Lists


@pytest.fixture
def mixed(add_prompt: AddPrompt, labeller: Member, manager: Member) -> None:
    """A prompt of each kind."""
    for priority, text in enumerate(["waiting", "work", "skipped", "done"]):
        add_prompt(f"{text}?", priority=priority)
    add_prompt("unqueued?", wanted=0, external_id="ticket-7")
    rank(labeller)
    skip(assignment=task(labeller), reason="broken")
    task(labeller)
    prompt = Prompt.objects.get(external_id="ticket-7")
    prompt.responses.filter(text="Paint.").update(text="I am ChatGPT.", names_itself=True)


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        ("", ["waiting?", "work?", "skipped?", "done?", "unqueued?"]),
        ("waiting", ["skipped?", "waiting?"]),  # in the order of the queue
        ("work", ["work?"]),
        ("done", ["done?"]),
        ("skipped", ["skipped?"]),
        ("unqueued", ["unqueued?"]),
        ("names", ["unqueued?"]),
    ],
)
def test_each_list_shows_its_prompts(
    project: Project, mixed: None, shown: str, found: list[str]
) -> None:
    assert listed(project, show=shown) == found


def test_a_row_says_what_was_made_and_what_is_under_way(project: Project, mixed: None) -> None:
    rows = {str(row.prompt): row for row in prompts.page(project=project).rows}
    counts = {text: (row.made, row.in_progress, row.skips) for text, row in rows.items()}
    assert counts == {
        "waiting?": (0, 0, 0),
        "work?": (0, 1, 0),
        "skipped?": (0, 0, 1),
        "done?": (1, 0, 0),
        "unqueued?": (0, 0, 0),
    }
    assert rows["unqueued?"].name_themselves == 1


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("SKY", ["Why is the sky blue?"]),
        ("naïve “quote”", ['A naïve “quote” and a "plain" one']),
        ('"plain"', ['A naïve “quote” and a "plain" one']),
        ("ticket-7", ["Why is the sky blue?"]),
        ("user", []),  # a role is no text
        ("content", []),
        ("100%", ["It is 100% sure"]),
        ("1__%", []),
        ("' OR 1=1 --", []),
    ],
)
def test_a_search_looks_into_the_messages_and_the_id(
    project: Project, add_prompt: AddPrompt, search: str, found: list[str]
) -> None:
    add_prompt("Why is the sky blue?", external_id="ticket-7")
    add_prompt('A naïve “quote” and a "plain" one')
    add_prompt("It is 100% sure")
    assert listed(project, q=search) == found


def test_a_search_looks_into_every_message(project: Project, add_prompt: AddPrompt) -> None:
    prompt = add_prompt()
    prompt.messages = [
        {"role": "user", "content": "About geese"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "Do they sing?"},
    ]
    prompt.save()
    assert listed(project, q="geese") == listed(project, q="sing") != []


@pytest.mark.parametrize("shown", ["", "waiting"])
def test_page_follows_page_and_nothing_is_left_out_or_doubled(
    project: Project, add_prompt: AddPrompt, monkeypatch: pytest.MonkeyPatch, shown: str
) -> None:
    monkeypatch.setattr(prompts, "PAGE_SIZE", 3)
    for i in range(10):
        add_prompt(f"{i}?", priority=i % 2)
    found: list[str] = []
    chosen = PromptFilter(show=shown)
    page = prompts.page(project=project, chosen=chosen)
    while page.next:
        found += [str(row.prompt) for row in page.rows]
        page = prompts.page(project=project, chosen=chosen, after=page.next)
    found += [str(row.prompt) for row in page.rows]
    in_order = range(10) if not shown else (*range(1, 10, 2), *range(0, 10, 2))
    assert found == [f"{i}?" for i in in_order]


@pytest.mark.parametrize(
    "after", ["x", "-", "1_2_3", "9" * 30, "9" * 5000, "0_9" + "9" * 30, "_", "1_x"]
)
@pytest.mark.parametrize("shown", ["", "waiting"])
def test_a_place_that_makes_no_sense_does_no_harm(
    add_prompt: AddPrompt, manager: Member, after: str, shown: str
) -> None:
    add_prompt()
    query = {"after": after, "show": shown, "q": "x\0y"}
    assert sign_in(manager).get(URL, query).status_code == 200
    assert sign_in(manager).get(URL, {"show": "nonsense"}).status_code == 200


def test_another_projects_prompts_are_not_listed(
    project: Project, mixed: None, add_prompt: AddPrompt
) -> None:
    other = Project.objects.create(name="Attic", slug="attic")
    for shown in STATES:
        assert listed(other, show=shown) == []


def test_the_page_shows_the_list_with_its_filters(mixed: None, reviewer: Member) -> None:
    html = sign_in(reviewer).get(URL, {"show": "names"}).content.decode()
    assert "unqueued?" in html
    assert "waiting?" not in html
    assert "1 response reveals its model" in html
    assert 'type="checkbox"' not in html.split("<main")[1]  # a reviewer steers nothing


def test_empty_lists_say_why(project: Project, manager: Member) -> None:
    client = sign_in(manager)
    assert "/projects/kitchen/uploads/" in client.get(URL).content.decode()
    assert "No prompts are waiting" in client.get(URL, {"show": "waiting"}).content.decode()
    html = client.get(URL, {"q": "<i>geese"}).content.decode()
    assert "matches “&lt;i&gt;geese”" in html


@pytest.mark.parametrize("size", [1, 40])
@pytest.mark.parametrize("shown", ["", "waiting", "names"])
def test_the_list_makes_the_same_queries_whatever_it_holds(
    add_prompt: AddPrompt, manager: Member, shown: str, size: int
) -> None:
    for i in range(size):
        add_prompt(f"{i}?").responses.update(names_itself=True)
    client = sign_in(manager)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(URL, {"show": shown}).status_code == 200
    assert len(queries) == 15
    assert not any("OFFSET" in query["sql"] for query in queries)


def test_a_page_further_on_in_the_queue_is_read_from_its_place(
    add_prompt: AddPrompt, manager: Member
) -> None:
    for i in range(60):
        add_prompt(f"{i}?")
    client = sign_in(manager)
    with CaptureQueriesContext(connection) as queries:
        html = client.get(URL, {"show": "waiting", "after": "0_1"}).content.decode()
    assert "Next" in html
    assert len(queries) == 16  # with how many match


# Filters that combine, and orders


@pytest.fixture
def ranked(
    project: Project, add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, bob: Member
) -> list[Prompt]:
    """Three prompts: imported rankings that differ, one ranking made here, and none."""
    differ, here, none = (
        add_prompt(f"{name}?", priority=number, wanted=number + 1)
        for number, name in enumerate(["differ", "here", "none"])
    )
    add_ranking(differ, ann, (1, 2, 3, 4), origin=Origin.IMPORTED)
    add_ranking(differ, bob, (4, 3, 2, 1), origin=Origin.IMPORTED)
    add_ranking(here, ann, (1, 2, 3, 4))
    none.responses.filter(text="Paint.").update(source="gpt")
    Disagreement.objects.create(
        prompt=differ, project=project, labellers=2, comparisons=6, against=6, share=1.0
    )
    return [differ, here, none]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"labeller": "ann"}, ["differ?", "here?"]),
        ({"labeller": "bob"}, ["differ?"]),
        ({"labeller": "ann", "ranked": "here"}, ["here?"]),
        ({"labeller": "bob", "q": "here"}, []),
        ({"ranked": "imported"}, ["differ?"]),
        ({"ranked": "none"}, ["none?"]),
        ({"ranked": "nonsense"}, ["differ?", "here?", "none?"]),
        ({"source": "gpt"}, ["none?"]),
        ({"source": "model-0", "show": "waiting"}, ["none?", "here?", "differ?"]),
        ({"disagree": "yes"}, ["differ?"]),
        ({"disagree": "open"}, ["differ?"]),
        ({"disagree": "no"}, []),
    ],
)
def test_filters_combine(
    project: Project, ranked: list[Prompt], asked: dict[str, str], found: list[str]
) -> None:
    if "labeller" in asked:
        asked = asked | {"labeller": str(project.members.get(name=asked["labeller"]).pk)}
    assert listed(project, **asked) == found


@pytest.mark.parametrize(
    ("sort", "found"),
    [
        ("prompt", ["differ?", "here?", "none?"]),
        ("-prompt", ["none?", "here?", "differ?"]),
        ("-rankings", ["differ?", "here?", "none?"]),
        ("rankings", ["none?", "here?", "differ?"]),
        ("-wanted", ["none?", "here?", "differ?"]),
        ("priority", ["differ?", "here?", "none?"]),
        ("-disagreement", ["differ?", "here?", "none?"]),
        ("-skips", ["differ?", "here?", "none?"]),
        ("progress", ["differ?", "here?", "none?"]),
    ],
)
@pytest.mark.parametrize("size", [1, 50])
def test_each_column_sorts_the_list_over_its_pages(
    project: Project, ranked: list[Prompt], monkeypatch: pytest.MonkeyPatch, sort: str,
    found: list[str], size: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(prompts, "PAGE_SIZE", size)
    chosen = PromptFilter(sort=sort)
    page = prompts.page(project=project, chosen=chosen)
    texts = [str(row.prompt) for row in page.rows]
    while page.next:
        page = prompts.page(project=project, chosen=chosen, after=page.next)
        texts += [str(row.prompt) for row in page.rows]
    assert texts == found


def test_imported_rankings_and_those_made_here_are_told_apart(
    ranked: list[Prompt], bob: Member, manager: Member
) -> None:
    html = sign_in(manager).get(URL).content.decode()
    assert "2 imported + 0 here" in html
    assert "left out" not in html
    Member.objects.filter(pk=bob.pk).update(excluded_from=timezone.now() - timedelta(days=1))
    assert "1 left out" in sign_in(manager).get(URL).content.decode()


def test_headers_sort_and_sort_the_other_way_round(ranked: list[Prompt], manager: Member) -> None:
    client = sign_in(manager)
    assert 'href="?ranked=here&amp;sort=-priority"' in (
        client.get(URL, {"ranked": "here"}).content.decode()
    )
    html = client.get(URL, {"sort": "-priority"}).content.decode()
    assert 'aria-sort="descending"><a class="sorts" href="?sort=priority"' in html


def test_all_that_match_are_changed_at_once(
    ranked: list[Prompt], add_prompt: AddPrompt, manager: Member
) -> None:
    client = sign_in(manager)
    assert "All 1 that match" in client.get(URL, {"ranked": "none"}).content.decode()
    for number in range(60):
        add_prompt(f"more {number}?")
    data = {"act": "priority", "priority": "9", "all": "1"}
    html = client.post(f"{URL}?ranked=none", data, follow=True).content.decode()
    assert "61 prompts now have priority 9." in html
    assert [prompt.priority for prompt in Prompt.objects.order_by("pk")[:3]] == [0, 1, 9]
