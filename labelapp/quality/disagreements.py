"""Disagreements: the prompts on which a project's labellers say otherwise than each other.

They are counted while agreement is measured (labelapp/quality/measurement.py) and kept, so that
the list is read from an index, however many rankings there are.
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
from django.db.models import Count, Exists, OuterRef, QuerySet

from labelapp.models import Comment, Disagreement, Origin, Project, Ranking
from labelapp.quality.rankings import Ranked

A_PAGE = 50
# What the list can show, by the word in its address.
SHOWN = {"": "Not adjudicated yet", "adjudicated": "Adjudicated", "all": "All"}
ADJUDICATED = Ranking.objects.filter(is_current=True, origin=Origin.ADJUDICATED)

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


# ---- the list ----


@dataclass(frozen=True)
class Row:
    """A prompt in the list."""

    found: Disagreement
    adjudicated: bool
    comments: int


@dataclass(frozen=True)
class Page:
    rows: list[Row]
    next: str  # where the next page begins; empty at the end


def page(*, project: Project, shown: str = "", after: str = "") -> Page:
    """A page of prompts on which labellers disagree, those first on which they do so most.

    `after` is where the page before ended; one that cannot be read is the beginning.
    """
    found: list[Disagreement] = []
    for part in parts(chosen(project, shown).select_related("prompt"), after):
        if len(found) <= A_PAGE:
            found += part[: A_PAGE + 1 - len(found)]
    more = len(found) > A_PAGE
    return Page(rows(found[:A_PAGE]), place(found[A_PAGE - 1]) if more else "")


def chosen(project: Project, shown: str) -> QuerySet[Disagreement]:
    """The prompts of a list. Those that are adjudicated are few: they are looked up from there."""
    found = Disagreement.objects.worst_first(project).filter(share__gt=0)
    if shown == "adjudicated":
        return found.filter(prompt__in=ADJUDICATED.filter(prompt__project=project).values("prompt"))
    if shown == "":
        return found.filter(~Exists(ADJUDICATED.filter(prompt=OuterRef("prompt"))))
    return found


def place(found: Disagreement) -> str:
    return f"{found.against}.{found.comparisons}.{found.prompt_id}"


def parts(
    found: QuerySet[Disagreement], after: str, *, back: bool = False
) -> list[QuerySet[Disagreement]]:
    """What follows a place, as ranges of an index that are read one after the other.

    With `back`, what comes before it, the nearest first.
    """
    try:
        against, comparisons, prompt = (int(number) for number in after.split("."))
        share = against / comparisons
    except (ValueError, ZeroDivisionError, OverflowError):
        return [found]
    if min(against, prompt) < 0 or max(against, prompt) >= 2**63:
        return [found]
    if back:
        found = found.order_by("share", "against", "-prompt_id")
        return [
            found.filter(share=share, against=against, prompt__lt=prompt),
            found.filter(share=share, against__gt=against),
            found.filter(share__gt=share),
        ]
    return [
        found.filter(share=share, against=against, prompt__gt=prompt),
        found.filter(share=share, against__lt=against),
        found.filter(share__lt=share),
    ]


def rows(found: Sequence[Disagreement]) -> list[Row]:
    prompts = [one.prompt_id for one in found]
    adjudicated = set(ADJUDICATED.filter(prompt__in=prompts).values_list("prompt", flat=True))
    written = Comment.objects.filter(prompt__in=prompts).order_by().values_list("prompt")
    comments = dict(written.annotate(Count("pk")))
    return [Row(one, one.prompt_id in adjudicated, comments.get(one.prompt_id, 0)) for one in found]


def neighbours(found: Disagreement, shown: str) -> tuple[int | None, int | None]:
    """The prompts before and after one in a list; None at its ends."""
    listed = chosen(found.project, shown)

    def nearest(*, back: bool) -> int | None:
        near = (part.first() for part in parts(listed, place(found), back=back))
        first = next((one for one in near if one is not None), None)
        return first.prompt_id if first else None

    return nearest(back=True), nearest(back=False)
