"""Adjudicating: one ranking that decides where labellers disagree, beside theirs.

Whoever adjudicates has seen what the labellers said. A set of responses has one adjudicated ranking
at most, whoever made it; what it replaces stays as an earlier version, and so does what is taken
back. The labellers' own rankings are not touched.
"""

import uuid
from collections.abc import Mapping

from django.db import transaction
from django.db.models import Max

from labelapp.labelling.assignments import lock_member
from labelapp.labelling.ranking_input import RankingInput, close_gaps, submit_key
from labelapp.models import Member, Origin, Placement, Prompt, Ranking


class AdjudicatedMeanwhileError(Exception):
    """Somebody else has adjudicated, or taken back, since the page was opened."""


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
    """Store the adjudicated ranking of a set of responses; `by_letter` are its responses.

    `instead_of` is the adjudicated ranking that the adjudicator has seen there, which this one
    replaces. The same submit again, and one that changes nothing, store nothing.
    Raises AdjudicatedMeanwhileError where another stands there now; ValueError unless every
    response, and nothing else, has a rank.
    """
    if sorted(entered.ranks) != sorted(by_letter):
        raise ValueError(f"expected ranks for {sorted(by_letter)}, got {sorted(entered.ranks)}")
    lock_member(member)  # their own rankings of these responses are numbered together with this
    Prompt.objects.select_for_update(no_key=True).get(pk=prompt.pk)  # adjudicators take turns
    of_set = Ranking.objects.filter(prompt=prompt, responses_hash=responses_hash)
    key = submit_key(key, entered)
    if key and (same := of_set.filter(member=member, key=key).first()):
        if same.is_current:
            return same
        key = None  # that was taken back or replaced since: this is another submit
    standing = of_set.filter(is_current=True, origin=Origin.ADJUDICATED).first()
    if (standing.pk if standing else None) != instead_of:
        raise AdjudicatedMeanwhileError
    if standing is not None:
        if RankingInput.from_ranking(standing, by_letter) == entered.normalized():
            return standing
        Ranking.objects.filter(pk=standing.pk).update(is_current=False)
    last = of_set.filter(member=member).aggregate(last=Max("version"))["last"] or 0
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
    Placement.objects.bulk_create(
        Placement(ranking=ranking, response_id=by_letter[letter], rank=rank)
        for letter, rank in close_gaps(entered.ranks).items()
    )
    return ranking


def take_back(ranking: Ranking) -> bool:
    """Have an adjudicated ranking count no longer. False where it does not count already."""
    standing = Ranking.objects.filter(pk=ranking.pk, is_current=True, origin=Origin.ADJUDICATED)
    return bool(standing.update(is_current=False))
