"""Count and list the prompts on which a project's labellers disagree.

Disagreements are counted while agreement is measured (labelapp/quality/measurement.py) and stored,
so that the list is read from an index, however many rankings there are.
"""

import struct
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import TracebackType
from typing import NamedTuple, Self

from django.db import connection, transaction
from django.db.models import Count, QuerySet
from django.utils.translation import gettext_lazy as _

from labelapp.models import Comment, Disagreement, Origin, Project, Ranking, RankingDisagreement
from labelapp.quality.rankings import MeasuredRanking

PAGE_SIZE = 50
FILTERS = {  # by ?show=
    "": _("Not adjudicated yet"),
    "adjudicated": _("Adjudicated"),
    "all": _("All"),
}
ADJUDICATED = Ranking.objects.counting().filter(origin=Origin.ADJUDICATED)

BATCH = 2000  # prompts

# Nobody else can write to SQLite meanwhile, and Django's bulk_create takes seven times as long: ten
# seconds instead of 1.5 for 200,000 prompts.
UPSERT = """
    INSERT INTO labelapp_disagreement
        (prompt_id, project_id, labellers, comparisons, against, share)
    SELECT id, %s, %s, %s, %s, %s FROM labelapp_prompt WHERE id = %s
    ON CONFLICT (prompt_id) DO UPDATE SET labellers = excluded.labellers,
        comparisons = excluded.comparisons, against = excluded.against, share = excluded.share"""


UPSERT_RANKING = """
    INSERT INTO labelapp_rankingdisagreement
        (ranking_id, member_id, comparisons, against, share)
    SELECT id, member_id, %s, %s, %s FROM labelapp_ranking WHERE id = %s
    ON CONFLICT (ranking_id) DO UPDATE SET comparisons = excluded.comparisons,
        against = excluded.against, share = excluded.share"""


class PromptCounts(NamedTuple):
    """The counts of a prompt's disagreements."""

    prompt: int
    labellers: int
    comparisons: int  # of pairs that two labellers both ranked apart; 0 if there are none
    against: int  # comparisons in which the two labellers order the pair differently

    @property
    def share(self) -> float:
        return self.against / self.comparisons


class RankingCounts(NamedTuple):
    """The counts of a ranking's disagreements with the rankings of others that count."""

    ranking: int
    comparisons: int
    against: int

    @property
    def share(self) -> float:
        return self.against / self.comparisons


def of_prompt(
    rankings: Sequence[MeasuredRanking], each: Sequence[tuple[int, int]]
) -> tuple[int, int]:
    """Return the comparisons of a prompt, and those against each other, given each ranking's."""
    counted = [counts for one, counts in zip(rankings, each, strict=True) if not one.excluded]
    comparisons, against = (sum(counts[n] for counts in counted) for n in (0, 1))
    return comparisons // 2, against // 2  # a comparison counts in both of its rankings


def count_each(rankings: Sequence[MeasuredRanking]) -> list[tuple[int, int]]:
    """Return each ranking's comparisons with the others that count, and those against it.

    Every two labellers are compared on every pair of responses that both ranked apart: if f order a
    pair one way and g the other way, f·g comparisons are against each other. Rankings of different
    responses by the same labeller are not compared.
    """
    sides: defaultdict[tuple[int, int], tuple[list[int], list[int]]]
    sides = defaultdict(lambda: ([], []))
    for place, ranking in enumerate(rankings):
        for (one, rank), (other, other_rank) in combinations(sorted(ranking.ranks.items()), 2):
            if rank != other_rank:
                sides[one, other][rank > other_rank].append(place)
    members = [ranking.member for ranking in rankings]
    comparisons, against = [0] * len(rankings), [0] * len(rankings)
    for both in sides.values():
        said = [Counter(members[n] for n in side if not rankings[n].excluded) for side in both]
        totals = [counter.total() for counter in said]
        for side, places in enumerate(both):
            for place in places:
                member = members[place]
                opposite = totals[1 - side] - said[1 - side][member]
                against[place] += opposite
                comparisons[place] += opposite + totals[side] - said[side][member]
    return list(zip(comparisons, against, strict=True))


