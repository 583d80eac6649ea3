"""The rankings that measurements read, prompt by prompt."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from django.db.models.functions import Length

from labelapp.models import Assignment, Origin, Placement, Project

CHUNK = 2000  # rows in memory at a time


class Ranked(NamedTuple):
    """A ranking, as much of it as agreement and habits look at."""

    member: int
    ranks: dict[int, int]  # response -> rank, 1 = best
    seconds: float | None = None  # at work on it
    places: dict[int, int] | None = None  # response -> where it was shown, from 0; None: not known
    lengths: dict[int, int] | None = None  # response -> characters
    prompt: int | None = None


def rankings_by_prompt(project: Project) -> Iterator[list[Ranked]]:
    """The rankings that count, prompt by prompt, in two queries that are read as streams.

    Those that are current and were wanted. An adjudicated ranking is left out: who made it had seen
    the others'.
    """
    rows = (
        Placement.objects.filter(
            ranking__prompt__project=project, ranking__is_current=True, ranking__surplus=False
        )
        .exclude(ranking__origin=Origin.ADJUDICATED)
        .order_by("ranking__prompt_id", "ranking_id", "response_id")
        .values_list(
            *("ranking__prompt_id", "ranking_id", "ranking__member_id", "ranking__seconds"),
            *("response_id", "rank", Length("response__text")),
        )
    )
    orders = shown_orders(project)
    shown_of, shown = next(orders, NO_MORE)
    for prompt, of_prompt in groupby(rows.iterator(chunk_size=CHUNK), key=itemgetter(0)):
        while shown_of < prompt:
            shown_of, shown = next(orders, NO_MORE)
        orders_here = shown if shown_of == prompt else {}
        yield [
            ranked(
                member, seconds, [placement[4:] for placement in placements], orders_here, prompt
            )
            for (_, member, seconds), placements in groupby(of_prompt, key=itemgetter(1, 2, 3))
        ]


Orders = dict[int, list[int]]  # member -> responses as they were shown


NO_MORE: tuple[float, Orders] = (math.inf, {})


def shown_orders(project: Project) -> Iterator[tuple[float, Orders]]:
    """In which order each labeller was shown the responses, prompt by prompt."""
    rows = (
        Assignment.objects.ranked()
        .filter(prompt__project=project, repeat=False)
        .order_by("prompt_id")
        .values_list("prompt_id", "member_id", "order")
    )
    for prompt, group in groupby(rows.iterator(chunk_size=CHUNK), key=itemgetter(0)):
        yield prompt, {member: order for _, member, order in group}


def ranked(
    member: int,
    seconds: float | None,
    placements: Sequence[tuple[int, int, int]],
    orders: Orders,
    prompt: int,
) -> Ranked:
    """A ranking from its rows. Of responses made elsewhere nobody knows how they were shown."""
    ranks = {response: rank for response, rank, _ in placements}
    order = orders.get(member, [])
    places = {response: place for place, response in enumerate(order)}
    return Ranked(
        member=member,
        ranks=ranks,
        seconds=seconds,
        places=places if places.keys() == ranks.keys() else None,
        lengths={response: length for response, _, length in placements},
        prompt=prompt,
    )
