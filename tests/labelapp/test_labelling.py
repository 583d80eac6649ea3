"""Labelling: who gets which prompt, and what is stored."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connections
from django.db.models import RestrictedError
from django.utils import timezone

from labelapp import labelling, lending
from labelapp.labelling import Verdict
from labelapp.models import Assignment, Member, Project, Prompt, Ranking, Role
from tests.conftest import AddPrompt, AddRanking, join


def task(member: Member) -> Assignment:
    assignment = lending.current_task(member)
    assert assignment is not None
    return assignment


ABCD = {"A": 1, "B": 2, "C": 3, "D": 4}


# Lending


def test_a_labeller_keeps_the_same_prompt_until_it_is_ranked(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt("One?")
    add_prompt("Two?")
    first = task(labeller)
    assert task(labeller) == first
    labelling.submit(assignment=first, verdict=Verdict(ABCD))
    assert task(labeller).prompt_id != first.prompt_id


def test_a_prompt_goes_to_as_many_labellers_as_it_wants(
    project: Project, add_prompt: AddPrompt
) -> None:
    prompt = add_prompt(wanted=2)
    people = [join(project, name, Role.LABELLER) for name in ("ann", "bob", "cem")]
    given = [lending.current_task(person) for person in people]
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
    labelling.submit(assignment=task(labeller), verdict=Verdict(ABCD))
    assert lending.current_task(labeller) is None


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
    labelling.submit(assignment=handed_on, verdict=Verdict(ABCD))
    surplus = labelling.submit(assignment=late, verdict=Verdict(ABCD))
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
    assert not labelling.submit(assignment=late, verdict=Verdict(ABCD)).surplus
    late.prompt.refresh_from_db()
    assert late.prompt.rankings_needed == 0


def test_an_expired_lease_that_nobody_took_goes_on(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    first = task(labeller)
    expire(first)
    again = task(labeller)
    assert again == first
    assert again.expires_at > timezone.now()
    assert not labelling.submit(assignment=again, verdict=Verdict(ABCD)).surplus


def test_a_labeller_whose_slot_was_taken_gets_another_prompt(
    project: Project, add_prompt: AddPrompt
) -> None:
    taken = add_prompt("One?", priority=1)
    slow, quick = (join(project, name, Role.LABELLER) for name in ("slow", "quick"))
    expire(task(slow))
    assert task(quick).prompt == taken
    assert lending.current_task(slow) is None
    other = add_prompt("Two?")
    assert task(slow).prompt == other


# Storing


def test_ranks_are_stored_for_the_responses_shown_and_gaps_close(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    prompt = add_prompt()
    assignment = task(labeller)
    ranking = labelling.submit(
        assignment=assignment, verdict=Verdict({"A": 4, "B": 2, "C": 2, "D": 1}, note="hm")
    )
    by_response = dict(ranking.placements.values_list("response_id", "rank"))
    assert [by_response[pk] for pk in assignment.order] == [3, 2, 2, 1]
    assert ranking.note == "hm"
    assert ranking.origin == "here"
    assert ranking.prompt == prompt
    assert ranking.seconds is None  # nobody has counted


def test_a_second_submit_stores_nothing(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    assignment = task(labeller)
    first = labelling.submit(assignment=assignment, verdict=Verdict(ABCD))
    assert labelling.submit(assignment=assignment, verdict=Verdict(ABCD)) == first
    assert Ranking.objects.count() == 1


def test_a_changed_second_submit_is_a_new_version(add_prompt: AddPrompt, labeller: Member) -> None:
    prompt = add_prompt()
    assignment = task(labeller)
    first = labelling.submit(assignment=assignment, verdict=Verdict(ABCD))
    second = labelling.submit(
        assignment=assignment, verdict=Verdict(dict(zip("ABCD", "4321", strict=True)))
    )
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
    ranking = labelling.submit(assignment=assignment, verdict=Verdict(dict.fromkeys("ABCD", 1)))
    assert ranking.version == 2
    assert list(prompt.rankings.filter(is_current=True)) == [ranking]


def test_a_member_who_has_worked_stays_and_a_project_goes_with_everything(
    project: Project, add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt(wanted=2)
    assignment = task(labeller)
    with pytest.raises(RestrictedError):
        labeller.delete()
    labelling.submit(assignment=assignment, verdict=Verdict(ABCD))
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
        assert in_parallel(*[lambda: lending.current_task(labeller)] * 3) == []
        assignment = Assignment.objects.get(submitted_at=None)
        labelling.submit(assignment=assignment, verdict=Verdict(ABCD))


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
            lambda assignment=assignment: labelling.submit(
                assignment=assignment, verdict=Verdict(ABCD)
            ),
            lambda: lending.current_task(labeller),
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
        while assignment := lending.current_task(person):
            twice = [
                lambda task=assignment: labelling.submit(assignment=task, verdict=Verdict(ABCD))
            ] * 2
            assert in_parallel(*twice) == []

    assert in_parallel(*[lambda person=person: work(person) for person in people]) == []
    assert [prompt.rankings.count() for prompt in prompts] == [2, 2, 2]
    assert not Ranking.objects.filter(surplus=True).exists()
    assert not Prompt.objects.waiting().exists()
