"""Mark a practice ranking against the expected one, and keep how a member did the first time."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from django.utils import timezone

from labelapp.db.writer import write
from labelapp.models import Member, PracticeResult, Role
from training.rankings import UNRANKED


@dataclass(frozen=True)
class Pair:
    """Two responses that were not ordered as expected."""

    better: str  # letters
    worse: str
    tied: bool  # they were given the same rank; otherwise the other way round


@dataclass(frozen=True)
class Marks:
    """Count the pairs that were compared, and hold those that were not ordered as expected."""

    compared: int
    wrong: list[Pair]

    @property
    def agreeing(self) -> int:
        return self.compared - len(self.wrong)


def mark(expected: Mapping[str, int], given: Mapping[str, int]) -> Marks:
    """Compare two rankings by letter; responses that were given no rank are below the others.

    Pairs that are expected to be equal are not compared, nor are two without a rank.
    """
    ranks = {letter: given.get(letter, UNRANKED) for letter in expected}
    pairs = [
        (one, other) if expected[one] < expected[other] else (other, one)
        for one, other in combinations(sorted(expected), 2)
        if expected[one] != expected[other] and {ranks[one], ranks[other]} != {UNRANKED}
    ]
    wrong = [
        Pair(better, worse, tied=ranks[better] == ranks[worse])
        for better, worse in pairs
        if ranks[better] >= ranks[worse]
    ]
    return Marks(len(pairs), wrong)


def needs_practice(member: Member) -> bool:
    """Return whether a labeller begins with the practice prompts now."""
    if not member.project.practice or member.project.is_archived:
        return False
    if member.pk is None or member.role != Role.LABELLER or member.ranked:
        return False
    done = PracticeResult.objects.filter(member=member, finished_at__isnull=False)
    return not done.exists()


def result_of(member: Member) -> PracticeResult | None:
    """Return a member's result, if they have begun to practise."""
    return PracticeResult.objects.filter(member=member.pk).first()


def record(member: Member, *, place: int, total: int, marks: Marks) -> None:
    """Keep the marks of a member's first try, unless they have finished or skipped practising."""
    if member.pk is None:
        return
    with write():
        result = begin(member, total)
        if result.finished_at is not None:
            return
        result.pairs.setdefault(str(place), [marks.agreeing, marks.compared])
        # A manager may have added or removed some since the first one.
        result.prompts = max(total, len(result.pairs))
        if all(str(each) in result.pairs for each in range(1, total + 1)):
            result.finished_at = timezone.now()
        result.save(update_fields=["prompts", "pairs", "finished_at"])


def skip(member: Member, *, total: int) -> None:
    """Record that a member wants to practise no further."""
    if member.pk is None:
        return
    with write():
        result = begin(member, total)
        if result.finished_at is None:
            result.finished_at = timezone.now()
            result.save(update_fields=["finished_at"])


def begin(member: Member, total: int) -> PracticeResult:
    """Return the locked result of a member; it is made if they have none."""
    results = PracticeResult.objects.select_for_update()
    return results.get_or_create(member=member, defaults={"prompts": total})[0]
