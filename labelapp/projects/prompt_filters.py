"""Filters and orders of the list of prompts, and their form in a query string."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from django.db.models import (
    Count,
    Exists,
    IntegerField,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Length, Replace, Trim
from django.utils.datastructures import MultiValueDict
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy, pgettext_lazy

from labelapp.db.contents import Contents, search_prompts
from labelapp.models import (
    Assignee,
    Assignment,
    Disagreement,
    Origin,
    Project,
    Prompt,
    PromptTag,
    Ranking,
    Response,
)
from labelapp.projects.progress import HELD
from labelapp.web.query import key_of, text_of

MAX_TEXT = 200  # characters of a search or a source

MAX_WORDS = 1_000_000
MAX_K = 99
MAX_COLUMNS = 5  # of metadata

# The filters by state, by their name in the URL.
STATES = {
    "": pgettext_lazy("prompts", "All"),
    "waiting": gettext_lazy("Waiting"),
    "work": gettext_lazy("In progress"),
    "done": gettext_lazy("Done"),
    "skipped": gettext_lazy("Skipped"),
    "unqueued": gettext_lazy("Not queued"),
    "stuck": gettext_lazy("Assigned, nobody left"),
    "names": gettext_lazy("Reveals its model"),
    "gold": gettext_lazy("Gold"),
}
RANKED = {
    "": pgettext_lazy("rankings", "All"),
    "imported": gettext_lazy("With imported rankings"),
    "here": gettext_lazy("Ranked here"),
    "none": gettext_lazy("Without rankings"),
}
DISAGREE = {
    "": pgettext_lazy("agreement", "All"),
    "yes": gettext_lazy("Labellers disagree"),
    "open": gettext_lazy("Labellers disagree, not adjudicated"),
    "no": gettext_lazy("Labellers agree"),
}
LENGTHS = {
    "": gettext_lazy("The longest response"),
    "prompt": gettext_lazy("The prompt"),
}
NARROWING = (
    "labeller", "source", "ranked", "disagree", "assigned", "tag", "least", "most", "k",
)  # fmt: skip
METADATA = "metadata:"  # begins the name of an order by a key of the metadata
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
    assigned: int = 0  # primary key of a member to whom it is assigned
    tag: str = ""
    length: str = ""  # one of LENGTHS, of which there are
    least: int = 0  # words, and
    most: int = 0  # words; 0 for no limit
    k: int = 0  # responses; 0 for any number
    columns: str = ""  # keys of metadata, separated by commas
    # One of SORTS, or METADATA and a key in columns, with a minus for the highest first.
    sort: str = ""  # "": import or queue

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "PromptFilter":
        """Return the filter of an address, without values that make no sense."""
        choices = {"show": STATES, "ranked": RANKED, "disagree": DISAGREE, "length": LENGTHS}
        chosen: dict[str, Any] = {
            name: query.get(name, "") for name, known in choices.items() if query.get(name) in known
        }
        for name in ("q", "source", "tag"):
            chosen[name] = text_of(query, name, MAX_TEXT)
        numbers = {"labeller": 0, "assigned": 0, "least": MAX_WORDS, "most": MAX_WORDS, "k": MAX_K}
        for name, largest in numbers.items():
            if (number := key_of(query.get(name, ""))) is not None:
                chosen[name] = min(number, largest or number)
        given = query.getlist("columns") if isinstance(query, MultiValueDict) else []
        keys = dict.fromkeys(key for text in given for key in text.split(",") if key)
        chosen["columns"] = ",".join(list(keys)[:MAX_COLUMNS]).replace("\0", "")[:MAX_TEXT]
        columns = {f"{METADATA}{key}" for key in chosen["columns"].split(",") if key}
        if (sort := query.get("sort", "")).removeprefix("-") in columns.union(SORTS):
            chosen["sort"] = sort
        return cls(**chosen)

    @property
    def keys(self) -> list[str]:
        """Return the keys of metadata that are columns."""
        return self.columns.split(",") if self.columns else []

    @property
    def is_narrowed(self) -> bool:
        """Return True if more than the state and the search narrow the list."""
        return any(getattr(self, name) for name in NARROWING)

    def query(self, **changes: Any) -> str:
        """Return the query string of this filter, with some values changed."""
        changed = replace(self, **changes)
        values = {one.name: getattr(changed, one.name) for one in fields(changed)}
        return urlencode({name: value for name, value in values.items() if value})

    def sorted_by(self, column: str) -> str:
        """Return the query string that sorts by a column, the other way round at a second click."""
        first = column if column.startswith(("prompt", METADATA)) else f"-{column}"
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
    if chosen.assigned:
        given = Assignee.objects.filter(member=chosen.assigned, member__project=project)
        prompts = prompts.filter(pk__in=given.values("prompt"))
    if chosen.tag:
        tagged = PromptTag.objects.filter(tag__project=project, tag__name=chosen.tag)
        prompts = prompts.filter(pk__in=tagged.values("prompt"))
    return of_length(prompts, chosen)


def of_length(prompts: QuerySet[Prompt], chosen: PromptFilter) -> QuerySet[Prompt]:
    """Return the prompts with so many responses, and texts of so many words."""
    responses = Response.objects.filter(prompt=OuterRef("pk")).order_by().values("prompt")
    if chosen.k:
        number = Subquery(responses.annotate(n=Count("pk")).values("n"))
        prompts = prompts.alias(k=number).filter(k=chosen.k)
    if not (chosen.least or chosen.most):
        return prompts
    if chosen.length == "prompt":
        words: Any = word_count(Contents("messages"))
    else:
        longest = responses.annotate(longest=Max(word_count("text"))).values("longest")
        words = Subquery(longest, output_field=IntegerField())
    prompts = prompts.alias(words=words)
    if chosen.least:
        prompts = prompts.filter(words__gte=chosen.least)
    return prompts.filter(words__lte=chosen.most) if chosen.most else prompts


def word_count(text: Any) -> Any:
    """Return the number of words of a text: one more than the spaces and line breaks within."""
    trimmed = Trim(text)
    packed = Replace(Replace(trimmed, Value(" ")), Value("\n"))
    return Length(trimmed) - Length(packed) + 1


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
    if shown == "stuck":
        waiting = Assignee.objects.filter(
            prompt=OuterRef("pk"), waits=True, member__is_active=True, member__user__is_active=True
        )
        begun = assignments.filter(HELD, prompt=OuterRef("pk"))
        return prompts.filter(
            ~Exists(waiting), ~Exists(begun), reserved=True, rankings_needed__gt=0
        )
    if shown == "gold":
        return prompts.filter(pk__in=Ranking.objects.filter(is_gold=True).values("prompt"))
    if shown == "names":
        return prompts.filter(pk__in=naming_themselves(project).values("prompt"))
    return prompts


def naming_themselves(project: Project) -> QuerySet[Response]:
    """Return the project's responses that reveal the model that wrote them."""
    return Response.objects.filter(prompt__project=project, names_itself=True)
