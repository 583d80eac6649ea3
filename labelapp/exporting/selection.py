"""Select the rankings of an export: all, the majority of labellers, or adjudicated ones first."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from labelapp.exporting.reader import ExportedPrompt, ExportedRanking
from labelapp.models import Origin
from training.aggregation import choose
from training.rankings import Aggregation, Ranking


def select(prompts: Iterable[ExportedPrompt], aggregation: Aggregation) -> Iterator[ExportedPrompt]:
    """Yield the prompts with the current rankings that training would select."""
    if aggregation == "all":
        yield from prompts
        return
    for prompt in prompts:
        yield replace(prompt, rankings=select_rankings(prompt.rankings, aggregation))


def select_rankings(
    rankings: Sequence[ExportedRanking], aggregation: Aggregation
) -> list[ExportedRanking]:
    exported = {training_ranking(ranking): ranking for ranking in rankings}
    by_set: defaultdict[frozenset[str], list[ExportedRanking]] = defaultdict(list)
    for ranking in rankings:
        if ranking.origin != Origin.ADJUDICATED:
            by_set[frozenset(ranking.ranks)].append(ranking)
    return [
        exported.get(one) or majority_ranking(one, by_set[frozenset(response_ids(one))])
        for one in choose(list(exported), aggregation)
    ]


def training_ranking(ranking: ExportedRanking) -> Ranking:
    return Ranking(
        responses=tuple(ranking.ranks),
        ranks=tuple(ranking.ranks.values()),
        labeller=ranking.labeller,
        kind="adjudicated" if ranking.origin == Origin.ADJUDICATED else "own",
    )


def response_ids(ranking: Ranking) -> list[str]:
    return [str(name) for name in ranking.responses]


def majority_ranking(majority: Ranking, rankings: Sequence[ExportedRanking]) -> ExportedRanking:
    """Return the majority of `rankings` for export, without the details of a single ranking."""
    return ExportedRanking(
        ranks=dict(zip(response_ids(majority), majority.ranks, strict=True)),
        labeller=majority.labeller or "",
        version=1,
        current=True,
        origin=Origin.IMPORTED,  # its origin once it is imported again
        surplus=False,
        all_bad=2 * sum(one.all_bad for one in rankings) > len(rankings),
        note="",
        seconds=None,
        created_at=max(one.created_at for one in rankings),
        shown=None,
        ratings={},
    )
