"""Submissions: what labellers enter of an assignment, from the first draft to the current ranking.

Nothing is lost and nothing is doubled: a submit carries a key, and the same submit a second time
finds the ranking that the first one stored; an undo and an edit leave the earlier versions.

What writes takes an assignment of assignments.lock_assignments, whose member is locked.
"""

import string
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from labelapp.labelling.assignments import release_slot, renew, show, take_slot
from labelapp.labelling.controls import origin_of
from labelapp.labelling.own_progress import count_ranked
from labelapp.labelling.ranking_input import RankingInput, submit_key
from labelapp.models import (
    Assignment,
    Origin,
    Placement,
    Ranking,
    Rating,
    Response,
    SkipReason,
    hash_responses,
)


@dataclass(frozen=True)
class Card:
    """A response as a labeller sees it: a letter by the shown order, and the text."""

    letter: str
    response: Response


def cards(assignment: Assignment) -> list[Card]:
    """Return the assignment's responses in the order shown, lettered A, B, C, ..."""
    lettered = zip(string.ascii_uppercase, assignment.shown, strict=False)
    return [Card(letter, response) for letter, response in lettered]


def letters(assignment: Assignment) -> list[str]:
    """Return the letters of the assignment's responses."""
    return list(string.ascii_uppercase[: len(assignment.order)])


def letters_of(assignment: Assignment) -> dict[str, int]:
    """Return the id of the response behind each letter."""
    return dict(zip(letters(assignment), assignment.order, strict=True))


def save_draft(assignment: Assignment, entered: RankingInput, seconds: float = 0) -> None:
    """Save what was entered as a draft, unless the assignment was submitted or skipped."""
    assignment.draft = entered.to_json()
    assignment.seconds = seconds_of_work(assignment, seconds)
    if assignment.is_open:
        assignment.save(update_fields=["draft", "seconds"])


def seconds_of_work(assignment: Assignment, seconds: float) -> float:
    """Return the seconds that the assignment's page counted, but no more than have passed."""
    passed = (timezone.now() - assignment.created_at).total_seconds()
    return max(0.0, assignment.seconds, min(seconds, passed))


def submit(
    *,
    assignment: Assignment,
    entered: RankingInput,
    key: uuid.UUID | None = None,
    seconds: float = 0,
) -> Ranking:
    """Store and return the ranking that was entered of an assignment.

    Gaps in the ranks close: 1, 1, 4 are stored as 1, 1, 2. The same submit again, or another one
    of the same ranking, stores nothing and returns the stored ranking; a different one adds a
    version. When the prompt's slots have gone to others since the lease ran out, the ranking is
    kept and marked as surplus, and so is that of a control.
    Raises ValueError unless every shown response, or as many as the project's setting rank_top
    says, and nothing else has a rank.
    """
    shown = letters(assignment)
    fewest = assignment.member.project.fewest_ranks(len(shown))
    if not set(entered.ranks) <= set(shown) or len(entered.ranks) < fewest:
        raise ValueError(f"expected {fewest} ranks of {shown}, got {sorted(entered.ranks)}")
    key = submit_key(key, entered, repeat=assignment.repeat)
    versions = versions_of(assignment) if assignment.ranked_before else []
    if (same := same_submit(versions, key)) is not None:
        return same
    unskip(assignment)  # skipped in another tab, and ranked after all
    assignment.seconds = seconds_of_work(assignment, seconds)
    ranking = record(assignment, versions, entered, key)
    if assignment.submitted_at is None:
        now = timezone.now()
        count_ranked(assignment.member, now, 1)
        assignment.submitted_at = now
    assignment.draft = {}
    assignment.save(update_fields=["seconds", "submitted_at", "draft"])
    return ranking


def shown_hash(assignment: Assignment) -> str:
    """Return the hash of the set of responses that the assignment shows."""
    if assignment.responses_hash:
        return assignment.responses_hash
    shown = Response.objects.filter(pk__in=assignment.order)
    return hash_responses(shown.values_list("content_hash", flat=True))


def versions_of(assignment: Assignment) -> list[Ranking]:
    """Return the labeller's rankings of the responses that the assignment shows, newest last."""
    return list(
        Ranking.objects.versions(
            prompt_id=assignment.prompt_id,
            member_id=assignment.member_id,
            responses_hash=shown_hash(assignment),
        )
    )


def current(assignment: Assignment, versions: Sequence[Ranking]) -> Ranking | None:
    """Return the version that now counts as the labeller's ranking of the assignment.

    For a repeated prompt, that is the newest repetition that was not undone. Repetitions are never
    marked as current, because the labeller's first ranking is.
    """
    origin = origin_of(assignment)
    if origin == Origin.REPEATED:
        again = [ranking for ranking in versions if ranking.origin == origin]
        return again[-1] if again and assignment.submitted_at is not None else None
    own = (ranking for ranking in versions if ranking.origin != Origin.ADJUDICATED)
    return next((ranking for ranking in own if ranking.is_current), None)


