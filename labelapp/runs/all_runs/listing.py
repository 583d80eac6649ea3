"""The runs of a project in the order and the selection that their list shows.

Of every run only what the list is sorted and filtered by is read; those of a page are read whole.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Self

from django.http import QueryDict
from django.utils.http import urlencode
from django.utils.translation import gettext, gettext_lazy

from labelapp.models import Project, State
from labelapp.models.jobs import as_object, is_number
from labelapp.runs import changed_settings, leads
from labelapp.runs.caveats import comparison_letters
from labelapp.web.query import text_of

MAX_SEARCH = 200  # characters
NEWEST_FIRST = "-started"
HELD_OUT = "metrics__held_out"
READ = (
    "pk",
    "name",
    "note",
    "tags",
    "is_pinned",
    "state",
    "created_by__username",
    "created_at",
    "config",
    "metrics__seconds",
    "manifest__train_rankings",
    f"{HELD_OUT}__accuracy",
    f"{HELD_OUT}__accuracy_low",
    f"{HELD_OUT}__accuracy_high",
    f"{HELD_OUT}__baselines",
    f"{HELD_OUT}__prompts",
    f"{HELD_OUT}__comparisons",
    f"{HELD_OUT}__comparisons_sha256",
)
"""Where the database has the fields of an entry, in their order."""


@dataclass(frozen=True)
class Entry:
    """Hold what the list of runs is sorted and filtered by, for one run."""

    pk: int
    name: str
    note: str
    tags: str
    is_pinned: bool
    state: str
    starter: str | None
    started: datetime
    config: Any
    seconds: Any
    learned: Any
    accuracy: Any
    low: Any
    high: Any
    baselines: Any
    prompts: Any
    comparisons: Any
    digest: Any
    letter: str = ""

    @property
    def title(self) -> str:
        return self.name or gettext("Run %(number)s") % {"number": self.pk}

    @property
    def is_judged(self) -> bool:
        return is_number(self.accuracy)

    @cached_property
    def settings(self) -> list[str]:
        return changed_settings.in_words(as_object(self.config))

    @cached_property
    def lead(self) -> leads.Lead | None:
        return leads.best_baseline(self.baselines) if self.is_judged else None

    @cached_property
    def verdict(self) -> leads.ShortVerdict | None:
        held_out = {"baselines": as_object(self.baselines), "accuracy": self.accuracy}
        if is_number(self.prompts):
            held_out["prompts"] = self.prompts
        return leads.verdict(held_out) if self.is_judged else None

    @property
    def searched(self) -> str:
        """Return the text that a search looks in."""
        return " ".join((self.title, self.note, self.tags, *self.settings, self.starter or ""))


Key = Callable[[Entry], Any]
"""Returns what a run is sorted by, or None if there is nothing: it then comes last."""


@dataclass(frozen=True)
class Column:
    """A column of the list: its heading, what it sorts by, and the order of the first click."""

    heading: Any
    key: Key
    is_descending: bool = False
    compares: bool = False
    """True if the values may be compared only among runs judged on the same comparisons."""


def number(name: str) -> Key:
    """Return a key that is a number of the entry."""

    def key(entry: Entry) -> Any:
        value = getattr(entry, name)
        return value if is_number(value) else None

    return key


STATES = [State.QUEUED, State.RUNNING, State.DONE, State.STOPPED, State.FAILED]
COLUMNS = {
    "name": Column(
        gettext_lazy("Run"), lambda entry: (not entry.name, entry.name.casefold(), entry.pk)
    ),
    "state": Column(gettext_lazy("State"), lambda entry: STATES.index(State(entry.state))),
    "settings": Column(gettext_lazy("Settings that differ"), lambda entry: entry.settings or None),
    "learned": Column(gettext_lazy("Learned from"), number("learned"), True),
    "accuracy": Column(gettext_lazy("Held-out accuracy"), number("accuracy"), True, True),
    "lead": Column(
        gettext_lazy("Lead"), lambda e: e.lead.gain.value if e.lead else None, True, True
    ),
    "verdict": Column(
        gettext_lazy("Verdict"), lambda e: e.verdict.place if e.verdict else None, False, True
    ),
    "time": Column(gettext_lazy("Training time"), number("seconds")),
    "started": Column(gettext_lazy("Started"), lambda entry: entry.started, True),
}


@dataclass(frozen=True)
class Selection:
    """Choose the runs that the list shows, and their order; the query string has the same names."""

    state: str = ""
    tag: str = ""
    q: str = ""
    sort: str = NEWEST_FIRST
    run: tuple[str, ...] = ()  # ticked for a comparison

    @classmethod
    def of(cls, query: QueryDict) -> Self:
        """Read a query string. Values that mean nothing are left out."""
        state, sort = query.get("state", ""), query.get("sort", "")
        return cls(
            state=state if state in STATES else "",
            tag=query.get("tag", "").replace("\0", "")[:MAX_SEARCH],
            q=text_of(query, "q", MAX_SEARCH),
            sort=sort if sort.removeprefix("-") in COLUMNS else NEWEST_FIRST,
            run=tuple(key for key in query.getlist("run") if key.isdecimal()),
        )

    @property
    def column(self) -> Column:
        return COLUMNS[self.sort.removeprefix("-")]

    @property
    def is_filtered(self) -> bool:
        return bool(self.state or self.tag or self.q)

    def query(self, **changes: str) -> str:
        """Return the query string of this selection with changes, without empty values."""
        values = {"state": self.state, "tag": self.tag, "q": self.q, "sort": self.sort, **changes}
        if values["sort"] == NEWEST_FIRST:
            values["sort"] = ""
        pairs = [pair for pair in values.items() if pair[1]]
        return urlencode([*pairs, *(("run", key) for key in self.run)])

    def has(self, entry: Entry) -> bool:
        """Return True if a run is among those that the list shows."""
        return (
            (not self.state or entry.state == self.state)
            and (not self.tag or self.tag in entry.tags.split())
            and all(word in entry.searched.casefold() for word in self.q.casefold().split())
        )

    def arrange(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return the entries that are shown, in order; pinned ones are first.

        Figures that may not be compared are never put into one order: by such a column, runs that
        were judged on the same comparisons stand together.
        """
        shown = [entry for entry in entries if self.has(entry)]
        key = self.column.key
        known = [entry for entry in shown if key(entry) is not None]
        known.sort(key=key, reverse=self.sort.startswith("-"))
        arranged = known + [entry for entry in shown if key(entry) is None]
        if self.column.compares:
            order = {letter: place for place, letter in enumerate(letters(entries))}
            arranged.sort(key=lambda entry: (not entry.is_judged, order.get(entry.letter, 0)))
        return sorted(arranged, key=lambda entry: not entry.is_pinned)


def letters(entries: Sequence[Entry]) -> list[str]:
    """Return the letters of the held-out comparisons, those of the newest runs first."""
    return list(dict.fromkeys(entry.letter for entry in entries if entry.letter))


def entries_of(project: Project) -> list[Entry]:
    """Return the runs of a project, the newest first, with the letters of their comparisons."""
    entries = [Entry(*row) for row in project.runs.order_by("-pk").values_list(*READ)]
    digests = [str(one.digest or "") if one.is_judged else None for one in entries]
    marks = comparison_letters(digests)
    return [replace(one, letter=mark) for one, mark in zip(entries, marks, strict=True)]


def tags_of(entries: Sequence[Entry]) -> list[str]:
    """Return the tags of the runs, in alphabetical order."""
    return sorted({tag for entry in entries for tag in entry.tags.split()}, key=str.casefold)
