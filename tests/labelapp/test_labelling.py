"""Labelling: who gets which prompt, what is stored, and what is refused."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.db.models import RestrictedError
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from labelapp import labelling
from labelapp.models import Assignment, Member, Project, Prompt, Ranking, Role, User, hash_text
from tests.conftest import PASSWORD, AddPrompt, AddRanking, join, sign_in

URL = "/projects/kitchen/labelling/"


def task(member: Member) -> Assignment:
    assignment = labelling.current_assignment(member)
    assert assignment is not None
    return assignment


def post(client: Client, assignment: Assignment, ranks: dict[str, Any], **extra: Any) -> Any:
    data = {"assignment": assignment.token} | {f"rank-{k}": v for k, v in ranks.items()} | extra
    return client.post(URL, data, HTTP_HX_REQUEST="true")


ABCD = {"A": 1, "B": 2, "C": 3, "D": 4}


def stored(ranking: Ranking) -> list[int]:
    """The ranks of the responses in the order they were added."""
    return list(ranking.placements.order_by("response_id").values_list("rank", flat=True))


# Lending


def test_a_labeller_keeps_the_same_prompt_until_it_is_ranked(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt("One?")
    add_prompt("Two?")
    first = task(labeller)
    assert task(labeller) == first
    labelling.submit(assignment=first, ranks=ABCD)
    assert task(labeller).prompt_id != first.prompt_id


def test_a_prompt_goes_to_as_many_labellers_as_it_wants(
    project: Project, add_prompt: AddPrompt
) -> None:
    prompt = add_prompt(wanted=2)
    people = [join(project, name, Role.LABELLER) for name in ("ann", "bob", "cem")]
    given = [labelling.current_assignment(person) for person in people]
    assert [a and a.slot for a in given] == [1, 2, None]
    assert given[2] is None
    prompt.refresh_from_db()
    assert prompt.rankings_needed == 0


def test_urgent_prompts_come_first(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt("Later?")
    urgent = add_prompt("Now?", priority=5)
    assert task(labeller).prompt == urgent


def test_a_prompt_ranked_once_is_never_given_again(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt(wanted=3)
    labelling.submit(assignment=task(labeller), ranks=ABCD)
    assert labelling.current_assignment(labeller) is None


def test_the_order_is_shuffled_per_labeller_and_kept(
    project: Project, add_prompt: AddPrompt
) -> None:
    add_prompt(responses=[f"text {i}" for i in range(9)], wanted=4)
    people = [join(project, name, Role.LABELLER) for name in ("ann", "bob", "cem", "dee")]
    orders = [tuple(task(person).order) for person in people]
    assert len(set(orders)) > 1  # four equal shuffles of nine: once in 10^16
    assert {frozenset(order) for order in orders} == {frozenset(orders[0])}
    assert tuple(task(people[0]).order) == orders[0]


def test_of_many_responses_k_are_drawn(
    project: Project, add_prompt: AddPrompt, labeller: Member
) -> None:
    project.responses_per_ranking = 5
    project.save()
    prompt = add_prompt(responses=[f"text {i}" for i in range(12)])
    order = task(Member.objects.get(pk=labeller.pk)).order
    assert len(set(order)) == 5
    assert set(order) <= set(prompt.responses.values_list("pk", flat=True))


def expire(assignment: Assignment) -> None:
    Assignment.objects.filter(pk=assignment.pk).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    )


def test_an_expired_lease_is_handed_on_and_a_late_ranking_is_kept(
    project: Project, add_prompt: AddPrompt
) -> None:
    prompt = add_prompt()
    slow, quick = (join(project, name, Role.LABELLER) for name in ("slow", "quick"))
    late = task(slow)
    expire(late)
    handed_on = task(quick)
    assert handed_on.prompt == prompt
    labelling.submit(assignment=handed_on, ranks=ABCD)
    surplus = labelling.submit(assignment=late, ranks=ABCD)
    assert surplus.surplus
    assert Ranking.objects.filter(surplus=False).count() == 1
    prompt.refresh_from_db()
    assert prompt.rankings_needed == 0


def test_a_late_ranking_counts_while_its_slot_is_free(
    project: Project, add_prompt: AddPrompt
) -> None:
    add_prompt("Urgent?", priority=1)
    slow, quick = (join(project, name, Role.LABELLER) for name in ("slow", "quick"))
    late = task(slow)
    expire(late)
    other = add_prompt("More urgent?", priority=2)
    assert task(quick).prompt == other  # which set the first prompt free
    late.prompt.refresh_from_db()
    assert late.prompt.rankings_needed == 1
    assert not labelling.submit(assignment=late, ranks=ABCD).surplus
    late.prompt.refresh_from_db()
    assert late.prompt.rankings_needed == 0


def test_an_expired_lease_that_nobody_took_goes_on(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    first = task(labeller)
    expire(first)
    again = task(labeller)
    assert again == first
    assert again.expires_at > timezone.now()
    assert not labelling.submit(assignment=again, ranks=ABCD).surplus


def test_a_labeller_whose_slot_was_taken_gets_another_prompt(
    project: Project, add_prompt: AddPrompt
) -> None:
    taken = add_prompt("One?", priority=1)
    slow, quick = (join(project, name, Role.LABELLER) for name in ("slow", "quick"))
    expire(task(slow))
    assert task(quick).prompt == taken
    assert labelling.current_assignment(slow) is None
    other = add_prompt("Two?")
    assert task(slow).prompt == other


# Storing


def test_ranks_are_stored_for_the_responses_shown_and_gaps_close(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    prompt = add_prompt()
    assignment = task(labeller)
    ranking = labelling.submit(
        assignment=assignment, ranks={"A": 4, "B": 2, "C": 2, "D": 1}, note="hm"
    )
    by_response = dict(ranking.placements.values_list("response_id", "rank"))
    assert [by_response[pk] for pk in assignment.order] == [3, 2, 2, 1]
    assert ranking.note == "hm"
    assert ranking.origin == "here"
    assert ranking.prompt == prompt
    assert ranking.seconds is not None


def test_a_second_submit_stores_nothing(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    assignment = task(labeller)
    first = labelling.submit(assignment=assignment, ranks=ABCD)
    assert labelling.submit(assignment=assignment, ranks=ABCD) == first
    assert Ranking.objects.count() == 1


def test_a_changed_second_submit_is_a_new_version(add_prompt: AddPrompt, labeller: Member) -> None:
    prompt = add_prompt()
    assignment = task(labeller)
    first = labelling.submit(assignment=assignment, ranks=ABCD)
    second = labelling.submit(assignment=assignment, ranks=dict(zip("ABCD", "4321", strict=True)))
    first.refresh_from_db()
    assert (first.version, first.is_current) == (1, False)
    assert (second.version, second.is_current, second.surplus) == (2, True, False)
    assert [second.ranks()[pk] for pk in assignment.order] == [4, 3, 2, 1]
    prompt.refresh_from_db()
    assert prompt.rankings_needed == 0


def test_a_prompt_that_the_labeller_ranked_elsewhere_is_not_given(
    add_prompt: AddPrompt, add_ranking: AddRanking, labeller: Member
) -> None:
    add_ranking(add_prompt("Ranked elsewhere?"), labeller, [1, 2, 3, 4], origin="imported")
    other = add_prompt("Other?")
    assert task(labeller).prompt == other


def test_a_ranking_imported_meanwhile_becomes_the_older_version(
    add_prompt: AddPrompt, add_ranking: AddRanking, labeller: Member
) -> None:
    prompt = add_prompt()
    assignment = task(labeller)
    add_ranking(prompt, labeller, [1, 2, 3, 4], origin="imported")
    ranking = labelling.submit(assignment=assignment, ranks=dict.fromkeys("ABCD", 1))
    assert ranking.version == 2
    assert list(prompt.rankings.filter(is_current=True)) == [ranking]


def test_a_member_who_has_worked_stays_and_a_project_goes_with_everything(
    project: Project, add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt(wanted=2)
    assignment = task(labeller)
    with pytest.raises(RestrictedError):
        labeller.delete()
    labelling.submit(assignment=assignment, ranks=ABCD)
    with pytest.raises(RestrictedError):
        labeller.delete()
    project.delete()
    assert not Ranking.objects.exists()


def in_parallel(*jobs: Callable[[], object]) -> list[Exception]:
    """Run the jobs at the same time, each with a connection of its own; their failures."""
    failures: list[Exception] = []
    start = threading.Barrier(len(jobs))

    def run(job: Callable[[], object]) -> None:
        try:
            start.wait()
            job()
        except Exception as error:  # noqa: BLE001 - handed to the test
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


@pytest.mark.django_db(transaction=True)
def test_two_pages_opened_at_once_show_the_same_task(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    for i in range(20):
        add_prompt(f"{i}?")
    for _ in range(10):
        assert in_parallel(*[lambda: labelling.current_assignment(labeller)] * 3) == []
        assignment = Assignment.objects.get(submitted_at=None)
        labelling.submit(assignment=assignment, ranks=ABCD)


@pytest.mark.django_db(transaction=True)
def test_a_late_submit_and_a_reload_at_once_lose_nothing(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    for i in range(10):
        prompt = add_prompt(f"{i}?", wanted=2, priority=-i)
        assignment = task(labeller)
        # Its lease ran out and its slot was set free.
        expire(assignment)
        Assignment.objects.filter(pk=assignment.pk).update(slot=None)
        Prompt.objects.filter(pk=prompt.pk).update(rankings_needed=2)
        failures = in_parallel(
            lambda assignment=assignment: labelling.submit(assignment=assignment, ranks=ABCD),
            lambda: labelling.current_assignment(labeller),
        )
        assert failures == []
        assignment.refresh_from_db()
        prompt.refresh_from_db()
        assert assignment.submitted_at is not None
        assert prompt.rankings.count() == 1
        assert (assignment.slot, prompt.rankings_needed) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_simultaneous_labellers_share_a_prompts_slots(
    project: Project, add_prompt: AddPrompt
) -> None:
    prompts = [add_prompt(f"{i}?", wanted=2) for i in range(3)]
    people = [join(project, f"p{i}", Role.LABELLER) for i in range(4)]

    def work(person: Member) -> None:
        while assignment := labelling.current_assignment(person):
            twice = [lambda task=assignment: labelling.submit(assignment=task, ranks=ABCD)] * 2
            assert in_parallel(*twice) == []

    assert in_parallel(*[lambda person=person: work(person) for person in people]) == []
    assert [prompt.rankings.count() for prompt in prompts] == [2, 2, 2]
    assert not Ranking.objects.filter(surplus=True).exists()
    assert not Prompt.objects.waiting().exists()


# The page


def test_the_page_shows_every_response_and_nothing_that_tells_its_source(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    prompt = add_prompt(responses=())
    for pk in range(8_765_432, 8_765_436):  # ids that stand nowhere by chance
        text = f"text number {pk % 10}"
        prompt.responses.create(pk=pk, text=text, source="model-x", content_hash=hash_text(text))
    page = sign_in(labeller).get(URL).content.decode()
    for response in prompt.responses.all():
        assert response.text in page
        assert str(response.pk) not in page
        assert response.content_hash not in page
    assert "model-x" not in page


def test_hostile_text_is_shown_and_does_nothing(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt(
        "<script>alert(1)</script>",
        [
            "<img src=x onerror=alert(1)>",
            "[click](javascript:alert(1))",
            "![pixel](https://tracker.example/x.png)",
            "```html\n<b onclick=alert(1)>x</b>\n```",
        ],
    )
    page = sign_in(labeller).get(URL).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    assert "<img src=x" not in page
    assert 'href="javascript' not in page
    assert '<img src="https://tracker' not in page
    assert "<b onclick" not in page


def test_a_ranking_brings_the_next_prompt_in_one_answer(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt("First question?", priority=1)
    add_prompt("Second question?")
    client = sign_in(labeller)
    response = post(client, task(labeller), ABCD)
    assert response.status_code == 200
    assert "Second question?" in response.content.decode()
    assert "<html" not in response.content.decode()
    assert Ranking.objects.count() == 1


def test_without_javascript_a_ranking_redirects_to_the_next(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    data = {"assignment": task(labeller).token} | {f"rank-{k}": v for k, v in ABCD.items()}
    response = sign_in(labeller).post(URL, data)
    assert response.status_code == 302
    assert response["Location"] == URL
    assert Ranking.objects.count() == 1


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a response without a rank": ({"A": 1, "B": 2, "C": 3}, "D has no rank yet."),
    "nothing ranked": ({}, "A has no rank yet."),
    "a stranger": (ABCD | {"E": 1}, "names a response that is not part of this task"),
    "a rank past K": (ABCD | {"D": 5}, "The rank of D must be from 1 to 4."),
    "a rank of zero": (ABCD | {"D": 0}, "The rank of D must be from 1 to 4."),
    "a rank that is no number": (ABCD | {"D": "best"}, "The rank of D must be from 1 to 4."),
}


@pytest.mark.parametrize(("ranks", "message"), REFUSED.values(), ids=REFUSED)
def test_a_bad_post_is_refused_and_what_was_entered_stays(
    add_prompt: AddPrompt, labeller: Member, ranks: dict[str, Any], message: str
) -> None:
    add_prompt()
    client = sign_in(labeller)
    assignment = task(labeller)
    response = post(client, assignment, ranks, note="my note")
    assert response.status_code == 422
    page = response.content.decode()
    assert message in page
    assert "my note" in page
    assert not Ranking.objects.exists()
    if "A" in ranks:
        assignment.refresh_from_db()
        assert assignment.draft["ranks"]["A"] == 1
        again = client.get(URL).content.decode()
        for html in (page, again):
            chosen = [tag for tag in html.split("<input") if "checked" in tag.split(">")[0]]
            assert any('name="rank-A"' in tag and 'value="1"' in tag for tag in chosen)


def post_draft(client: Client, assignment: Assignment, data: dict[str, Any]) -> int:
    data = {"assignment": assignment.token} | data
    return client.post(f"{URL}draft/", data, HTTP_HX_REQUEST="true").status_code


def test_what_is_entered_is_kept_as_it_is_entered(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    client = sign_in(labeller)
    assignment = task(labeller)
    data = {"rank-A": "2", "rank-B": "9", "rank-Z": "1", "note": "hm\0m"}
    assert post_draft(client, assignment, data) == 204
    page = client.get(URL).content.decode()
    [chosen] = [tag for tag in page.split("<input") if "checked" in tag.split(">")[0]]
    assert 'name="rank-A"' in chosen
    assert 'value="2"' in chosen
    assert ">hmm</textarea>" in page


def test_a_draft_that_comes_after_the_submit_changes_nothing(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    assignment = task(labeller)
    labelling.submit(assignment=assignment, ranks=ABCD)
    assert post_draft(sign_in(labeller), assignment, {"rank-A": "4"}) == 204
    assignment.refresh_from_db()
    assert assignment.draft == {}
    assert Ranking.objects.count() == 1


def test_a_draft_is_kept_for_its_labeller_alone(
    add_prompt: AddPrompt, labeller: Member, manager: Member, outsider: User
) -> None:
    add_prompt(wanted=2)
    assignment = task(labeller)
    assert post_draft(sign_in(manager), assignment, {"rank-A": "4"}) == 403
    assert post_draft(sign_in(outsider), assignment, {"rank-A": "4"}) == 404
    assert sign_in(labeller).get(f"{URL}draft/").status_code == 405
    assignment.refresh_from_db()
    assert assignment.draft == {}


def test_ties_are_refused_where_the_project_allows_none(
    project: Project, add_prompt: AddPrompt, labeller: Member
) -> None:
    project.ties_allowed = False
    project.save()
    add_prompt()
    response = post(sign_in(labeller), task(labeller), ABCD | {"B": 1})
    assert response.status_code == 422
    assert "A and B share rank 1." in response.content.decode()
    assert not Ranking.objects.exists()


def test_somebody_elses_task_is_refused(
    add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    add_prompt(wanted=2)
    response = post(sign_in(manager), task(labeller), ABCD)
    assert response.status_code == 403
    assert "lent to somebody else" in response.content.decode()
    assert not Ranking.objects.exists()


@pytest.mark.parametrize("token", ["", "nonsense", str(uuid.uuid4())])
def test_a_task_that_is_not_there_is_refused(
    add_prompt: AddPrompt, labeller: Member, token: str
) -> None:
    add_prompt()
    response = sign_in(labeller).post(URL, {"assignment": token}, HTTP_HX_REQUEST="true")
    assert response.status_code == 404
    assert "no longer here" in response.content.decode()


def test_a_task_of_another_project_is_refused(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    other = Project.objects.create(name="Attic", slug="attic")
    Member.objects.create(project=other, user=labeller.user, name="labeller")
    data = {"assignment": task(labeller).token} | {f"rank-{k}": v for k, v in ABCD.items()}
    assert sign_in(labeller).post("/projects/attic/labelling/", data).status_code == 404
    assert not Ranking.objects.exists()


def test_the_page_says_so_when_nothing_waits(labeller: Member) -> None:
    response = sign_in(labeller).get(URL)
    assert response.status_code == 200
    assert "<form" not in response.content.decode().split("<main")[1].split("</main")[0]


def test_only_members_rank(add_prompt: AddPrompt, outsider: User) -> None:
    add_prompt()
    assert sign_in(outsider).get(URL).status_code == 404
    assert Client().get(URL).status_code == 302
    assert not Assignment.objects.exists()


def test_a_superuser_is_told_to_join_first(project: Project) -> None:
    root = User.objects.create_superuser("root", password=PASSWORD)
    assert sign_in(root).get(URL).status_code == 403


def test_other_methods_are_refused(labeller: Member) -> None:
    assert sign_in(labeller).delete(URL).status_code == 405


def test_a_forged_form_is_refused(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    client = Client(enforce_csrf_checks=True)
    assert labeller.user is not None
    client.force_login(labeller.user)
    assert client.post(URL, {"assignment": task(labeller).token}).status_code == 403


@pytest.mark.parametrize("prompts", [1, 30])
def test_the_page_makes_the_same_queries_whatever_the_project_holds(
    add_prompt: AddPrompt, labeller: Member, prompts: int
) -> None:
    for i in range(prompts):
        add_prompt(f"{i}?", responses=[f"text {j}" for j in range(9)])
    task(labeller)
    client = sign_in(labeller)
    with CaptureQueriesContext(connection) as queries:
        client.get(reverse("labelling", args=["kitchen"]))
    selects = [q["sql"] for q in queries if q["sql"].startswith(("SELECT", "UPDATE", "INSERT"))]
    assert len(selects) == 7
