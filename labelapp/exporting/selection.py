"""Which of a prompt's rankings an export has: all, the majority of labellers, adjudicated first."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from labelapp.exporting.reader import ExportedPrompt, ExportedRanking
from labelapp.models import Origin
from training.aggregation import choose
from training.rankings import Ranking, Verdicts


def chosen(prompts: Iterable[ExportedPrompt], verdicts: Verdicts) -> Iterator[ExportedPrompt]:
    """The prompts with those of their current rankings that training would learn from."""
    if verdicts == "all":
        yield from prompts
        return
    for prompt in prompts:
        yield replace(prompt, rankings=choice(prompt.rankings, verdicts))


def choice(rankings: Sequence[ExportedRanking], verdicts: Verdicts) -> list[ExportedRanking]:
    exported = {plain(ranking): ranking for ranking in rankings}
    by_set: defaultdict[frozenset[str], list[ExportedRanking]] = defaultdict(list)
    for ranking in rankings:
        if ranking.origin != Origin.ADJUDICATED:
            by_set[frozenset(ranking.ranks)].append(ranking)
    found = []
    for one in choose(list(exported), verdicts):
        own = exported.get(one)
        found.append(own or combined(one, by_set[frozenset(exported_ids(one))]))
    return found


def plain(ranking: ExportedRanking) -> Ranking:
    return Ranking(
        responses=tuple(ranking.ranks),
        ranks=tuple(ranking.ranks.values()),
        labeller=ranking.labeller,
        kind="adjudicated" if ranking.origin == Origin.ADJUDICATED else "own",
    )


def exported_ids(ranking: Ranking) -> list[str]:
    return [str(name) for name in ranking.responses]


def combined(ranking: Ranking, of: Sequence[ExportedRanking]) -> ExportedRanking:
    """A majority. Nobody was shown anything, took time or wrote a note for it."""
    return ExportedRanking(
        ranks=dict(zip(exported_ids(ranking), ranking.ranks, strict=True)),
        labeller=ranking.labeller or "",
        version=1,
        current=True,
        origin=Origin.IMPORTED,  # what it would be, read again
        surplus=False,
        all_bad=2 * sum(one.all_bad for one in of) > len(of),
        note="",
        seconds=None,
        created_at=max(one.created_at for one in of),
        shown=None,
        ratings={},
    )
