"""What the parts of an import share: a line on its way, the people it names, rows to be written."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db.models import F

from labelapp.db.bulk import pieces
from labelapp.models import Member, Project
from training.formats.ranking_file import Line

NAMES_AT_ONCE = 1000  # in a statement
NAMES_KEPT = 20_000  # in memory: few projects have as many labellers


@dataclass
class Entry:
    """A line on its way into the database."""

    line: Line
    content_hash: str
    responses: dict[str, str]  # id in the file -> content hash
    prompt_id: int = 0
    response_ids: dict[str, int] = field(default_factory=dict)  # id in the file -> row
    added: bool = False  # something that was not there
    refused: bool = False  # found bad on the way

    def names(self, unknown: str) -> Iterator[str]:
        """Everybody whom the line names; `unknown` ranked where it says nobody."""
        if self.line.ranking is not None:
            yield self.line.labeller or unknown
        if self.line.state is not None:
            yield from (task.labeller for task in self.line.state.tasks)
            yield from (comment.by for comment in self.line.state.comments)


class People:
    """A project's members by name. Who is not there is added: a name and no login."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.ids: dict[str, int] = {}
        self.new: set[int] = set()
        self.ranked: Counter[int] = Counter()  # prompts that the import says a member has ranked

    def __getitem__(self, name: str) -> int:
        """Raises KeyError for a name that was not met."""
        return self.ids[name]

    def meet(self, names: set[str]) -> None:
        """Find or add members, so that their rows are known until the next call."""
        if len(self.ids) > NAMES_KEPT:
            self.ids.clear()
        for some in pieces(sorted(names - self.ids.keys()), NAMES_AT_ONCE):
            found = self.project.members.filter(name__in=some)
            self.ids |= dict(found.values_list("name", "pk"))
            new = [Member(project=self.project, name=n) for n in some if n not in self.ids]
            Member.objects.bulk_create(new)
            self.ids |= {member.name: member.pk for member in new}
            self.new |= {member.pk for member in new}

    def count_ranked(self, *, new: bool) -> None:
        """Add to what the members have ranked: those that the import brought, or the others."""
        for pk, more in sorted(self.ranked.items()):
            if (pk in self.new) == new:
                member = Member.objects.filter(pk=pk)
                member.update(ranked=F("ranked") + more, ranked_on=None)  # the day is counted anew
