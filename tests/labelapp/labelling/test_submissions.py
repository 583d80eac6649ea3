"""Labelling: who gets which prompt, and what is stored."""

import uuid
from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.db.models import RestrictedError
from django.utils import timezone

from labelapp.labelling import assignments, submissions
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member, Project, Prompt, Ranking, Role
from tests.conftest import AddPrompt, AddRanking, join
from tests.labelapp.labelling.acting import reopen, save_draft, skip, submit
from tests.labelapp.parallel import in_parallel


def task(member: Member) -> Assignment:
    assignment = assignments.current_assignment(member)
    assert assignment is not None
    return assignment


ABCD = {"A": 1, "B": 2, "C": 3, "D": 4}
DCBA = {"A": 4, "B": 3, "C": 2, "D": 1}


def ranked(member: Member) -> int:
    """Return how many tasks the member is counted to have ranked."""
    member.refresh_from_db()
    return member.ranked


# Assigning


def test_a_labeller_keeps_the_same_prompt_until_it_is_ranked(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt("One?")
    add_prompt("Two?")
    first = task(labeller)
    assert task(labeller) == first
    submit(assignment=first, entered=RankingInput(ABCD))
    assert task(labeller).prompt_id != first.prompt_id


def test_a_prompt_goes_to_as_many_labellers_as_it_wants(
    project: Project, add_prompt: AddPrompt
) -> None:
    prompt = add_prompt(wanted=2)
    people = [join(project, name, Role.LABELLER) for name in ("ann", "bob", "cem")]
    given = [assignments.current_assignment(person) for person in people]
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
    submit(assignment=task(labeller), entered=RankingInput(ABCD))
    assert assignments.current_assignment(labeller) is None


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
    submit(assignment=handed_on, entered=RankingInput(ABCD))
    surplus = submit(assignment=late, entered=RankingInput(ABCD))
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
    assert not submit(assignment=late, entered=RankingInput(ABCD)).surplus
    late.prompt.refresh_from_db()
    assert late.prompt.rankings_needed == 0


def test_an_expired_lease_that_nobody_took_goes_on(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    first = task(labeller)
    expire(first)
    again = task(labeller)
    assert again == first
    assert again.expires_at > timezone.now()
    assert not submit(assignment=again, entered=RankingInput(ABCD)).surplus


def test_a_labeller_whose_slot_was_taken_gets_another_prompt(
    project: Project, add_prompt: AddPrompt
) -> None:
    taken = add_prompt("One?", priority=1)
    slow, quick = (join(project, name, Role.LABELLER) for name in ("slow", "quick"))
    expire(task(slow))
    assert task(quick).prompt == taken
    assert assignments.current_assignment(slow) is None
    other = add_prompt("Two?")
    assert task(slow).prompt == other


# Storing


def test_ranks_are_stored_for_the_responses_shown_and_gaps_close(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    prompt = add_prompt()
    assignment = task(labeller)
    ranking = submit(
        assignment=assignment, entered=RankingInput({"A": 4, "B": 2, "C": 2, "D": 1}, note="hm")
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
    first = submit(assignment=assignment, entered=RankingInput(ABCD))
    assert submit(assignment=assignment, entered=RankingInput(ABCD)) == first
    assert Ranking.objects.count() == 1


def test_a_changed_second_submit_is_a_new_version(add_prompt: AddPrompt, labeller: Member) -> None:
    prompt = add_prompt()
    assignment = task(labeller)
    first = submit(assignment=assignment, entered=RankingInput(ABCD))
    second = submit(
        assignment=assignment, entered=RankingInput(dict(zip("ABCD", "4321", strict=True)))
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
    ranking = submit(assignment=assignment, entered=RankingInput(dict.fromkeys("ABCD", 1)))
    assert ranking.version == 2
    assert list(prompt.rankings.filter(is_current=True)) == [ranking]


def test_a_member_who_has_worked_stays_and_a_project_goes_with_everything(
    project: Project, add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt(wanted=2)
    assignment = task(labeller)
    with pytest.raises(RestrictedError):
        labeller.delete()
    submit(assignment=assignment, entered=RankingInput(ABCD))
    with pytest.raises(RestrictedError):
        labeller.delete()
    project.delete()
    assert not Ranking.objects.exists()


# The same submit twice


def test_the_same_submit_twice_stores_once(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    assignment, key = task(labeller), uuid.uuid4()
    first = submit(assignment=assignment, entered=RankingInput(ABCD), key=key)
    assert submit(assignment=assignment, entered=RankingInput(ABCD), key=key) == first
    assert list(Ranking.objects.values_list("pk", "version")) == [(first.pk, 1)]
    assert ranked(labeller) == 1


def test_a_submit_that_arrives_again_after_a_newer_one_changes_nothing(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    assignment, old, new = task(labeller), uuid.uuid4(), uuid.uuid4()
    submit(assignment=assignment, entered=RankingInput(ABCD), key=old)
    newer = submit(assignment=assignment, entered=RankingInput(DCBA), key=new)
    submit(assignment=assignment, entered=RankingInput(ABCD), key=old)
    assert Ranking.objects.get(is_current=True) == newer
    assert Ranking.objects.count() == 2


def test_a_submit_that_arrives_again_after_its_undo_stores_nothing(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    assignment, key = task(labeller), uuid.uuid4()
    submit(assignment=assignment, entered=RankingInput(ABCD), key=key)
    reopen(assignment)
    submit(assignment=assignment, entered=RankingInput(ABCD), key=key)
    assert not Ranking.objects.filter(is_current=True).exists()
    assert task(labeller) == assignment
    assert ranked(labeller) == 0


def test_two_keys_with_one_verdict_store_it_once(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    assignment = task(labeller)
    first = submit(assignment=assignment, entered=RankingInput(ABCD), key=uuid.uuid4())
    again = submit(assignment=assignment, entered=RankingInput(ABCD), key=uuid.uuid4())
    assert again == first
    assert Ranking.objects.count() == 1


# Scores, flags and time


def test_scores_flags_and_all_bad_are_stored_for_the_responses_shown(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    assignment = task(labeller)
    said = RankingInput(
        ABCD, scores={"A": 7, "B": 1}, flags={"B": ["Sexual content"]}, all_bad=True
    )
    ranking = submit(assignment=assignment, entered=said)
    rated = {rating.response_id: (rating.score, rating.flags) for rating in ranking.ratings.all()}
    a, b, *_ = assignment.order
    assert rated == {a: (7, []), b: (1, ["Sexual content"])}
    assert ranking.all_bad
    assert submissions.current_input(assignment) == said


@pytest.mark.parametrize(
    "other",
    [
        RankingInput(ABCD, scores={"A": 6}, flags={"B": ["x"]}),
        RankingInput(ABCD, scores={"A": 7}, flags={"B": ["x", "y"]}),
        RankingInput(ABCD, scores={"A": 7}, flags={"B": ["x"]}, all_bad=True),
        RankingInput(ABCD, scores={"A": 7}, flags={"B": ["x"]}, note="because"),
        RankingInput(ABCD, scores={"A": 7}),
    ],
    ids=["another score", "another flag", "all bad", "a note", "no flag"],
)
def test_whatever_is_said_otherwise_makes_a_version(
    add_prompt: AddPrompt, labeller: Member, other: RankingInput
) -> None:
    add_prompt()
    assignment = task(labeller)
    said = RankingInput(ABCD, scores={"A": 7}, flags={"B": ["x"], "C": []})
    submit(assignment=assignment, entered=said)
    submit(assignment=assignment, entered=said)
    assert Ranking.objects.count() == 1
    assert submit(assignment=assignment, entered=other).version == 2
    assert submissions.current_input(assignment) == other.normalized()


def test_no_more_seconds_are_stored_than_have_passed(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt("One?")
    add_prompt("Two?")
    soon = submit(assignment=task(labeller), entered=RankingInput(ABCD), seconds=9999)
    assert soon.seconds is not None
    assert soon.seconds < 60
    assignment = task(labeller)
    Assignment.objects.filter(pk=assignment.pk).update(
        created_at=timezone.now() - timedelta(hours=1)
    )
    later = submit(assignment=assignment, entered=RankingInput(ABCD), seconds=600)
    assert later.seconds == 600


def test_seconds_counted_on_another_device_are_not_lost(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    assignment = task(labeller)
    assignment.created_at = timezone.now() - timedelta(hours=1)
    assignment.save()
    save_draft(assignment, RankingInput({"A": 1}), seconds=300)
    ranking = submit(assignment=assignment, entered=RankingInput(ABCD), seconds=20)
    assert ranking.seconds == 300


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


# Rows of an earlier version


def test_an_assignment_without_a_hash_is_ranked_as_one_with_it(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    assignment = task(labeller)
    expected = assignment.responses_hash
    Assignment.objects.update(responses_hash="")
    ranking = submit(assignment=assignment, entered=RankingInput(ABCD))
    assert ranking.responses_hash == expected
    assert submissions.current_input(Assignment.objects.get()) == RankingInput(ABCD)
    reopen(assignment)
    assert submit(assignment=assignment, entered=RankingInput(DCBA)).version == 2


def test_the_migration_hashes_what_open_assignments_show(
    project: Project, add_prompt: AddPrompt, labeller: Member
) -> None:
    for i in range(3):
        add_prompt(f"{i}?")
    submit(assignment=task(labeller), entered=RankingInput(ABCD))
    assignment = task(labeller)
    expected = assignment.responses_hash
    Assignment.objects.update(responses_hash="")
    migration = import_module("labelapp.migrations.0007_counts_and_hashes")
    migration.fill(apps, None)
    hashes = Assignment.objects.order_by("pk").values_list("responses_hash", flat=True)
    assert list(hashes) == ["", expected]