def same_submit(versions: Sequence[Ranking], key: uuid.UUID | None) -> Ranking | None:
    """Return the version that the submit with this key has stored."""
    return next((ranking for ranking in versions if key and ranking.key == key), None)


def record(
    assignment: Assignment,
    versions: Sequence[Ranking],
    entered: RankingInput,
    key: uuid.UUID | None,
) -> Ranking:
    """Write a ranking with its placements and ratings, unless the current one is the same."""
    by_letter = letters_of(assignment)
    before = current(assignment, versions)
    if before is not None:
        if RankingInput.from_ranking(before, by_letter) == entered.normalized():
            return before
        Ranking.objects.filter(pk=before.pk).update(is_current=False)
    surplus = assignment.slot is None and (
        assignment.is_control
        or assignment.submitted_at is not None
        # Handed on, but perhaps nobody has taken the slot yet.
        or not take_slot(assignment)
    )
    ranking = Ranking.objects.create(
        prompt_id=assignment.prompt_id,
        member_id=assignment.member_id,
        responses_hash=shown_hash(assignment),
        version=versions[-1].version + 1 if versions else 1,
        is_current=not assignment.repeat,
        origin=origin_of(assignment),
        surplus=surplus,
        seconds=assignment.seconds or None,
        all_bad=entered.all_bad,
        note=entered.note,
        key=key,
    )
    Placement.objects.bulk_create(entered.placements(ranking, by_letter))
    Rating.objects.bulk_create(
        Rating(
            ranking=ranking,
            response_id=by_letter[letter],
            score=entered.scores.get(letter),
            flags=list(entered.flags.get(letter, ())),
        )
        for letter in sorted({*entered.scores, *entered.flags})
    )
    return ranking


def current_input(assignment: Assignment) -> RankingInput | None:
    """Return the input of the labeller's current ranking of the assignment, if there is one."""
    ranking = current(assignment, versions_of(assignment))
    return None if ranking is None else RankingInput.from_ranking(ranking, letters_of(assignment))


def skip(*, assignment: Assignment, reason: str, note: str = "") -> None:
    """Skip an assignment that is not ranked, so that its prompt goes to others.

    What was entered stays, for an undo. Raises ValueError for an unknown reason.
    """
    if reason not in SkipReason.values:
        raise ValueError(f"{reason!r} is no reason to skip")
    if assignment.submitted_at is not None:
        return
    release_slot(assignment)
    assignment.skipped_at = assignment.skipped_at or timezone.now()
    assignment.skip_reason, assignment.skip_note = reason, note
    assignment.save(update_fields=["skipped_at", "skip_reason", "skip_note"])


def reopen(assignment: Assignment) -> None:
    """Undo a submit or a skip, and show the assignment to its labeller again.

    A stored ranking is kept as an earlier version, and no longer counts. Nothing changes for a
    member who was removed in the meantime.
    """
    if not assignment.member.is_active:
        return
    if assignment.submitted_at is not None:
        withdraw(assignment, assignment.submitted_at)
    unskip(assignment)
    renew(assignment)
    show(assignment)


def unskip(assignment: Assignment) -> None:
    """Make an assignment one that was not skipped, if it was: no skipped one can take a slot."""
    if assignment.skipped_at is None:
        return
    assignment.skipped_at, assignment.skip_reason, assignment.skip_note = None, "", ""
    assignment.save(update_fields=["skipped_at", "skip_reason", "skip_note"])


def restore(assignment: Assignment, ranking: Ranking, submitted_at: datetime) -> None:
    """Make a ranking that was withdrawn count again as the one of its open assignment.

    It is surplus if its slot has gone to somebody else meanwhile.
    """
    ranking.is_current = True
    ranking.surplus = assignment.slot is None and not take_slot(assignment)
    ranking.save(update_fields=["is_current", "surplus"])
    count_ranked(assignment.member, submitted_at, 1)
    assignment.draft, assignment.submitted_at = {}, submitted_at
    assignment.save(update_fields=["draft", "submitted_at"])


def withdraw(assignment: Assignment, submitted_at: datetime) -> None:
    """Turn a submitted ranking back into the draft of its assignment, which keeps its slot."""
    ranking = current(assignment, versions_of(assignment))
    if ranking is not None:
        assignment.draft = RankingInput.from_ranking(ranking, letters_of(assignment)).to_json()
        Ranking.objects.filter(pk=ranking.pk).update(is_current=False)
    count_ranked(assignment.member, submitted_at, -1)
    assignment.submitted_at = None
    assignment.save(update_fields=["draft", "submitted_at"])