class Recorder:
    """Records disagreements of prompts and rankings, by prompt id, and stores the changes.

    The changes are held in temporary files until all prompts are counted, so that memory does not
    grow, and that readers see either the previous measurement or the new one.
    """

    ROW = struct.Struct("<4q")
    RANKING_ROW = struct.Struct("<3q")

    def __init__(self, project: Project) -> None:
        self.project = project
        self.seen: list[PromptCounts] = []
        self.seen_rankings: list[RankingCounts] = []
        self.last = 0  # the last prompt whose changes are in the files

    def __enter__(self) -> Self:
        self.file = tempfile.TemporaryFile()
        self.ranking_file = tempfile.TemporaryFile()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.file.close()
        self.ranking_file.close()

    def record(
        self, prompts: Iterable[Sequence[MeasuredRanking]]
    ) -> Iterator[Sequence[MeasuredRanking]]:
        """Yield the rankings of each prompt that count, and record the disagreements of all."""
        for rankings in prompts:
            prompt = rankings[0].prompt
            if len(rankings) > 1 and prompt is not None:
                self.count(prompt, rankings)
                if len(self.seen) >= BATCH or len(self.seen_rankings) >= 4 * BATCH:
                    self.write_changes(until=prompt)
            if counting := [ranking for ranking in rankings if not ranking.excluded]:
                yield counting

    def count(self, prompt: int, rankings: Sequence[MeasuredRanking]) -> None:
        """Count the disagreements of a prompt and of each of its rankings."""
        each = count_each(rankings)
        comparisons, against = of_prompt(rankings, each)
        if comparisons:
            labellers = len({ranking.member for ranking in rankings if not ranking.excluded})
            self.seen.append(PromptCounts(prompt, labellers, comparisons, against))
        for ranking, counts in zip(rankings, each, strict=True):
            if ranking.ranking is not None and counts[0]:
                self.seen_rankings.append(RankingCounts(ranking.ranking, *counts))

    def write_changes(self, until: int | None = None) -> None:
        """Write the changes since the last measurement to the files, up to a prompt or the end."""
        stored = Disagreement.objects.filter(project=self.project, prompt__gt=self.last)
        stored_rankings = RankingDisagreement.objects.filter(
            ranking__prompt__project=self.project, ranking__prompt__gt=self.last
        )
        if until is not None:
            stored = stored.filter(prompt__lte=until)
            stored_rankings = stored_rankings.filter(ranking__prompt__lte=until)
            self.last = until
        self.write_ranking_changes(stored_rankings)
        rows = stored.values_list("prompt", "labellers", "comparisons", "against")
        before = {row[0]: PromptCounts(*row) for row in rows.iterator(BATCH)}
        for counts in self.seen:
            if before.pop(counts.prompt, None) != counts:
                self.file.write(self.ROW.pack(*counts))
        for prompt in before:
            self.file.write(self.ROW.pack(prompt, 0, 0, 0))
        self.seen.clear()

    def write_ranking_changes(self, stored: QuerySet[RankingDisagreement]) -> None:
        rows = stored.values_list("ranking", "comparisons", "against")
        before = {row[0]: RankingCounts(*row) for row in rows.iterator(BATCH)}
        for counts in self.seen_rankings:
            if before.pop(counts.ranking, None) != counts:
                self.ranking_file.write(self.RANKING_ROW.pack(*counts))
        for ranking in before:
            self.ranking_file.write(self.RANKING_ROW.pack(ranking, 0, 0))
        self.seen_rankings.clear()

    def store(self) -> None:
        """Store all changes in one transaction."""
        self.write_changes()
        if not self.file.tell() and not self.ranking_file.tell():
            return
        self.file.seek(0)
        self.ranking_file.seek(0)
        with transaction.atomic():
            while chunk := self.file.read(BATCH * self.ROW.size):
                self.apply([PromptCounts(*row) for row in self.ROW.iter_unpack(chunk)])
            while chunk := self.ranking_file.read(BATCH * self.RANKING_ROW.size):
                rows = self.RANKING_ROW.iter_unpack(chunk)
                self.apply_to_rankings([RankingCounts(*row) for row in rows])

    def apply(self, changes: Sequence[PromptCounts]) -> None:
        """Apply changes to the database, and skip prompts that were deleted meanwhile."""
        resolved = [change.prompt for change in changes if not change.comparisons]
        Disagreement.objects.filter(prompt__in=resolved).delete()
        with connection.cursor() as cursor:
            cursor.executemany(
                UPSERT,
                [
                    (self.project.pk, *change[1:], change.share, change.prompt)
                    for change in changes
                    if change.comparisons
                ],
            )

    def apply_to_rankings(self, changes: Sequence[RankingCounts]) -> None:
        """Apply changes to the database, and skip rankings that were deleted meanwhile."""
        resolved = [change.ranking for change in changes if not change.comparisons]
        RankingDisagreement.objects.filter(ranking__in=resolved).delete()
        with connection.cursor() as cursor:
            cursor.executemany(
                UPSERT_RANKING,
                [
                    (change.comparisons, change.against, change.share, change.ranking)
                    for change in changes
                    if change.comparisons
                ],
            )


