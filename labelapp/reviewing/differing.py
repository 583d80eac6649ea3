"""Rankings that differ from what another rater answers on a pair of responses.

The other rater is named by a word: "model" (of the run under review), "longer", "adjudicated", the
primary key of a member, or "run-" with that of another run, on the prompts that it held out.
"""

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Length, Sign

from labelapp.models import (
    Origin,
    Placement,
    PromptAgreement,
    Ranking,
    Score,
    TrainingRun,
    counting,
)
from labelapp.reviewing.results import Rater
from training.rankings import UNRANKED

RUN = "run-"
SECOND = "ranking__placements__"
"""From a placement to the others of its ranking."""


def key_of_rater(rater: Rater) -> str:
    """Return the word for a rater, or "" for one that is not known to the database."""
    if rater.kind == "words":
        return ""
    if rater.run is not None:
        return f"{RUN}{rater.run}"
    return str(rater.member or rater.kind)


def other_run(key: str) -> int:
    """Return the primary key of the run that a word names."""
    return int(key.removeprefix(RUN))


def differing(rankings: QuerySet[Ranking], run: TrainingRun, other: str) -> QuerySet[Ranking]:
    """Return the rankings by labellers that answer a pair otherwise than another rater.

    A tie is an answer, too. Two responses that are both unranked are not compared.
    """
    own = rankings.exclude(origin=Origin.ADJUDICATED)
    if other.startswith(RUN):
        measured = PromptAgreement.objects.filter(run=other_run(other), held_out=True)
        own = own.filter(Exists(measured.filter(prompt=OuterRef("prompt"))))
    pairs = Placement.objects.filter(
        Q(rank__lt=UNRANKED) | Q(**{f"{SECOND}rank__lt": UNRANKED}),
        ranking=OuterRef("pk"),
        **{f"{SECOND}response__gt": F("response")},
    )
    pairs = pairs.annotate(answer=Sign(F(f"{SECOND}rank") - F("rank")))
    pairs = answered(pairs, run, other)
    return own.filter(Exists(pairs.filter(Q(answer__lt=F("other")) | Q(answer__gt=F("other")))))


def answered(pairs: QuerySet[Placement], run: TrainingRun, other: str) -> QuerySet[Placement]:
    """Return the pairs with another rater's answer: 1 for the first, -1, 0 for a tie, or null."""
    if other == "longer":
        lead = Length("response__text") - Length(f"{SECOND}response__text")
        return pairs.annotate(other=Sign(lead))
    if other == "model" or other.startswith(RUN):
        scores = Score.objects.filter(run=run.pk if other == "model" else other_run(other))
        first, second = (
            Subquery(scores.filter(response=OuterRef(f"{path}response")).values("reward")[:1])
            for path in ("", SECOND)
        )
        return pairs.annotate(other=Sign(first - second))
    ranks = Placement.objects.filter(counting("ranking__"))
    if other == "adjudicated":
        ranks = ranks.filter(ranking__origin=Origin.ADJUDICATED)
    else:
        ranks = ranks.filter(ranking__member=int(other)).exclude(ranking__origin=Origin.ADJUDICATED)
    first, second = (
        Subquery(ranks.filter(response=OuterRef(f"{path}response")).values("rank")[:1])
        for path in ("", SECOND)
    )
    pairs = pairs.annotate(first=first, second=second)
    pairs = pairs.filter(Q(first__lt=UNRANKED) | Q(second__lt=UNRANKED))
    return pairs.annotate(other=Sign(F("second") - F("first")))
