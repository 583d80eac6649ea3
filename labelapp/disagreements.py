"""Disagreements: the prompts on which a project's labellers say otherwise than each other.

They are counted while agreement is measured (labelapp/agreement.py) and kept, so that the list is
read from an index, however many rankings there are.
"""

import struct
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from types import TracebackType
from typing import NamedTuple, Self

from django.db import connection, transaction

from labelapp.agreement import Ranked
from labelapp.models import Disagreement, Project

BATCH = 2000  # prompts compared and written at a time

# While they are written SQLite lets nobody else write. Django's bulk_create takes seven times as
# long: ten seconds for 200,000 prompts, where this takes one and a half.
WRITE = """
    INSERT INTO labelapp_disagreement
        (prompt_id, project_id, labellers, comparisons, against, share)
    SELECT id, %s, %s, %s, %s, %s FROM labelapp_prompt WHERE id = %s
    ON CONFLICT (prompt_id) DO UPDATE SET labellers = excluded.labellers,
        comparisons = excluded.comparisons, against = excluded.against, share = excluded.share"""


class Counted(NamedTuple):
    """How far the labellers of a prompt disagree."""

    prompt: int
    labellers: int
    comparisons: int  # of two labellers who both ranked a pair apart; 0: no disagreement is known
    against: int  # of those, the ones that they order differently

    @property
    def share(self) -> float:
        return self.against / self.comparisons


def count(ranked: Sequence[Ranked]) -> tuple[int, int]:
    """(comparisons, against) of a prompt's rankings.

    Every two labellers are compared on every pair of responses that both ranked apart: of f who say
    one thing of a pair and g who say the other, f·g comparisons are against. Two rankings by one
    labeller, of different draws, are not compared.
    """
    sides: defaultdict[tuple[int, int], tuple[list[int], list[int]]]
    sides = defaultdict(lambda: ([], []))
    for ranking in ranked:
        for (one, rank), (other, other_rank) in combinations(sorted(ranking.ranks.items()), 2):
            if rank != other_rank:
                sides[one, other][rank > other_rank].append(ranking.member)
    comparisons = against = 0
    for first, second in sides.values():
        f, g = Counter(first), Counter(second)
        both = f + g
        total = len(first) + len(second)
        comparisons += (total * total - sum(n * n for n in both.values())) // 2
        against += len(first) * len(second) - sum(f[member] * g[member] for member in f)
    return comparisons, against


class Recorder:
    """Notes the disagreements of prompts on their way, and stores what has changed.

    With prompts in the order of their ids. What changed lies in a temporary file until all have
    come: memory does not grow, and whoever reads sees all of the last measurement or all of this.
    """

    ROW = struct.Struct("<4q")

    def __init__(self, project: Project) -> None:
        self.project = project
        self.seen: list[Counted] = []
        self.last = 0  # the prompt up to which changes are known
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 - closed on leaving

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.file.close()

    def recorded(self, prompts: Iterable[Sequence[Ranked]]) -> Iterator[Sequence[Ranked]]:
        """The prompts as they come."""
        for ranked in prompts:
            labellers = len({ranking.member for ranking in ranked})
            prompt = ranked[0].prompt
            if labellers > 1 and prompt is not None:
                comparisons, against = count(ranked)
                if comparisons:
                    self.seen.append(Counted(prompt, labellers, comparisons, against))
                    if len(self.seen) == BATCH:
                        self.compare(until=prompt)
            yield ranked

    def compare(self, until: int | None = None) -> None:
        """Note how what was seen differs from what is stored, up to a prompt or to the end."""
        stored = Disagreement.objects.filter(project=self.project, prompt__gt=self.last)
        if until is not None:
            stored = stored.filter(prompt__lte=until)
            self.last = until
        rows = stored.values_list("prompt", "labellers", "comparisons", "against")
        before = {row[0]: Counted(*row) for row in rows.iterator(BATCH)}
        for found in self.seen:
            if before.pop(found.prompt, None) != found:
                self.file.write(self.ROW.pack(*found))
        for prompt in before:
            self.file.write(self.ROW.pack(prompt, 0, 0, 0))
        self.seen.clear()

    def store(self) -> None:
        """Write the changes, all at once."""
        self.compare()
        if not self.file.tell():
            return
        self.file.seek(0)
        with transaction.atomic():
            while chunk := self.file.read(BATCH * self.ROW.size):
                self.write([Counted(*row) for row in self.ROW.iter_unpack(chunk)])

    def write(self, changes: Sequence[Counted]) -> None:
        """Write some changes. Prompts that were deleted meanwhile are passed over."""
        gone = [change.prompt for change in changes if not change.comparisons]
        Disagreement.objects.filter(prompt__in=gone).delete()
        with connection.cursor() as cursor:
            cursor.executemany(
                WRITE,
                [
                    (self.project.pk, *change[1:], change.share, change.prompt)
                    for change in changes
                    if change.comparisons
                ],
            )
