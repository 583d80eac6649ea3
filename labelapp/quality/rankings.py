"""Read the rankings that measurements use, prompt by prompt."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from django.db.models import Q
from django.db.models.functions import Length

from labelapp.models import Assignment, Origin, Placement, Project, counting

CHUNK_SIZE = 2000  # rows in memory


class MeasuredRanking(NamedTuple):
    """The parts of a ranking that measurements use. Responses are given by their primary keys."""

    member: int
    ranks: dict[int, int]  # by response; 1 = best, or UNRANKED
    seconds: float | None = None  # working time
    places: dict[int, int] | None = None  # by response, from 0; None if the order is unknown
    lengths: dict[int, int] | None = None  # characters, by response
    prompt: int | None = None
    ranking: int | None = None
    excluded: bool = False  # it is left out with its labeller


def rankings_by_prompt(
    project: Project, *, with_excluded: bool = False
) -> Iterator[list[MeasuredRanking]]:
    """Yield the rankings that count, prompt by prompt, from two streamed queries.

    Current rankings count, unless they are surplus. Adjudicated rankings do not, because their
    authors have seen the others. `with_excluded` adds those that are left out with their labeller.
    """
    which = Q(ranking__is_current=True) if with_excluded else counting("ranking__")
    rows = (
        Placement.objects.filter(which, ranking__prompt__project=project, ranking__surplus=False)
        .exclude(ranking__origin=Origin.ADJUDICATED)
        .order_by("ranking__prompt_id", "ranking_id", "response_id")
        .values_list(
            "ranking__prompt_id",
            "ranking_id",
            "ranking__member_id",
            "ranking__seconds",
            "ranking__created_at",
            "ranking__member__excluded_from",
            "response_id",
            "rank",
            Length("response__text"),
        )
    )
    orders = shown_orders(project)
    shown_prompt, shown = next(orders, NO_ORDERS)
    for prompt, prompt_rows in groupby(rows.iterator(chunk_size=CHUNK_SIZE), key=itemgetter(0)):
        while shown_prompt < prompt:
            shown_prompt, shown = next(orders, NO_ORDERS)
        prompt_orders = shown if shown_prompt == prompt else {}
        yield [
            measured_ranking(
                member, seconds, [row[6:] for row in placements], prompt_orders, prompt
            )._replace(ranking=ranking, excluded=bool(left_out and left_out <= made))
            for (ranking, member, seconds, made, left_out), placements in groupby(
                prompt_rows, key=itemgetter(1, 2, 3, 4, 5)
            )
        ]


Orders = dict[int, list[int]]  # responses in the order shown, by member


NO_ORDERS: tuple[float, Orders] = (math.inf, {})


def shown_orders(project: Project) -> Iterator[tuple[float, Orders]]:
    """Yield the order in which each labeller was shown the responses, prompt by prompt."""
    rows = (
        Assignment.objects.ranked()
        .filter(prompt__project=project, repeat=False)
        .order_by("prompt_id")
        .values_list("prompt_id", "member_id", "order")
    )
    for prompt, group in groupby(rows.iterator(chunk_size=CHUNK_SIZE), key=itemgetter(0)):
        yield prompt, {member: order for _, member, order in group}


def measured_ranking(
    member: int,
    seconds: float | None,
    placements: Sequence[tuple[int, int, int]],
    orders: Orders,
    prompt: int,
) -> MeasuredRanking:
    """Return a ranking from its rows. The order shown is unknown for imported rankings."""
    ranks = {response: rank for response, rank, _ in placements}
    order = orders.get(member, [])
    places = {response: place for place, response in enumerate(order)}
    return MeasuredRanking(
        member=member,
        ranks=ranks,
        seconds=seconds,
        places=places if places.keys() == ranks.keys() else None,
        lengths={response: length for response, _, length in placements},
        prompt=prompt,
    )
