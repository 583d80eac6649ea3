"""Skipping and undoing, and what happens at the same moment."""

import uuid

import pytest

from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member, Project, Prompt, Ranking, Role
from tests.conftest import AddPrompt, join
from tests.labelapp.labelling.acting import (
    ABCD,
    DCBA,
    expire,
    ranked,
    reopen,
    save_draft,
    skip,
    submit,
    task,
)
from tests.labelapp.parallel import in_parallel

# Skipping


def test_a_skipped_task_goes_to_others_and_says_why(
    project: Project, add_prompt: AddPrompt, labeller: Member
) -> None:
    prompt = add_prompt()
    assignment = task(labeller)
    skip(assignment=assignment, reason="broken", note="No text.")
    assignment.refresh_from_db()
    prompt.refresh_from_db()
    assert assignment.skipped_at is not None
    assert (assignment.skip_reason, assignment.skip_note) == ("broken", "No text.")
    assert (assignment.slot, prompt.rankings_needed) == (None, 1)
    assert ranked(labeller) == 0
    assert task(join(project, "other", Role.LABELLER)).prompt == prompt


def test_a_skip_twice_frees_one_slot(add_prompt: AddPrompt, labeller: Member) -> None:
    prompt = add_prompt()
    assignment = task(labeller)
    skip(assignment=assignment, reason="other")
    skip(assignment=assignment, reason="other")
    prompt.refresh_from_db()
    assert prompt.rankings_needed == 1


def test_a_ranked_task_is_not_skipped(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    assignment = task(labeller)
    submit(assignment=assignment, entered=RankingInput(ABCD))
    skip(assignment=assignment, reason="other")
    assignment.refresh_from_db()
    assert (assignment.skipped_at, assignment.slot) == (None, 1)


def test_a_skipped_task_can_be_ranked_after_all(add_prompt: AddPrompt, labeller: Member) -> None:
    """Its page may still be open in another tab, or the ranking was sent again."""
    prompt = add_prompt()
    assignment = task(labeller)
    skip(assignment=assignment, reason="other", note="Later.")
    ranking = submit(assignment=assignment, entered=RankingInput(ABCD))
    assert (ranking.is_current, ranking.surplus) == (True, False)
    assignment.refresh_from_db()
    assert (assignment.skipped_at, assignment.skip_reason, assignment.skip_note) == (None, "", "")
    prompt.refresh_from_db()
    assert (assignment.slot, prompt.rankings_needed) == (1, 0)


def test_nothing_is_skipped_without_a_reason(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    assignment = task(labeller)
    with pytest.raises(ValueError, match="no reason to skip"):
        skip(assignment=assignment, reason="bored")
    assert task(labeller) == assignment


def test_a_ranking_of_a_task_that_was_skipped_meanwhile_is_kept(
    project: Project, add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    assignment = task(labeller)
    skip(assignment=assignment, reason="other")
    task(join(project, "other", Role.LABELLER))
    assert submit(assignment=assignment, entered=RankingInput(ABCD)).surplus
    assignment.refresh_from_db()
    assert (assignment.skipped_at, assignment.skip_reason) == (None, "")
    assert ranked(labeller) == 1


# Undo


def test_an_undone_ranking_is_back_in_its_task_and_counts_no_longer(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    prompt = add_prompt("One?")
    add_prompt("Two?")
    assignment = task(labeller)
    said = RankingInput(DCBA, scores={"A": 2}, note="hm")
    ranking = submit(assignment=assignment, entered=said)
    task(labeller)  # the next one is there already
    reopen(assignment)
    again = task(labeller)
    assert again == assignment
    assert RankingInput.from_json(again.draft) == said
    ranking.refresh_from_db()
    assert not ranking.is_current
    prompt.refresh_from_db()
    assert (again.slot, prompt.rankings_needed) == (1, 0)  # nobody else got it meanwhile
    assert ranked(labeller) == 0


def test_a_ranking_after_an_undo_is_the_next_version(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    assignment = task(labeller)
    submit(assignment=assignment, entered=RankingInput(ABCD))
    reopen(assignment)
    again = submit(assignment=assignment, entered=RankingInput(ABCD), key=uuid.uuid4())
    assert (again.version, again.is_current, again.surplus) == (2, True, False)
    assert Ranking.objects.filter(is_current=True).count() == 1
    assert ranked(labeller) == 1


def test_an_undo_twice_is_one_undo(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    assignment = task(labeller)
    submit(assignment=assignment, entered=RankingInput(ABCD))
    reopen(assignment)
    reopen(assignment)
    assert task(labeller) == assignment
    assert ranked(labeller) == 0


def test_an_undone_skip_has_its_slot_again_and_what_was_entered(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    prompt = add_prompt()
    assignment = task(labeller)
    save_draft(assignment, RankingInput({"A": 2}))
    skip(assignment=assignment, reason="other", note="hm")
    reopen(assignment)
    again = task(labeller)
    prompt.refresh_from_db()
    assert again == assignment
    assert (again.slot, prompt.rankings_needed) == (1, 0)
    assert (again.skipped_at, again.skip_reason, again.skip_note) == (None, "", "")
    assert again.draft["ranks"] == {"A": 2}


def test_an_undone_skip_whose_slot_was_taken_leaves_it_with_the_other(
    project: Project, add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    assignment = task(labeller)
    skip(assignment=assignment, reason="other")
    theirs = task(join(project, "other", Role.LABELLER))
    reopen(assignment)
    theirs.refresh_from_db()
    assert theirs.slot == 1
    assert assignments.current_assignment(labeller) is None
    assert submit(assignment=assignment, entered=RankingInput(ABCD)).surplus


def test_a_surplus_ranking_that_is_undone_and_ranked_again_may_count(
    project: Project, add_prompt: AddPrompt, labeller: Member
) -> None:
    prompt = add_prompt()
    late = task(labeller)
    expire(late)
    theirs = task(join(project, "other", Role.LABELLER))
    assert submit(assignment=late, entered=RankingInput(ABCD)).surplus
    skip(assignment=theirs, reason="other")
    reopen(late)
    assert not submit(assignment=late, entered=RankingInput(ABCD)).surplus
    prompt.refresh_from_db()
    assert prompt.rankings_needed == 0


def test_changes_to_a_ranking_count_it_once(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt("One?")
    add_prompt("Two?")
    assignment = task(labeller)
    submit(assignment=assignment, entered=RankingInput(ABCD))
    submit(assignment=assignment, entered=RankingInput(DCBA))
    submit(assignment=task(labeller), entered=RankingInput(ABCD))
    assert ranked(labeller) == 2


@pytest.mark.django_db(transaction=True)
def test_two_pages_opened_at_once_show_the_same_task(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    for i in range(20):
        add_prompt(f"{i}?")
    for _ in range(10):
        assert in_parallel(*[lambda: assignments.current_assignment(labeller)] * 3) == []
        assignment = Assignment.objects.get(submitted_at=None)
        submit(assignment=assignment, entered=RankingInput(ABCD))


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
            lambda assignment=assignment: submit(assignment=assignment, entered=RankingInput(ABCD)),
            lambda: assignments.current_assignment(labeller),
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
        while assignment := assignments.current_assignment(person):
            twice = [
                lambda task=assignment: submit(assignment=task, entered=RankingInput(ABCD))
            ] * 2
            assert in_parallel(*twice) == []

    assert in_parallel(*[lambda person=person: work(person) for person in people]) == []
    assert [prompt.rankings.count() for prompt in prompts] == [2, 2, 2]
    assert not Ranking.objects.filter(surplus=True).exists()
    assert not Prompt.objects.waiting().exists()
