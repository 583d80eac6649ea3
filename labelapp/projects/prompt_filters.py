"""Which prompts a list shows, and in which order, with their form in an address."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from django.db.models import (
    Count,
    Exists,
    F,
    FloatField,
    IntegerField,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Coalesce
from django.utils.http import urlencode

from labelapp.db.contents import search_prompts
from labelapp.models import Assignment, Disagreement, Origin, Project, Prompt, Ranking, Response
from labelapp.projects.progress import HELD

MAX_TEXT = 200  # characters of a search or a source

# The filters by state, by their name in the URL.
STATES = {
    "": "All",
    "waiting": "Waiting",
    "work": "In progress",
    "done": "Done",
    "skipped": "Skipped",
    "unqueued": "Not queued",
    "names": "Reveals its model",
    "gold": "Gold",
}
RANKED = {
    "": "All",
    "imported": "With imported rankings",
    "here": "Ranked here",
    "none": "Without rankings",
}
DISAGREE = {
    "": "All",
    "yes": "Labellers disagree",
    "open": "Labellers disagree, not adjudicated",
    "no": "Labellers agree",
}
SORTS = ("prompt", "rankings", "progress", "wanted", "priority", "skips", "disagreement")


@dataclass(frozen=True)
class PromptFilter:
    """Filters that combine, and an order. The defaults show all prompts in the order of import."""

    show: str = ""  # one of STATES
    q: str = ""  # in the messages or the external id
    labeller: int = 0  # primary key of a member who ranked it
    source: str = ""  # of a response
    ranked: str = ""  # one of RANKED
    disagree: str = ""  # one of DISAGREE
    sort: str = ""  # one of SORTS, with a minus for the highest first; "": import or queue

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "PromptFilter":
        """Return the filter of an address, without values that make no sense."""
        choices = {"show": STATES, "ranked": RANKED, "disagree": DISAGREE}
        chosen: dict[str, Any] = {
            name: query.get(name, "") for name, known in choices.items() if query.get(name) in known
        }
        for name in ("q", "source"):
            chosen[name] = query.get(name, "").replace("\0", "").strip()[:MAX_TEXT]
        labeller, sort = query.get("labeller", ""), query.get("sort", "")
        if labeller.isascii() and labeller.isdigit() and len(labeller) <= 18:
            chosen["labeller"] = int(labeller)
        if sort.removeprefix("-") in SORTS:
            chosen["sort"] = sort
        return cls(**chosen)

    @property
    def is_narrowed(self) -> bool:
        """Return True if more than the state and the search narrow the list."""
        return bool(self.labeller or self.source or self.ranked or self.disagree)

    def query(self, **changes: Any) -> str:
        """Return the query string of this filter, with some values changed."""
        changed = replace(self, **changes)
        values = {one.name: getattr(changed, one.name) for one in fields(changed)}
        return urlencode({name: value for name, value in values.items() if value})

    def sorted_by(self, column: str) -> str:
        """Return the query string that sorts by a column, the other way round at a second click."""
        first = column if column == "prompt" else f"-{column}"
        other = column.removeprefix("-") if first.startswith("-") else f"-{column}"
        return self.query(sort=other if self.sort == first else first)


EVERY_PROMPT = PromptFilter()


def matching(project: Project, chosen: PromptFilter) -> QuerySet[Prompt]:
    """Return the prompts that a filter shows, in no order.

    Rare attributes are looked up in their own tables, by their own indexes.
    """
    prompts = search_prompts(of_state(project, chosen.show), chosen.q, project)
    rankings = Ranking.objects.by_labellers()
    if chosen.labeller:
        theirs = rankings.filter(member=chosen.labeller, member__project=project)
        prompts = prompts.filter(pk__in=theirs.values("prompt"))
    if chosen.source:
        written = Response.objects.filter(prompt=OuterRef("pk"), source=chosen.source)
        prompts = prompts.filter(Exists(written))
    if chosen.ranked:
        made = rankings.filter(prompt=OuterRef("pk"))
        conditions = {
            "imported": Exists(made.filter(origin=Origin.IMPORTED)),
            "here": Exists(made.filter(origin=Origin.HERE)),
            "none": ~Exists(made),
        }
        prompts = prompts.filter(conditions[chosen.ranked])
    if chosen.disagree:
        found = Disagreement.objects.filter(project=project)
        if chosen.disagree == "open":
            found = found.undecided()
        found = found.filter(share=0) if chosen.disagree == "no" else found.filter(share__gt=0)
        prompts = prompts.filter(pk__in=found.values("prompt"))
    return prompts


def of_state(project: Project, shown: str) -> QuerySet[Prompt]:
    """Return the prompts in one of STATES."""
    prompts = Prompt.objects.filter(project=project)
    assignments = Assignment.objects.filter(member__project=project)
    if shown == "waiting":
        return prompts.waiting()
    if shown == "work":
        return prompts.filter(pk__in=assignments.filter(HELD).values("prompt"))
    if shown == "done":
        # The few held ones have an index; a lookup by prompt would read every assignment.
        held = assignments.filter(HELD).values("prompt")
        return prompts.filter(~Q(pk__in=held), rankings_wanted__gt=0, rankings_needed=0)
    if shown == "skipped":
        return prompts.filter(pk__in=assignments.filter(skipped_at__isnull=False).values("prompt"))
    if shown == "unqueued":
        return prompts.filter(rankings_wanted=0)
    if shown == "gold":
        return prompts.filter(pk__in=Ranking.objects.filter(is_gold=True).values("prompt"))
    if shown == "names":
        return prompts.filter(pk__in=naming_themselves(project).values("prompt"))
    return prompts


def naming_themselves(project: Project) -> QuerySet[Response]:
    """Return the project's responses that reveal the model that wrote them."""
    return Response.objects.filter(prompt__project=project, names_itself=True)


