"""Changes of the queue by managers: priorities, rankings wanted, and what is taken back."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member, Project, Role, SkipReason
from labelapp.projects import prompt_queue
from tests.conftest import AddPrompt, join, sign_in
from tests.labelapp.labelling.acting import reopen, skip, submit
from tests.labelapp.parallel import in_parallel
from tests.labelapp.projects.steering import ABCD, URL, only, rank, slots, task


def test_a_higher_priority_is_ranked_first_even_by_those_who_are_past_it(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    first, second, third = (add_prompt(f"{i}?", wanted=2) for i in range(3))
    assert rank(labeller).prompt == first
    assert prompt_queue.set_priority(prompts=only(third), priority=5) == 1
    third.refresh_from_db()
    assert (third.priority, third.came_back) == (5, True)
    assert rank(labeller).prompt == third
    assert rank(labeller).prompt == second


def test_a_lower_priority_does_not_bring_a_prompt_back(add_prompt: AddPrompt) -> None:
    prompt = add_prompt(priority=3)
    prompt_queue.set_priority(prompts=only(prompt), priority=1)
    prompt.refresh_from_db()
    assert (prompt.priority, prompt.came_back) == (1, False)


def test_a_reopened_prompt_goes_to_somebody_who_has_not_had_it(
    add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    prompt, other = add_prompt("One?"), add_prompt("Two?")
    rank(labeller)
    assert rank(manager).prompt == other  # and so is past the first
    assert slots(prompt) == (1, 0, False)
    assert prompt_queue.ask_again(prompts=only(prompt)) == 1
    assert slots(prompt) == (2, 1, True)
    assert assignments.current_assignment(Member.objects.get(pk=labeller.pk)) is None
    assert rank(manager).prompt == prompt


def test_a_prompt_that_was_not_queued_can_be_asked_for(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    prompt = add_prompt(wanted=0)
    prompt_queue.ask_again(prompts=only(prompt))
    assert rank(labeller).prompt == prompt


def test_a_prompt_with_too_few_responses_is_not_asked_for(add_prompt: AddPrompt) -> None:
    prompt = add_prompt(responses=["a", "b", "c"], wanted=0)
    assert prompt_queue.ask_again(prompts=only(prompt)) == 0
    assert slots(prompt) == (0, 0, False)


def test_a_prompt_that_is_taken_out_goes_to_nobody_and_keeps_what_was_begun(
    add_prompt: AddPrompt, labeller: Member, manager: Member, reviewer: Member
) -> None:
    prompt = add_prompt(wanted=5)
    rank(labeller)
    begun = task(manager)
    assert prompt_queue.remove_from_queue(prompts=only(prompt)) == 1
    assert slots(prompt) == (2, 0, False)
    assert assignments.current_assignment(reviewer) is None
    assert not submit(assignment=begun, entered=RankingInput(ABCD)).surplus


def test_a_prompt_that_is_taken_out_waits_for_nobody_else_when_its_labeller_skips_it(
    project: Project, add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    prompt = add_prompt(wanted=3)
    begun = task(labeller)
    prompt_queue.remove_from_queue(prompts=only(prompt))
    assert slots(prompt) == (1, 0, False)
    skip(assignment=begun, reason=SkipReason.BROKEN)
    assert slots(prompt) == (0, 0, False)
    reopen(begun)
    assert slots(prompt) == (1, 0, False)  # an undo brings it back: nobody else has it
    assert task(labeller) == begun
    skip(assignment=begun, reason=SkipReason.BROKEN)
    assert prompt_queue.set_rankings_wanted(project=project, wanted=2) == 0
    assert assignments.current_assignment(manager) is None
    prompt_queue.ask_again(prompts=only(prompt))  # put back, it waits again as any other
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
    assert prompt_queue.remove_from_queue(prompts=only(prompt)) == 1
    assert prompt_queue.remove_from_queue(prompts=only(prompt)) == 0
    page = sign_in(manager).get(f"{URL}{prompt.pk}/").content.decode()
    assert "Remove from queue" not in page
    skip(assignment=begun, reason=SkipReason.BROKEN)
    assert assignments.current_assignment(manager) is None


def test_a_prompt_that_nobody_has_begun_is_no_longer_queued_when_taken_out(
    add_prompt: AddPrompt,
) -> None:
    prompt = add_prompt(wanted=3)
    prompt_queue.remove_from_queue(prompts=only(prompt))
    assert slots(prompt) == (0, 0, False)


def test_every_queued_prompt_can_want_more(
    project: Project, add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    done, waiting, unqueued = add_prompt("1?"), add_prompt("2?"), add_prompt("3?", wanted=0)
    rank(labeller)
    rank(manager)
    assert prompt_queue.set_rankings_wanted(project=project, wanted=3) == 2
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
    assert prompt_queue.set_rankings_wanted(project=project, wanted=1) == 2
    assert slots(taken)[:2] == (2, 0)
    assert slots(free)[:2] == (1, 1)
    assert (
        prompt_queue.set_rankings_wanted(project=project, wanted=1) == 0
    )  # nothing left to change


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
        prompt_queue.set_rankings_wanted(project=project, wanted=2)
    assert sum(query["sql"].startswith("UPDATE") for query in queries) == 2
    assert slots(foreign) == (1, 1, False)


def test_a_lease_that_is_taken_back_goes_to_the_next_who_asks(
    add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    prompt = add_prompt()
    held = task(labeller)
    assert prompt_queue.take_back(assignment=held)
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
    assert not prompt_queue.take_back(assignment=held)
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
            prompt_queue.set_rankings_wanted(project=project, wanted=wanted)
            prompt_queue.set_priority(
                prompts=project.prompts.filter(pk__in=[added[4].pk, added[9].pk]), priority=wanted
            )
            prompt_queue.ask_again(prompts=project.prompts.filter(pk=added[wanted].pk))
            prompt_queue.remove_from_queue(prompts=project.prompts.filter(pk=added[-wanted].pk))
            for held in Assignment.objects.filter(submitted_at=None, slot__isnull=False):
                prompt_queue.take_back(assignment=held)

    jobs = [lambda person=person: work(person) for person in people]
    assert in_parallel(*jobs, steer, steer) == []
    for prompt in project.prompts.all():
        taken = prompt.assignments.exclude(slot=None).count()
        assert prompt.rankings_wanted == prompt.rankings_needed + taken
