"""The state that the parts of an import share: lines, and the members they name."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db.models import F

from labelapp.db.bulk import pieces
from labelapp.models import Member, Project
from training.formats.ranking_file import Line

NAMES_PER_QUERY = 1000
CACHED_NAMES = 20_000  # few projects have as many labellers


@dataclass
class Entry:
    """A line of a file while it is imported."""

    line: Line
    content_hash: str
    responses: dict[str, str]  # id in the file -> content hash
    external_id: str | None = None
    prompt_id: int = 0
    response_ids: dict[str, int] = field(default_factory=dict)  # id in the file -> row
    added: bool = False  # the line added something new
    refused: bool = False  # the line turned out to be bad

    def names(self, unknown: str) -> Iterator[str]:
        """Yield everybody the line names; `unknown` for a ranking that names nobody."""
        if self.line.ranking is not None:
            yield self.line.labeller or unknown
        if self.line.state is not None:
            yield from (task.labeller for task in self.line.state.tasks)
            yield from (comment.by for comment in self.line.state.comments)
            yield from self.line.state.assigned


class People:
    """Members by name: of a project, or the copies of them that staged rows refer to.

    Unknown names become members without a login.
    """

    def __init__(self, project: Project, staging: Project) -> None:
        self.project = project
        self.staging = staging
        self.ids: dict[str, int] = {}
        self.new: set[str] = set()  # names that the project does not have
        self.ranked: Counter[str] = Counter()  # imported assignments that each member ranked

    def __getitem__(self, name: str) -> int:
        """Return the id of a member. Raises KeyError unless the last get_or_create named it."""
        return self.ids[name]

    def get_or_create(self, names: set[str]) -> None:
        """Find or add these members, and know their ids until the next call."""
        if len(self.ids) > CACHED_NAMES:
            self.ids.clear()
        for some in pieces(sorted(names - self.ids.keys()), NAMES_PER_QUERY):
            existing = Member.objects.filter(project__in={self.project, self.staging})
            rows = existing.filter(name__in=some).values_list("name", "project", "pk")
            self.ids |= {name: pk for name, project, pk in rows if project == self.staging.pk}
            new = [Member(project=self.staging, name=n) for n in some if n not in self.ids]
            Member.objects.bulk_create(new)
            self.ids |= {member.name: member.pk for member in new}
            self.new |= {member.name for member in new} - {name for name, *_ in rows}

    def count_ranked(self, *, new: bool) -> None:
        """Add to the members' counts of ranked prompts: the `new` members, or the others."""
        for name, count in sorted(self.ranked.items()):
            if (name in self.new) == new:
                member = Member.objects.filter(project=self.project, name=name)
                # The count of today's rankings is computed anew when it is read.
                member.update(ranked=F("ranked") + count, ranked_on=None)
