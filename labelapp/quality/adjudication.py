"""Store the adjudicated ranking of a set of responses, which decides where labellers disagree.

An adjudicator has seen the labellers' rankings, which stay unchanged. A set of responses has at
most one current adjudicated ranking, by anyone; replaced and withdrawn ones stay as earlier
versions.
"""

import uuid
from collections.abc import Mapping

from django.db import transaction
from django.db.models import Max

from labelapp.labelling.assignments import lock_member
from labelapp.labelling.ranking_input import RankingInput, submit_key
from labelapp.models import Member, Origin, Placement, Prompt, Ranking


class AdjudicatedMeanwhileError(Exception):
    """Somebody else has adjudicated or withdrawn a ranking since the page was opened."""


@transaction.atomic
def adjudicate(
    *,
    prompt: Prompt,
    responses_hash: str,
    member: Member,
    by_letter: Mapping[str, int],
    entered: RankingInput,
    instead_of: int | None = None,
    key: uuid.UUID | None = None,
) -> Ranking:
    """Store the adjudicated ranking of a set of responses, given by their letters.

    `instead_of` is the current adjudicated ranking that the adjudicator saw, which is replaced. A
    repeated submission, or one that changes nothing, stores nothing.
    Raises AdjudicatedMeanwhileError if another ranking is current now, and ValueError unless
    exactly these responses have ranks.
    """
    if sorted(entered.ranks) != sorted(by_letter):
        raise ValueError(f"expected ranks for {sorted(by_letter)}, got {sorted(entered.ranks)}")
    lock_member(member)  # the version number is shared with their own rankings of these responses
    Prompt.objects.select_for_update(no_key=True).get(pk=prompt.pk)  # one adjudicator at a time
    rankings = Ranking.objects.filter(prompt=prompt, responses_hash=responses_hash)
    key = submit_key(key, entered)
    if key and (same := rankings.filter(member=member, key=key).first()):
        if same.is_current:
            return same
        key = None  # it was withdrawn or replaced since, so this is a new submission
    current = rankings.filter(is_current=True, origin=Origin.ADJUDICATED).first()
    if (current.pk if current else None) != instead_of:
        raise AdjudicatedMeanwhileError
    if current is not None:
        if RankingInput.from_ranking(current, by_letter) == entered.normalized():
            return current
        Ranking.objects.filter(pk=current.pk).update(is_current=False)
    last = rankings.filter(member=member).aggregate(last=Max("version"))["last"] or 0
    ranking = Ranking.objects.create(
        prompt=prompt,
        member=member,
        responses_hash=responses_hash,
        version=last + 1,
        origin=Origin.ADJUDICATED,
        all_bad=entered.all_bad,
        note=entered.note,
        key=key,
    )
    Placement.objects.bulk_create(entered.placements(ranking, by_letter))
    return ranking


def withdraw(ranking: Ranking) -> bool:
    """Withdraw an adjudicated ranking; return False if it was not current."""
    current = Ranking.objects.filter(pk=ranking.pk, is_current=True, origin=Origin.ADJUDICATED)
    return bool(current.update(is_current=False))
