"""Rankings that differ from what another rater answers on a pair of responses.

The other rater is named by a word: "model" (of the run under review), "longer", "adjudicated", the
primary key of a member, or "run-" with that of another run, on the prompts that it held out.
"""

from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Abs, Length, Sign

from labelapp.models import (
    Origin,
    Placement,
    PromptAgreement,
    Ranking,
    Score,
    TrainingRun,
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
    if other.isdecimal():
        own = own.exclude(member=int(other))
    if (asked := asked_of(other)) is not None:
        own = own.filter(Exists(asked.filter(prompt=OuterRef("prompt"))))
    pairs = Placement.objects.filter(
        Q(rank__lt=UNRANKED) | Q(**{f"{SECOND}rank__lt": UNRANKED}),
        ranking=OuterRef("pk"),
        **{f"{SECOND}response__gt": F("response")},
    )
    pairs = pairs.annotate(answer=Sign(F(f"{SECOND}rank") - F("rank")))
    pairs = answered(pairs, run, other).annotate(apart=Abs(F("answer") - F("other")))
    return own.filter(Exists(pairs.filter(apart__gt=0)))


def asked_of(other: str) -> QuerySet[Any, Any] | None:
    """Return rows of the prompts that another rater answered on, or None if these are all.

    Without them, each pair of every other prompt would be looked for in vain.
    """
    if other.startswith(RUN):
        return PromptAgreement.objects.filter(run=other_run(other), held_out=True)
    if other in ("model", "longer"):
        return None
    return rankings_by(other)


def rankings_by(other: str) -> QuerySet[Ranking]:
    """Return the rankings of a member, or the adjudicated ones."""
    rankings = Ranking.objects.counting()
    if other == "adjudicated":
        return rankings.filter(origin=Origin.ADJUDICATED)
    return rankings.filter(member=int(other)).exclude(origin=Origin.ADJUDICATED)


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
    theirs = rankings_by(other).filter(prompt=OuterRef(OuterRef("ranking__prompt")))
    ranks = Placement.objects.filter(ranking__in=theirs)
    first, second = (
        Subquery(ranks.filter(response=OuterRef(f"{path}response")).values("rank")[:1])
        for path in ("", SECOND)
    )
    pairs = pairs.annotate(first=first, second=second)
    pairs = pairs.filter(Q(first__lt=UNRANKED) | Q(second__lt=UNRANKED))
    return pairs.annotate(other=Sign(F("second") - F("first")))
