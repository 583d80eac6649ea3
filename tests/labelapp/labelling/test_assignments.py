"""Assigning: who gets which prompt next, and what comes back."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labelapp.importing.importer import import_lines
from labelapp.labelling import assignments, queue
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member, Project, Prompt, Role
from tests.conftest import AddPrompt, AddRanking, join
from tests.labelapp.labelling.acting import ABCD, expire, rank_next, skip, submit, task
from tests.labelapp.parallel import in_parallel
from training.formats.ranking_file import FileResponse, Line


def place(member: Member) -> tuple[int | None, int | None]:
    member.refresh_from_db()
    return member.queue_priority, member.queue_prompt


# A place in the queue


def test_a_labellers_place_moves_down_the_queue(add_prompt: AddPrompt, ann: Member) -> None:
    prompts = [add_prompt(f"{i}?", priority=priority) for i, priority in enumerate([2, 2, 1, 0])]
    for prompt in prompts:
        assert rank_next(ann) == prompt
        assert place(ann) == (prompt.priority, prompt.pk)
    assert assignments.current_assignment(ann) is None


def test_a_labeller_goes_on_at_their_place(add_prompt: AddPrompt, ann: Member) -> None:
    passed = add_prompt("Passed?")
    here, further = add_prompt("Here?"), add_prompt("Further?")
    Member.objects.filter(pk=ann.pk).update(queue_priority=0, queue_prompt=here.pk)
    assert rank_next(ann) == further
    # It was passed while another's claim hid it: found when there is nothing else.
    assert {rank_next(ann), rank_next(ann)} == {passed, here}


def test_two_labellers_have_places_of_their_own(
    add_prompt: AddPrompt, ann: Member, bob: Member
) -> None:
    prompts = [add_prompt(f"{i}?", wanted=2) for i in range(3)]
    assert [rank_next(ann) for _ in prompts] == prompts
    assert [rank_next(bob) for _ in prompts] == prompts


def test_a_claim_makes_the_same_queries_however_much_is_done(
    add_prompt: AddPrompt, ann: Member, bob: Member
) -> None:
    counts = []
    for i in range(12):
        add_prompt(f"{i}?", wanted=2)
        rank_next(bob)
        if i in (1, 11):
            with CaptureQueriesContext(connection) as queries:
                rank_next(ann)
            counts.append(len(queries))
        elif i > 1:
            rank_next(ann)
    assert counts[0] == counts[1]


# What comes back


def test_an_expired_prompt_is_found_by_somebody_far_down_the_queue(
    add_prompt: AddPrompt, ann: Member, bob: Member
) -> None:
    first = add_prompt("First?")
    held = task(bob)
    rest = [add_prompt(f"{i}?") for i in range(3)]
    assert rank_next(ann) == rest[0]
    expire(held)
    assert rank_next(ann) == first
    assert rank_next(ann) == rest[1]  # and their own place was not lost


def test_a_skipped_prompt_is_found_by_somebody_far_down_the_queue(
    add_prompt: AddPrompt, ann: Member, bob: Member
) -> None:
    first = add_prompt("First?")
    held = task(bob)
    rest = [add_prompt(f"{i}?") for i in range(3)]
    assert rank_next(ann) == rest[0]
    skip(assignment=held, reason="other")
    assert rank_next(ann) == first


def test_a_prompt_that_came_back_waits_behind_what_is_more_urgent(
    add_prompt: AddPrompt, ann: Member, bob: Member
) -> None:
    calm = add_prompt("Calm?", priority=0)
    skip(assignment=task(bob), reason="other")
    urgent = add_prompt("Urgent?", priority=5)
    assert rank_next(ann) == urgent
    assert rank_next(ann) == calm


def test_a_prompt_made_more_urgent_is_found_by_somebody_past_it(
    add_prompt: AddPrompt, ann: Member
) -> None:
    for i in range(3):
        add_prompt(f"{i}?", priority=-i)
    rank_next(ann)
    add_prompt("Now?", priority=9, came_back=True)
    assert str(rank_next(ann)) == "Now?"


# Skipping and pausing


def test_nobody_is_given_again_what_they_skipped(
    add_prompt: AddPrompt, ann: Member, bob: Member
) -> None:
    prompt = add_prompt()
    skip(assignment=task(ann), reason="cannot judge")
    assert assignments.current_assignment(ann) is None
    assert task(bob).prompt == prompt


def test_nobody_is_given_what_they_ranked_elsewhere_though_it_came_back(
    add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member
) -> None:
    prompt = add_prompt(came_back=True)
    add_ranking(prompt, ann, [1, 2, 3, 4], origin="imported")
    assert assignments.current_assignment(ann) is None


def test_a_paused_project_gives_nothing_new_and_keeps_what_was_begun(
    project: Project, add_prompt: AddPrompt, ann: Member, bob: Member
) -> None:
    add_prompt("One?")
    add_prompt("Two?")
    begun = task(ann)
    Project.objects.update(paused=True)
    ann, bob = (Member.objects.get(pk=member.pk) for member in (ann, bob))
    assert assignments.current_assignment(bob) is None
    assert task(ann) == begun
    assert assignments.next_assignment(ann, begun) is None
    submit(assignment=begun, entered=RankingInput(ABCD))
    assert assignments.current_assignment(ann) is None
    Project.objects.update(paused=False)
    assert task(Member.objects.get(pk=ann.pk)) != begun


# The task after the current one


def test_the_next_one_is_assigned_ahead_and_shown_only_then(
    add_prompt: AddPrompt, ann: Member
) -> None:
    for i in range(3):
        add_prompt(f"{i}?")
    first = task(ann)
    second = assignments.next_assignment(ann, first)
    assert second is not None
    assert second.prompt_id != first.prompt_id
    assert task(ann) == first
    assert assignments.next_assignment(ann, first) == second  # asked twice, claimed once
    submit(assignment=first, entered=RankingInput(ABCD))
    assert task(ann) == second
    assert Assignment.objects.count() == 2


def test_there_is_no_next_task_where_nothing_else_waits(add_prompt: AddPrompt, ann: Member) -> None:
    add_prompt()
    assert assignments.next_assignment(ann, task(ann)) is None


def test_one_assigned_ahead_goes_to_others_when_its_lease_runs_out(
    add_prompt: AddPrompt, ann: Member, bob: Member
) -> None:
    add_prompt("One?")
    add_prompt("Two?")
    ahead = assignments.next_assignment(ann, task(ann))
    assert ahead is not None
    expire(ahead)
    assert task(bob).prompt == ahead.prompt


# At once


@pytest.mark.django_db(transaction=True)
def test_claims_at_once_get_different_prompts(project: Project, add_prompt: AddPrompt) -> None:
    people = [join(project, f"p{i}", Role.LABELLER) for i in range(4)]
    for i in range(40):
        add_prompt(f"{i}?")

    def work(member: Member) -> None:
        for _ in range(10):
            rank_next(member)

    assert in_parallel(*[lambda member=member: work(member) for member in people]) == []
    assert Assignment.objects.count() == 40
    assert set(Assignment.objects.values_list("slot", flat=True)) == {1}
    assert not Prompt.objects.waiting().exists()


@pytest.mark.django_db(transaction=True)
def test_pages_that_stay_open_while_leases_run_out_lose_no_slot(
    project: Project, add_prompt: AddPrompt
) -> None:
    people = [join(project, f"p{i}", Role.LABELLER) for i in range(4)]
    prompts = [add_prompt(f"{i}?", wanted=2) for i in range(4)]
    held = [task(member) for member in people]
    for _ in range(5):
        Assignment.objects.filter(submitted_at=None).update(
            expires_at=timezone.now() - timedelta(seconds=1)
        )
        jobs = [
            lambda member=member, mine=mine: assignments.keep_alive(member, [mine.token])
            for member, mine in zip(people, held, strict=True)
        ]
        assert in_parallel(*jobs, lambda: assignments.next_assignment(people[0], held[0])) == []
        for prompt in prompts:
            prompt.refresh_from_db()
            taken = prompt.assignments.exclude(slot=None).count()
            assert taken + prompt.rankings_needed == prompt.rankings_wanted


# New prompts


def test_new_prompts_go_to_somebody_who_is_at_less_urgent_ones(
    project: Project, add_prompt: AddPrompt, ann: Member
) -> None:
    for i in range(3):
        add_prompt(f"{i}?", priority=-5)
    rank_next(ann)
    responses = [FileResponse(str(i), f"text {i}") for i in range(4)]
    new = Line(1, [{"role": "user", "content": "New?"}], responses)
    import_lines(project, [new], report=print)
    assert str(rank_next(ann)) == "New?"
    assert str(rank_next(ann)) == "1?"


def test_postgresql_looks_each_waiting_prompt_up_and_reads_nothing_that_is_finished(
    ann: Member, on_postgresql: bool
) -> None:
    if not on_postgresql:
        pytest.skip("SQLite makes no joins of this")
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {queue.waiting(queue.AS_URGENT, limit=100)}", queue.place(ann))
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "SubPlan" in plan
    assert "Join" not in plan
