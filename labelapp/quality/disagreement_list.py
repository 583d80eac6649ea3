"""List the prompts on which a project's labellers disagree."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, Min, OuterRef, QuerySet
from django.utils.translation import gettext_lazy as _

from labelapp.db.cache import cached
from labelapp.models import Comment, Disagreement, Origin, Project, Ranking

PAGE_SIZE = 50
FILTERS = {  # by ?show=
    "": _("Not adjudicated yet"),
    "adjudicated": _("Adjudicated"),
    "all": _("All"),
}
ADJUDICATED = Ranking.objects.counting().filter(origin=Origin.ADJUDICATED)


@dataclass(frozen=True)
class ListedPrompt:
    """A prompt in the list."""

    disagreement: Disagreement
    adjudicated: bool
    comments: int


@dataclass(frozen=True)
class Undecided:
    """Hold the disagreements that nobody has adjudicated."""

    number: int
    since: datetime | None  # when the second labeller ranked the prompt of the oldest one


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


def undecided(project: Project) -> Undecided:
    """Return what is left to adjudicate. Of many disagreements, it may be a minute old."""
    name = f"undecided-{project.pk}"
    return cached(name, lambda: count_undecided(project), lambda found: 20 * found.number).value


def count_undecided(project: Project) -> Undecided:
    left = project.disagreements.undecided()
    number = left.count()
    given = Ranking.objects.counting()
    second = given.filter(Exists(given.filter(prompt=OuterRef("prompt"), pk__lt=OuterRef("pk"))))
    oldest = second.filter(prompt__in=left.values("prompt")).aggregate(at=Min("created_at"))
    return Undecided(number, oldest["at"])


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
