"""Count the comparisons on which a project's labellers disagree.

Disagreements are counted while agreement is measured (labelapp/quality/measurement.py) and stored,
so that the list is read from an index, however many rankings there are.
"""

import struct
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import combinations
from typing import IO, Any, NamedTuple, Self

from django.db import connection, transaction
from django.db.models import Model, QuerySet

from labelapp.models import Disagreement, Project, RankingDisagreement
from labelapp.quality.rankings import MeasuredRanking

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


class RankingCounts(NamedTuple):
    """The counts of a ranking's disagreements with the rankings of others that count."""

    ranking: int
    comparisons: int
    against: int


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


@dataclass
class Changes:
    """The changed counts of a table, in a temporary file until all are known.

    `counts` names their columns, the first of which is the key. `upsert` stores the counts of a row
    that is still there.
    """

    counts: type[PromptCounts | RankingCounts]
    model: type[Model]
    upsert: str
    file: IO[bytes]

    def __post_init__(self) -> None:
        self.key, *self.columns = self.counts._fields
        self.row = struct.Struct(f"<{len(self.counts._fields)}q")
        self.seen: list[PromptCounts | RankingCounts] = []

    def write(self, stored: QuerySet[Any]) -> None:
        """Write what was seen and differs from what is stored, and what was not seen any more."""
        rows = stored.values_list(self.key, *self.columns)
        before = {row[0]: row for row in rows.iterator(BATCH)}
        for counts in self.seen:
            if before.pop(counts[0], None) != counts:
                self.file.write(self.row.pack(*counts))
        for key in before:
            self.file.write(self.row.pack(key, *(0 for _ in self.columns)))
        self.seen.clear()

    def store(self, *values: int) -> None:
        """Apply the changes to the database; rows that were deleted meanwhile are skipped.

        `values` precede the counts in the statement.
        """
        self.file.seek(0)
        while chunk := self.file.read(BATCH * self.row.size):
            changes = [self.counts(*row) for row in self.row.iter_unpack(chunk)]
            resolved = [change[0] for change in changes if not change.comparisons]
            self.model._default_manager.filter(**{f"{self.key}__in": resolved}).delete()
            with connection.cursor() as cursor:
                cursor.executemany(
                    self.upsert,
                    [
                        (*values, *change[1:], change.against / change.comparisons, change[0])
                        for change in changes
                        if change.comparisons
                    ],
                )


class Recorder:
    """Records disagreements of prompts and rankings, by prompt id, and stores the changes.

    The changes are held in temporary files until all prompts are counted, so that memory does not
    grow, and that readers see either the previous measurement or the new one.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.last = 0  # the last prompt whose changes are in the files

    def __enter__(self) -> Self:
        self.files = ExitStack()
        file = self.files.enter_context(tempfile.TemporaryFile())
        self.prompts = Changes(PromptCounts, Disagreement, UPSERT, file)
        file = self.files.enter_context(tempfile.TemporaryFile())
        self.rankings = Changes(RankingCounts, RankingDisagreement, UPSERT_RANKING, file)
        return self

    def __exit__(self, *error: object) -> None:
        self.files.close()

    def record(
        self, prompts: Iterable[Sequence[MeasuredRanking]]
    ) -> Iterator[Sequence[MeasuredRanking]]:
        """Yield the rankings of each prompt that count, and record the disagreements of all."""
        for rankings in prompts:
            prompt = rankings[0].prompt
            if len(rankings) > 1 and prompt is not None:
                self.count(prompt, rankings)
                if len(self.prompts.seen) >= BATCH or len(self.rankings.seen) >= 4 * BATCH:
                    self.write_changes(until=prompt)
            if counting := [ranking for ranking in rankings if not ranking.excluded]:
                yield counting

    def count(self, prompt: int, rankings: Sequence[MeasuredRanking]) -> None:
        """Count the disagreements of a prompt and of each of its rankings."""
        each = count_each(rankings)
        comparisons, against = of_prompt(rankings, each)
        if comparisons:
            labellers = len({ranking.member for ranking in rankings if not ranking.excluded})
            self.prompts.seen.append(PromptCounts(prompt, labellers, comparisons, against))
        for ranking, counts in zip(rankings, each, strict=True):
            if ranking.ranking is not None and counts[0]:
                self.rankings.seen.append(RankingCounts(ranking.ranking, *counts))

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
        self.rankings.write(stored_rankings)
        self.prompts.write(stored)

    def store(self) -> None:
        """Store all changes in one transaction."""
        self.write_changes()
        if not self.prompts.file.tell() and not self.rankings.file.tell():
            return
        with transaction.atomic():
            self.prompts.store(self.project.pk)
            self.rankings.store()
