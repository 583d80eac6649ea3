"""How much a labeller has done, and how much waits for them."""

from datetime import timedelta

from django.core.cache import cache
from django.utils import timezone

from labelapp.labelling import own_progress
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member, Prompt
from tests.conftest import AddPrompt
from tests.labelapp.labelling.acting import ABCD, rank_next, reopen, skip, submit, task


def test_progress_counts_what_a_labeller_did_and_what_waits_for_them(
    add_prompt: AddPrompt, ann: Member, bob: Member
) -> None:
    for i in range(5):
        add_prompt(f"{i}?")
    held = task(bob)
    rank_next(ann)
    task(ann)
    ann.refresh_from_db()
    assert own_progress.progress(ann) == own_progress.OwnProgress(done=1, today=1, left=2)
    skip(assignment=held, reason="other")
    assert (
        own_progress.progress(ann).left == 3
    )  # what came back is counted, however far down they are


def test_progress_counts_to_a_hundred_and_no_further(add_prompt: AddPrompt, ann: Member) -> None:
    for i in range(own_progress.COUNTED + 5):
        add_prompt(f"{i}?")
    progress = own_progress.progress(ann)
    assert (progress.left, progress.many_left) == (own_progress.COUNTED, True)


def test_a_page_believes_for_a_while_that_many_wait_and_counts_few_anew(
    add_prompt: AddPrompt, ann: Member
) -> None:
    for i in range(own_progress.COUNTED):
        add_prompt(f"{i}?")
    assert own_progress.progress(ann, roughly=True).many_left
    Prompt.objects.update(rankings_needed=0)
    assert own_progress.progress(ann, roughly=True).many_left
    assert own_progress.progress(ann).left == 0
    cache.clear()
    assert own_progress.progress(ann, roughly=True).left == 0
    Prompt.objects.filter(messages__0__content="1?").update(rankings_needed=1)
    assert own_progress.progress(ann, roughly=True).left == 1


def today(member: Member) -> int:
    return own_progress.progress(Member.objects.get(pk=member.pk)).today


def test_the_day_counts_submits_and_undos_and_no_edits(add_prompt: AddPrompt, ann: Member) -> None:
    for i in range(3):
        add_prompt(f"{i}?")
    first = task(ann)
    submit(assignment=first, entered=RankingInput(ABCD))
    rank_next(ann)
    submit(assignment=first, entered=RankingInput(dict.fromkeys("ABCD", 1)))
    assert today(ann) == 2
    reopen(first)
    assert today(ann) == 1
    submit(assignment=first, entered=RankingInput(ABCD))
    assert today(ann) == 2


def test_a_new_day_begins_with_none(add_prompt: AddPrompt, ann: Member) -> None:
    for i in range(3):
        add_prompt(f"{i}?")
    first = task(ann)
    submit(assignment=first, entered=RankingInput(ABCD))
    yesterday = timezone.now() - timedelta(days=1)
    Assignment.objects.update(submitted_at=yesterday)
    Member.objects.update(ranked_on=timezone.localdate(yesterday))
    assert today(ann) == 0
    reopen(first)  # yesterday's does not count today
    assert today(ann) == 0
    rank_next(ann)
    assert today(ann) == 1


def test_a_day_that_an_earlier_version_did_not_count_is_counted(
    add_prompt: AddPrompt, ann: Member
) -> None:
    for i in range(4):
        add_prompt(f"{i}?")
    done = [rank_next(ann) for _ in range(2)]
    Member.objects.update(ranked_on=None, ranked_that_day=0)
    assert today(ann) == 2
    reopen(Assignment.objects.get(prompt=done[0]))
    assert today(ann) == 1
    Member.objects.update(ranked_on=None, ranked_that_day=0)
    rank_next(ann)
    assert today(ann) == 2
