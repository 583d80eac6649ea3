"""Leases that a manager ends, people who are removed, and undone rankings: nothing is lost."""

from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member
from labelapp.projects import members, prompt_queue
from tests.conftest import AddPrompt
from tests.labelapp.labelling.acting import ABCD, expire, reopen, submit, task


def test_what_was_taken_back_is_not_got_again_by_the_page_that_still_shows_it(
    add_prompt: AddPrompt, ann: Member, bob: Member
) -> None:
    prompt, other = add_prompt("One?", priority=1), add_prompt("Two?")
    held = task(ann)
    assert prompt_queue.take_back(assignment=held)
    assignments.keep_alive(ann, [held.token])
    assert task(ann).prompt == other
    assert task(bob).prompt == prompt


def test_what_was_taken_back_counts_when_it_is_submitted_before_another_has_it(
    add_prompt: AddPrompt, ann: Member
) -> None:
    prompt = add_prompt()
    held = task(ann)
    prompt_queue.take_back(assignment=held)
    assert not submit(assignment=held, entered=RankingInput(ABCD)).surplus
    prompt.refresh_from_db()
    assert prompt.rankings_needed == 0
    reopen(held)
    assert task(ann) == held  # an undo brings it back as it does any other


def test_who_is_removed_while_they_ask_is_assigned_nothing(
    add_prompt: AddPrompt, manager: Member, ann: Member
) -> None:
    first, second = add_prompt("One?", priority=1), add_prompt("Two?")
    held = task(ann)
    members.remove(member=Member.objects.get(pk=ann.pk))
    assert assignments.current_assignment(ann) is None
    assert assignments.next_assignment(ann, held) is None
    assignments.keep_alive(ann, [held.token])
    assert not Assignment.objects.exclude(slot=None).exists()
    for prompt in (first, second):
        prompt.refresh_from_db()
        assert prompt.rankings_needed == 1


def test_who_is_removed_while_they_undo_keeps_their_ranking(
    add_prompt: AddPrompt, manager: Member, ann: Member
) -> None:
    add_prompt()
    held = task(ann)
    ranking = submit(assignment=held, entered=RankingInput(ABCD))
    members.remove(member=Member.objects.get(pk=ann.pk))
    reopen(held)
    ranking.refresh_from_db()
    assert ranking.is_current


def test_a_surplus_ranking_that_was_undone_comes_back_at_every_visit(
    add_prompt: AddPrompt, ann: Member, bob: Member
) -> None:
    add_prompt("One?", priority=1)
    add_prompt("Two?")
    late = task(ann)
    expire(late)
    submit(assignment=task(bob), entered=RankingInput(ABCD))
    assert submit(assignment=late, entered=RankingInput(ABCD)).surplus
    reopen(late)
    assert task(ann) == late
    assert submit(assignment=late, entered=RankingInput(ABCD)).is_current
    assert task(ann) != late