# ---- the list ----


@dataclass(frozen=True)
class ListedPrompt:
    """A prompt in the list."""

    disagreement: Disagreement
    adjudicated: bool
    comments: int


@dataclass(frozen=True)
class Page:
    rows: list[ListedPrompt]
    next: str  # `after` of the next page; empty at the end


def page(*, project: Project, show: str = "", after: str = "") -> Page:
    """Return a page of prompts on which labellers disagree, biggest disagreements first.

    `show` is one of FILTERS, and `after` the position of the last prompt of the previous page. An
    invalid position gives the first page.
    """
    listed: list[Disagreement] = []
    for part in ranges_from(filtered(project, show).select_related("prompt"), after):
        if len(listed) <= PAGE_SIZE:
            listed += part[: PAGE_SIZE + 1 - len(listed)]
    more = len(listed) > PAGE_SIZE
    return Page(rows(listed[:PAGE_SIZE]), position(listed[PAGE_SIZE - 1]) if more else "")


def filtered(project: Project, show: str) -> QuerySet[Disagreement]:
    """Return the disagreements that a filter shows."""
    disagreements = Disagreement.objects.worst_first(project).filter(share__gt=0)
    if show == "adjudicated":
        # Adjudicated prompts are few, so they are found from their rankings.
        adjudicated = ADJUDICATED.filter(prompt__project=project)
        return disagreements.filter(prompt__in=adjudicated.values("prompt"))
    if show == "":
        return disagreements.undecided()
    return disagreements


def position(disagreement: Disagreement) -> str:
    return f"{disagreement.against}.{disagreement.comparisons}.{disagreement.prompt_id}"


def ranges_from(
    disagreements: QuerySet[Disagreement], after: str, *, back: bool = False
) -> list[QuerySet[Disagreement]]:
    """Return the disagreements after a position, as index ranges to be read one after the other.

    With `back`, return those before it, nearest first.
    """
    try:
        against, comparisons, prompt = (int(number) for number in after.split("."))
        share = against / comparisons
    except (ValueError, ZeroDivisionError, OverflowError):
        return [disagreements]
    if min(against, prompt) < 0 or max(against, prompt) >= 2**63:
        return [disagreements]
    if back:
        backwards = disagreements.order_by("share", "against", "-prompt_id")
        return [
            backwards.filter(share=share, against=against, prompt__lt=prompt),
            backwards.filter(share=share, against__gt=against),
            backwards.filter(share__gt=share),
        ]
    return [
        disagreements.filter(share=share, against=against, prompt__gt=prompt),
        disagreements.filter(share=share, against__lt=against),
        disagreements.filter(share__lt=share),
    ]


def rows(disagreements: Sequence[Disagreement]) -> list[ListedPrompt]:
    prompts = [one.prompt_id for one in disagreements]
    adjudicated = set(ADJUDICATED.filter(prompt__in=prompts).values_list("prompt", flat=True))
    written = Comment.objects.filter(prompt__in=prompts).order_by().values_list("prompt")
    comments = dict(written.annotate(Count("pk")))
    return [
        ListedPrompt(one, one.prompt_id in adjudicated, comments.get(one.prompt_id, 0))
        for one in disagreements
    ]


def neighbours(disagreement: Disagreement, show: str) -> tuple[int | None, int | None]:
    """Return the prompts before and after one in a list; None at its ends."""
    listed = filtered(disagreement.project, show)

    def nearest(*, back: bool) -> int | None:
        ranges = ranges_from(listed, position(disagreement), back=back)
        near = (part.first() for part in ranges)
        first = next((one for one in near if one is not None), None)
        return first.prompt_id if first else None

    return nearest(back=True), nearest(back=False)
