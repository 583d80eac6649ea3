"""Labelling: who gets which prompt, and what is stored."""

import uuid
from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.db.models import RestrictedError
from django.utils import timezone

from labelapp.labelling import submissions
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member, Project, Ranking
from tests.conftest import AddPrompt, AddRanking
from tests.labelapp.labelling.acting import (
    ABCD,
    DCBA,
    ranked,
    reopen,
    save_draft,
    submit,
    task,
)

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