# ---- orders ----


def with_key(prompts: QuerySet[Prompt], column: str) -> QuerySet[Prompt]:
    """Annotate prompts with `key`, the value by which a column sorts them."""
    rankings = Ranking.objects.by_labellers()
    assignments = Assignment.objects.all()
    keys: dict[str, Any] = {
        "prompt": F("pk"),
        "rankings": number_of(rankings),
        "progress": number_of(assignments.filter(HELD)),
        "wanted": F("rankings_wanted"),
        "priority": F("priority"),
        "skips": number_of(assignments.filter(skipped_at__isnull=False)),
        "disagreement": Coalesce("disagreement__share", -1.0, output_field=FloatField()),
    }
    return prompts.annotate(key=keys[column])


def number_of(rows: QuerySet[Any, Any]) -> Coalesce:
    """Return the number of rows that belong to the prompt of the outer query."""
    counted = rows.filter(prompt=OuterRef("pk")).order_by().values("prompt")
    return Coalesce(
        Subquery(counted.annotate(n=Count("pk")).values("n"), output_field=IntegerField()), 0
    )


def ranges_after(prompts: QuerySet[Prompt], chosen: PromptFilter, after: str) -> list[Any]:
    """Return the prompts after a cursor, as ranges to be read one after the other.

    An invalid cursor starts at the beginning.
    """
    column = chosen.sort.removeprefix("-")
    if not column and chosen.show == "waiting":
        prompts, column, backwards = prompts.annotate(key=F("priority")), "priority", True
    elif not column:
        prompts, column, backwards = prompts.annotate(key=F("pk")), "prompt", False
    else:
        prompts, backwards = with_key(prompts, column), chosen.sort.startswith("-")
    ordered = prompts.order_by("-key" if backwards else "key", "pk")
    try:
        text, _, number = after.rpartition("_")
        value, pk = float(text) if column == "disagreement" else int(text), int(number)
    except ValueError:
        return [ordered]
    if not -(2**63) <= value < 2**63 or not 0 <= pk < 2**63:
        return [ordered]
    beyond = "key__lt" if backwards else "key__gt"
    if column == "prompt":
        return [ordered.filter(**{"pk__lt" if backwards else "pk__gt": pk})]
    return [ordered.filter(Q(key=value), pk__gt=pk), ordered.filter(**{beyond: value})]


def cursor(prompt: Model) -> str:
    """Return the place of a prompt that ranges_after has annotated."""
    return f"{prompt.key!r}_{prompt.pk}"  # type: ignore[attr-defined]
