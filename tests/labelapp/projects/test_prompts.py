"""The lists of prompts, the page of one, and changes of the queue by managers."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import (
    Assignment,
    Disagreement,
    Member,
    Origin,
    Project,
    Prompt,
    PromptAgreement,
    Ranking,
    Role,
    SkipReason,
    TrainingRun,
    User,
)
from labelapp.projects import prompts
from labelapp.projects.prompt_filters import STATES, PromptFilter
from tests.conftest import AddPrompt, AddRanking, join, sign_in
from tests.labelapp.labelling.acting import reopen, skip, submit
from tests.labelapp.labelling.test_submissions import in_parallel
from training.rankings import UNRANKED

URL = "/projects/kitchen/prompts/"
ABCD = dict(zip("ABCD", range(1, 5), strict=True))


def task(member: Member) -> Assignment:
    assignment = assignments.current_assignment(
        Member.objects.select_related("project").get(pk=member.pk)
    )
    assert assignment is not None
    return assignment


def rank(member: Member) -> Ranking:
    return submit(assignment=task(member), entered=RankingInput(ABCD))


def listed(project: Project, **asked: str) -> list[str]:
    page = prompts.page(project=project, chosen=PromptFilter.of(asked))
    return [str(row.prompt) for row in page.rows]


def only(prompt: Prompt) -> Any:
    return Prompt.objects.filter(pk=prompt.pk)


def slots(prompt: Prompt) -> tuple[int, int, bool]:
    """(wanted, needed, came back)"""
    prompt.refresh_from_db()
    return prompt.rankings_wanted, prompt.rankings_needed, prompt.came_back


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
    assert len(queries) == 13
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
    assert len(queries) == 14  # with how many match


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


# Steering


def test_a_higher_priority_is_ranked_first_even_by_those_who_are_past_it(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    first, second, third = (add_prompt(f"{i}?", wanted=2) for i in range(3))
    assert rank(labeller).prompt == first
    assert prompts.set_priority(prompts=only(third), priority=5) == 1
    third.refresh_from_db()
    assert (third.priority, third.came_back) == (5, True)
    assert rank(labeller).prompt == third
    assert rank(labeller).prompt == second


def test_a_lower_priority_does_not_bring_a_prompt_back(add_prompt: AddPrompt) -> None:
    prompt = add_prompt(priority=3)
    prompts.set_priority(prompts=only(prompt), priority=1)
    prompt.refresh_from_db()
    assert (prompt.priority, prompt.came_back) == (1, False)


def test_a_reopened_prompt_goes_to_somebody_who_has_not_had_it(
    add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    prompt, other = add_prompt("One?"), add_prompt("Two?")
    rank(labeller)
    assert rank(manager).prompt == other  # and so is past the first
    assert slots(prompt) == (1, 0, False)
    assert prompts.ask_again(prompts=only(prompt)) == 1
    assert slots(prompt) == (2, 1, True)
    assert assignments.current_assignment(Member.objects.get(pk=labeller.pk)) is None
    assert rank(manager).prompt == prompt


def test_a_prompt_that_was_not_queued_can_be_asked_for(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    prompt = add_prompt(wanted=0)
    prompts.ask_again(prompts=only(prompt))
    assert rank(labeller).prompt == prompt


def test_a_prompt_with_too_few_responses_is_not_asked_for(add_prompt: AddPrompt) -> None:
    prompt = add_prompt(responses=["a", "b", "c"], wanted=0)
    assert prompts.ask_again(prompts=only(prompt)) == 0
    assert slots(prompt) == (0, 0, False)


def test_a_prompt_that_is_taken_out_goes_to_nobody_and_keeps_what_was_begun(
    add_prompt: AddPrompt, labeller: Member, manager: Member, reviewer: Member
) -> None:
    prompt = add_prompt(wanted=5)
    rank(labeller)
    begun = task(manager)
    assert prompts.remove_from_queue(prompts=only(prompt)) == 1
    assert slots(prompt) == (2, 0, False)
    assert assignments.current_assignment(reviewer) is None
    assert not submit(assignment=begun, entered=RankingInput(ABCD)).surplus


def test_a_prompt_that_is_taken_out_waits_for_nobody_else_when_its_labeller_skips_it(
    project: Project, add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    prompt = add_prompt(wanted=3)
    begun = task(labeller)
    prompts.remove_from_queue(prompts=only(prompt))
    assert slots(prompt) == (1, 0, False)
    skip(assignment=begun, reason=SkipReason.BROKEN)
    assert slots(prompt) == (0, 0, False)
    reopen(begun)
    assert slots(prompt) == (1, 0, False)  # an undo brings it back: nobody else has it
    assert task(labeller) == begun
    skip(assignment=begun, reason=SkipReason.BROKEN)
    assert prompts.set_rankings_wanted(project=project, wanted=2) == 0
    assert assignments.current_assignment(manager) is None
    prompts.ask_again(prompts=only(prompt))  # put back, it waits again as any other
    begun = task(manager)
    skip(assignment=begun, reason=SkipReason.BROKEN)
    assert slots(prompt) == (1, 1, True)


def test_a_prompt_that_all_it_wants_are_at_is_taken_out_as_well(
    add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    prompt = add_prompt(wanted=1)
    begun = task(labeller)
    page = sign_in(manager).get(f"{URL}{prompt.pk}/").content.decode()
    assert "Remove from queue" in page
    assert prompts.remove_from_queue(prompts=only(prompt)) == 1
    assert prompts.remove_from_queue(prompts=only(prompt)) == 0
    page = sign_in(manager).get(f"{URL}{prompt.pk}/").content.decode()
    assert "Remove from queue" not in page
    skip(assignment=begun, reason=SkipReason.BROKEN)
    assert assignments.current_assignment(manager) is None


def test_a_prompt_that_nobody_has_begun_is_no_longer_queued_when_taken_out(
    add_prompt: AddPrompt,
) -> None:
    prompt = add_prompt(wanted=3)
    prompts.remove_from_queue(prompts=only(prompt))
    assert slots(prompt) == (0, 0, False)


def test_every_queued_prompt_can_want_more(
    project: Project, add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    done, waiting, unqueued = add_prompt("1?"), add_prompt("2?"), add_prompt("3?", wanted=0)
    rank(labeller)
    rank(manager)
    assert prompts.set_rankings_wanted(project=project, wanted=3) == 2
    assert slots(done)[:2] == slots(waiting)[:2] == (3, 2)
    assert slots(unqueued)[:2] == (0, 0)
    # Both are past these prompts, and find what came back all the same.
    assert rank(labeller).prompt == waiting
    assert rank(manager).prompt == done


def test_wanting_fewer_never_goes_below_what_is_taken(
    project: Project, add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    taken, free = add_prompt("1?", wanted=4, priority=1), add_prompt("2?", wanted=4)
    rank(labeller)
    task(manager)
    assert prompts.set_rankings_wanted(project=project, wanted=1) == 2
    assert slots(taken)[:2] == (2, 0)
    assert slots(free)[:2] == (1, 1)
    assert prompts.set_rankings_wanted(project=project, wanted=1) == 0  # nothing left to change


def test_wanting_more_is_a_fixed_number_of_statements_and_of_one_project(
    project: Project, add_prompt: AddPrompt
) -> None:
    other = Project.objects.create(name="Attic", slug="attic")
    foreign = other.prompts.create(
        messages=[], content_hash="x", rankings_wanted=1, rankings_needed=1
    )
    for i in range(30):
        add_prompt(f"{i}?")
    with CaptureQueriesContext(connection) as queries:
        prompts.set_rankings_wanted(project=project, wanted=2)
    assert sum(query["sql"].startswith("UPDATE") for query in queries) == 2
    assert slots(foreign) == (1, 1, False)


def test_a_lease_that_is_taken_back_goes_to_the_next_who_asks(
    add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    prompt = add_prompt()
    held = task(labeller)
    assert prompts.take_back(assignment=held)
    assert slots(prompt) == (1, 1, True)
    assert task(manager).prompt == prompt
    held.refresh_from_db()
    assert held.expires_at <= timezone.now()
    late = submit(assignment=held, entered=RankingInput(ABCD))
    assert late.surplus  # kept


def test_what_is_submitted_is_not_taken_back(add_prompt: AddPrompt, labeller: Member) -> None:
    prompt = add_prompt()
    held = task(labeller)
    submit(assignment=held, entered=RankingInput(ABCD))
    assert not prompts.take_back(assignment=held)
    assert slots(prompt) == (1, 0, False)


@pytest.mark.django_db(transaction=True)
def test_steering_while_people_rank_lends_no_slot_twice_and_nobody_waits_in_a_circle(
    project: Project, add_prompt: AddPrompt
) -> None:
    added = [add_prompt(f"{i}?", wanted=2) for i in range(12)]
    people = [join(project, f"p{i}", Role.LABELLER) for i in range(4)]

    def work(person: Member) -> None:
        for i in range(8):
            assignment = assignments.current_assignment(person)
            if assignment is not None and i % 4 == 3:
                skip(assignment=assignment, reason="other")
            elif assignment is not None:
                Assignment.objects.filter(pk=assignment.pk).update(expires_at=timezone.now())
                submit(assignment=assignment, entered=RankingInput(ABCD))

    def steer() -> None:
        for wanted in (3, 1, 4, 2):
            prompts.set_rankings_wanted(project=project, wanted=wanted)
            prompts.set_priority(
                prompts=project.prompts.filter(pk__in=[added[4].pk, added[9].pk]), priority=wanted
            )
            prompts.ask_again(prompts=project.prompts.filter(pk=added[wanted].pk))
            prompts.remove_from_queue(prompts=project.prompts.filter(pk=added[-wanted].pk))
            for held in Assignment.objects.filter(submitted_at=None, slot__isnull=False):
                prompts.take_back(assignment=held)

    jobs = [lambda person=person: work(person) for person in people]
    assert in_parallel(*jobs, steer, steer) == []
    for prompt in project.prompts.all():
        taken = prompt.assignments.exclude(slot=None).count()
        assert prompt.rankings_wanted == prompt.rankings_needed + taken


# Steering from the pages


def test_a_manager_sets_the_priority_of_the_chosen(add_prompt: AddPrompt, manager: Member) -> None:
    one, two, three = (add_prompt(f"{i}?") for i in range(3))
    data = {"prompt": [one.pk, three.pk], "act": "priority", "priority": "7"}
    response = sign_in(manager).post(f"{URL}?show=waiting&after=x", data, follow=True)
    assert "2 prompts now have priority 7." in response.content.decode()
    assert response.redirect_chain == [(f"{URL}?show=waiting&after=x", 302)]
    assert [p.priority for p in Prompt.objects.order_by("pk")] == [7, 0, 7]
    assert slots(two) == (1, 1, False)


def test_a_manager_reopens_and_takes_out_the_chosen(add_prompt: AddPrompt, manager: Member) -> None:
    one = add_prompt("1?")
    few = add_prompt("2?", ["a", "b"], wanted=0)
    client = sign_in(manager)
    response = client.post(URL, {"prompt": [one.pk, few.pk], "act": "again"}, follow=True)
    html = response.content.decode()
    assert "1 prompt will be ranked once more. 1 prompt cannot be ranked" in html
    assert slots(one) == (2, 2, True)
    html = client.post(URL, {"prompt": one.pk, "act": "out"}, follow=True).content.decode()
    assert "1 prompt removed from the queue" in html
    assert slots(one)[:2] == (0, 0)
    html = client.post(URL, {"prompt": one.pk, "act": "out"}, follow=True).content.decode()
    assert "Nothing to remove" in html


BAD_ACTS: dict[str, tuple[dict[str, str], str]] = {
    "nothing chosen": ({"prompt": "", "act": "again"}, "Select at least one prompt"),
    "no act": ({}, "Choose an action."),
    "an act that is none": ({"act": "burn"}, "Choose an action."),
    "no priority": ({"act": "priority"}, "Enter the priority"),
    "a priority in words": ({"act": "priority", "priority": "high"}, "Enter a whole number"),
    "a huge priority": ({"act": "priority", "priority": "9" * 20}, "Enter a whole number"),
}


@pytest.mark.parametrize(("data", "message"), BAD_ACTS.values(), ids=BAD_ACTS)
def test_a_bad_act_is_refused_in_words_and_what_was_chosen_stays(
    add_prompt: AddPrompt, manager: Member, data: dict[str, str], message: str
) -> None:
    prompt = add_prompt()
    response = sign_in(manager).post(URL, {"prompt": str(prompt.pk)} | data)
    assert response.status_code == 422
    html = response.content.decode()
    assert message in html
    assert (f'value="{prompt.pk}" checked' in html) is ("prompt" not in data)
    if "prompt" not in data:
        response = sign_in(manager).post(f"{URL}{prompt.pk}/", data)
        assert response.status_code == 422
        assert message in response.content.decode()
    assert slots(prompt) == (1, 1, False)


@pytest.mark.parametrize("pk", ["x", "-1", "9" * 40, ""])
def test_a_number_that_is_none_chooses_nothing(
    add_prompt: AddPrompt, manager: Member, pk: str
) -> None:
    add_prompt()
    assert sign_in(manager).post(URL, {"prompt": pk, "act": "again"}).status_code == 422


def test_another_projects_prompt_cannot_be_chosen(manager: Member) -> None:
    other = Project.objects.create(name="Attic", slug="attic")
    foreign = other.prompts.create(messages=[], content_hash="x")
    data = {"prompt": foreign.pk, "act": "priority", "priority": "9"}
    assert sign_in(manager).post(URL, data).status_code == 422
    assert sign_in(manager).post(f"{URL}{foreign.pk}/", data).status_code == 404
    foreign.refresh_from_db()
    assert foreign.priority == 0


def test_a_manager_sets_what_every_queued_prompt_wants(
    add_prompt: AddPrompt, manager: Member
) -> None:
    prompt = add_prompt()
    client = sign_in(manager)
    response = client.post(f"{URL}wanted/", {"wanted": "3"}, follow=True)
    assert "1 prompt changed." in response.content.decode()
    assert slots(prompt)[:2] == (3, 3)
    for bad in ("", "0", "101", "many"):
        response = client.post(f"{URL}wanted/", {"wanted": bad})
        assert response.status_code == 422
        assert "Enter a whole number from 1 to 100." in response.content.decode()
    assert client.get(f"{URL}wanted/").status_code == 405


def test_a_manager_takes_a_prompt_back(
    add_prompt: AddPrompt, manager: Member, labeller: Member
) -> None:
    prompt = add_prompt()
    held = task(labeller)
    url = f"{URL}{prompt.pk}/take-back/{held.pk}/"
    client = sign_in(manager)
    assert "Take back" in client.get(f"{URL}{prompt.pk}/").content.decode()
    assert (
        "The prompt was taken back from labeller." in client.post(url, follow=True).content.decode()
    )
    assert slots(prompt)[:2] == (1, 1)
    assert "no longer has this prompt" in client.post(url, follow=True).content.decode()
    assert client.get(url).status_code == 405
    assert client.post(f"{URL}{prompt.pk}/take-back/99999/").status_code == 404
    assert client.post(f"{URL}{prompt.pk + 1}/take-back/{held.pk}/").status_code == 404


def test_only_managers_steer(
    add_prompt: AddPrompt, labeller: Member, reviewer: Member, outsider: User
) -> None:
    prompt = add_prompt()
    held = task(labeller)
    act = {"prompt": prompt.pk, "act": "again"}
    posts = {
        URL: act,
        f"{URL}{prompt.pk}/": act,
        f"{URL}wanted/": {"wanted": "3"},
        f"{URL}{prompt.pk}/take-back/{held.pk}/": {},
    }
    for url, data in posts.items():
        assert sign_in(labeller).post(url, data).status_code == 403
        assert sign_in(reviewer).post(url, data).status_code == 403
        assert sign_in(outsider).post(url, data).status_code == 404
        assert Client().post(url, data).status_code == 302
    assert slots(prompt) == (1, 0, False)


def test_prompts_are_for_managers_and_reviewers(
    add_prompt: AddPrompt, labeller: Member, reviewer: Member, outsider: User
) -> None:
    for url in (URL, f"{URL}{add_prompt().pk}/"):
        assert sign_in(reviewer).get(url).status_code == 200
        assert sign_in(labeller).get(url).status_code == 403
        assert sign_in(outsider).get(url).status_code == 404
        assert Client().get(url).status_code == 302
        assert sign_in(reviewer).delete(url).status_code == 405


# One prompt


def test_a_prompt_is_shown_in_full(
    project: Project,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    labeller: Member,
    reviewer: Member,
    manager: Member,
) -> None:
    prompt = add_prompt(responses=["<script>x</script>", "**bold**", "c", "d"], wanted=3)
    add_ranking(prompt, labeller, [1, 2, 3, 4], is_current=False)
    add_ranking(prompt, labeller, [2, 1, 1, 3], version=2, note="Now <i>sure</i>.", seconds=75)
    held = task(manager)
    sceptic = join(project, "sceptic", Role.LABELLER)
    skip(assignment=task(sceptic), reason="unsuitable", note="Too <b>rude</b>")
    html = sign_in(reviewer).get(f"{URL}{prompt.pk}/").content.decode()
    assert "<script>x" not in html
    assert "<strong>bold</strong>" in html
    assert "model-0" in html  # reviewers see sources
    assert "Now &lt;i&gt;sure&lt;/i&gt;." in html
    assert "1\xa0min 15\xa0s" in html
    assert "version 1, no longer current" in html
    assert "This should not be shown to people" in html
    assert "Too &lt;b&gt;rude&lt;/b&gt;" in html
    assert held.member.name in html
    assert "Take back" not in html  # that is a manager's


def test_a_ranking_stands_as_lanes_of_letters(
    add_prompt: AddPrompt, add_ranking: AddRanking, labeller: Member
) -> None:
    prompt = add_prompt()
    add_ranking(prompt, labeller, [2, 1, 1, 3])
    [ranked] = prompts.history(prompt).rankings
    assert ranked.ranks == [(1, ["B", "C"]), (2, ["A"]), (3, ["D"])]


def test_unranked_responses_stand_in_a_lane_that_says_so(
    add_prompt: AddPrompt, add_ranking: AddRanking, labeller: Member, manager: Member
) -> None:
    prompt = add_prompt()
    add_ranking(prompt, labeller, [UNRANKED, 1, 2, UNRANKED])
    [ranked] = prompts.history(prompt).rankings
    assert ranked.ranks == [(1, ["B"]), (2, ["C"]), (None, ["A", "D"])]
    page = sign_in(manager).get(f"{URL}{prompt.pk}/").content.decode()
    html = page[page.index('id="rankings-title"') :]
    assert "not ranked" in html
    assert not re.search(rf"\b{UNRANKED}\b", html)


def test_the_words_that_name_the_model_are_marked(add_prompt: AddPrompt, manager: Member) -> None:
    prompt = add_prompt(responses=["I am ChatGPT <i>.", "b", "c", "d"])
    prompt.responses.filter(text__startswith="I am").update(names_itself=True)
    html = sign_in(manager).get(f"{URL}{prompt.pk}/").content.decode()
    assert "…<mark>I am ChatGPT</mark> &lt;i&gt;.…" in html


def test_a_prompt_that_has_scores_leads_to_its_review(
    project: Project, add_prompt: AddPrompt, manager: Member
) -> None:
    prompt = add_prompt()
    url = f"/projects/kitchen/reviewing/{prompt.pk}/"
    assert url not in sign_in(manager).get(f"{URL}{prompt.pk}/").content.decode()
    run = TrainingRun.objects.create(project=project, state="done", finished_at=timezone.now())
    PromptAgreement.objects.create(
        run=run, prompt=prompt, comparisons=0, against=0, disagreement=0, held_out=True
    )
    assert url in sign_in(manager).get(f"{URL}{prompt.pk}/").content.decode()


def test_a_lease_that_ran_out_says_so(
    add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    prompt = add_prompt()
    task(labeller)
    Assignment.objects.update(expires_at=timezone.now() - timedelta(minutes=5))
    html = sign_in(manager).get(f"{URL}{prompt.pk}/").content.decode()
    assert "; the next labeller gets it" in html


def test_a_prompt_that_is_not_there_is_not_found(manager: Member) -> None:
    foreign = Project.objects.create(name="Attic", slug="attic").prompts.create(
        messages=[], content_hash="x"
    )
    for pk in (foreign.pk, 99999, "9" * 30):
        assert sign_in(manager).get(f"{URL}{pk}/").status_code == 404


@pytest.mark.parametrize("people", [1, 8])
def test_a_prompts_page_makes_the_same_queries_whatever_happened_to_it(
    project: Project, add_prompt: AddPrompt, manager: Member, people: int
) -> None:
    prompt = add_prompt(wanted=30)
    for i in range(people):
        rank(join(project, f"a{i}", Role.LABELLER))
        task(join(project, f"b{i}", Role.LABELLER))
        skip(assignment=task(join(project, f"c{i}", Role.LABELLER)), reason="other")
    client = sign_in(manager)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(f"{URL}{prompt.pk}/").status_code == 200
    assert len(queries) == 13


# The overview


def test_the_overview_tells_managers_of_responses_that_name_their_model(
    add_prompt: AddPrompt, manager: Member, labeller: Member
) -> None:
    prompt = add_prompt()
    assert "show=names" not in sign_in(manager).get("/projects/kitchen/").content.decode()
    prompt.responses.filter(text="Paint.").update(names_itself=True)
    html = sign_in(manager).get("/projects/kitchen/").content.decode()
    assert "1 response reveals the model that wrote it" in html
    assert f"{URL}?show=names" in html
    assert "show=names" not in sign_in(labeller).get("/projects/kitchen/").content.decode()


def test_the_texts_of_a_prompt_come_as_they_were_written(
    add_prompt: AddPrompt, reviewer: Member
) -> None:
    prompt = add_prompt("**Why**?", ["*a*\r\n", "b", "c", "d"])
    texts = sign_in(reviewer).get(f"{URL}{prompt.pk}/texts/").json()
    assert texts.pop("message-1") == "**Why**?"
    assert texts == {str(response.pk): response.text for response in prompt.responses.all()}


def test_the_texts_of_a_prompt_are_for_reviewers(
    add_prompt: AddPrompt, labeller: Member, outsider: User, reviewer: Member
) -> None:
    prompt = add_prompt()
    assert sign_in(labeller).get(f"{URL}{prompt.pk}/texts/").status_code == 403
    assert sign_in(outsider).get(f"{URL}{prompt.pk}/texts/").status_code == 404
    assert Client().get(f"{URL}{prompt.pk}/texts/").status_code == 302
    assert sign_in(reviewer).get(f"{URL}{prompt.pk + 1}/texts/").status_code == 404
    assert sign_in(reviewer).post(f"{URL}{prompt.pk}/texts/").status_code == 405
