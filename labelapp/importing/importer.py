"""Importing: ranking files to rows, all of a file or nothing of it.

A file is read as a stream, line by line, and written in batches inside one transaction. Each bad
line is reported with its number and reason; unless bad lines are to be skipped, one of them takes
the whole import back. What is there already is left as it is, so a second import adds nothing.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from labelapp.db.bulk import insert_rows
from labelapp.db.retry import patiently
from labelapp.importing.assignments import add_comments, add_tasks
from labelapp.importing.entries import Entry, People
from labelapp.importing.rankings import Verdicts, verdicts_of
from labelapp.labelling.assignments import look_from_the_top
from labelapp.labelling.blinding import names_itself
from labelapp.models import MIN_RESPONSES, Project, Prompt, Response, hash_text
from training.formats.archive_keys import PromptState
from training.formats.ranking_file import BadLine, Line
from training.rankings import prompt_hash

# Written at a time, whichever is reached first: few statements, little memory.
BATCH = 500  # lines
BATCH_CHARACTERS = 2**23  # of responses
UNKNOWN_LABELLER = "unknown"
PROMPT_COLUMNS = (
    "project",
    "messages",
    "content_hash",
    "external_id",
    "priority",
    "rankings_wanted",
    "rankings_needed",
    "taken_out",
    "created_at",
)


class ImportRefusedError(Exception):
    """The file has bad lines and nothing of it was imported."""

    def __init__(self, summary: "Summary") -> None:
        super().__init__(f"{summary.bad_lines} bad lines; nothing was imported")
        self.summary = summary


@dataclass
class Summary:
    """What an import did, in rows."""

    lines: int = 0
    bad_lines: int = 0
    prompts: int = 0
    responses: int = 0
    name_themselves: int = 0  # responses that say which model wrote them
    rankings: int = 0
    queued: int = 0  # prompts that now wait for labellers and did not before
    already_there: int = 0  # lines that added nothing
    rankings_left: int = 0  # rankings in a file of which only the prompts were asked for


def import_lines(
    project: Project,
    lines: Iterable[Line | BadLine],
    *,
    report: Callable[[BadLine], None],
    rankings: bool = True,
    labeller: str = UNKNOWN_LABELLER,
    skip_bad_lines: bool = False,
    finishing: Callable[[Summary], object] | None = None,
) -> Summary:
    """Import a stream of lines into a project.

    With `rankings`, a line that has a ranking adds it and a line that has none adds a prompt to
    be labelled; without, every line adds a prompt to be labelled and rankings are left alone.
    `labeller` made the rankings whose lines name nobody.
    Calls `report` for each bad line as it comes, and `finishing` at the end of the transaction:
    what it writes is stored with the rows, and what it raises takes them back.
    Raises ImportRefusedError where there are bad lines and `skip_bad_lines` is not set.
    """
    importer = Importer(project, report, rankings, labeller)
    with one_import(project):
        for batch in batches(lines):
            importer.write(batch)
        if importer.summary.bad_lines and not skip_bad_lines:
            raise ImportRefusedError(importer.summary)
        importer.people.count_ranked(new=True)
        if finishing is not None:
            finishing(importer.summary)
    # What is imported stays so: a busy database is waited for, and not by importing once more.
    patiently(importer.count_others)
    patiently(importer.call_back)
    return importer.summary


@contextmanager
def one_import(project: Project) -> Iterator[None]:
    """A transaction that PostgreSQL plans for the tables as they become in it.

    A prepared statement keeps the plan of its beginning: made for empty tables, it reads all of
    them at every batch, and an import becomes slower with each. The keys of all rows are checked
    at the end, one by one, and must not be planned one by one.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        # Two imports into one project take turns: each must see what the other has added.
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        yield
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL plan_cache_mode = auto")
            cursor.execute("DISCARD PLANS")  # an earlier import's, made when the tables were small


def import_prompts_to_fill(
    project: Project,
    lines: Iterable[Line | BadLine],
    *,
    report: Callable[[BadLine], None],
    skip_bad_lines: bool = False,
) -> Summary:
    """Import prompts that lack responses, some or all. None waits for labellers by that.

    Reports, refuses and skips bad lines as import_lines does.
    """
    importer = Importer(project, report, rankings=False, labeller=UNKNOWN_LABELLER)
    with one_import(project):
        for batch in batches(lines):
            importer.summary.lines += len(batch)
            entries = importer.without_clashes(list(importer.good(batch, fewest=0)))
            importer.add_prompts(entries)
            importer.add_responses(entries)
            importer.summary.already_there += sum(not entry.added for entry in entries)
        if importer.summary.bad_lines and not skip_bad_lines:
            raise ImportRefusedError(importer.summary)
    return importer.summary


def batches(lines: Iterable[Line | BadLine]) -> Iterator[list[Line | BadLine]]:
    batch: list[Line | BadLine] = []
    characters = 0
    for line in lines:
        batch.append(line)
        if isinstance(line, Line):
            characters += sum(len(response.text) for response in line.responses)
        if len(batch) >= BATCH or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


class Importer:
    """Writes batches of lines; holds what one batch must know of those before it."""

    def __init__(
        self,
        project: Project,
        report: Callable[[BadLine], None],
        rankings: bool,
        labeller: str,
    ) -> None:
        self.project = project
        self.report = report
        self.rankings = rankings
        self.labeller = labeller
        self.summary = Summary()
        self.people = People(project)
        self.new_prompts: set[int] = set()  # of the batch
        self.slots: Counter[int] = Counter()  # of those, how many count as taken
        self.highest_priority = Prompt().priority

    def write(self, batch: list[Line | BadLine]) -> None:
        """Write a batch. The number of statements does not grow with the lines in it."""
        self.summary.lines += len(batch)
        entries = self.without_clashes(list(self.good(batch)))
        self.add_prompts(entries)
        self.add_responses(entries)
        if self.rankings:
            self.people.meet({name for entry in entries for name in entry.names(self.labeller)})
            self.add_rankings([e for e in entries if e.line.ranking is not None])
            self.queue([e for e in entries if e.line.ranking is None])
            add_tasks(entries, self.people, self.slots, self.new_prompts)
            add_comments(entries, self.people, self.new_prompts)
        else:
            self.summary.rankings_left += sum(e.line.ranking is not None for e in entries)
            self.queue(entries)
        self.summary.already_there += sum(not e.added and not e.refused for e in entries)

    def good(self, batch: list[Line | BadLine], fewest: int = MIN_RESPONSES) -> Iterator[Entry]:
        """The lines that can be imported; the others are reported."""
        for line in batch:
            if isinstance(line, BadLine):
                self.refuse(line)
            elif self.is_queued(line) and len(line.responses) < fewest:
                reason = (
                    f"has {len(line.responses)} responses, and a prompt to be labelled needs "
                    f"at least {fewest}"
                )
                self.refuse(BadLine(line.number, reason))
            else:
                yield Entry(
                    line,
                    prompt_hash(line.messages),
                    {response.id: hash_text(response.text) for response in line.responses},
                )

    def wants_labelling(self, line: Line) -> bool:
        return line.ranking is None or not self.rankings

    def is_queued(self, line: Line) -> bool:
        """Whether its prompt is to wait for labellers, or did."""
        return self.wants_labelling(line) and (line.state is None or line.state.wanted != 0)

    def refuse(self, bad: BadLine) -> None:
        self.summary.bad_lines += 1
        self.report(bad)

    def without_clashes(self, entries: list[Entry]) -> list[Entry]:
        """The entries less those whose id, or whose prompt's id, is another already."""
        ids = {entry.line.external_id for entry in entries} - {None}
        if not ids:
            return entries
        hashes = {entry.content_hash for entry in entries}
        prompts = Prompt.objects.filter(project=self.project, external_id__isnull=False)
        pairs = prompts.filter(Q(external_id__in=ids) | Q(content_hash__in=hashes))
        hash_of = dict(pairs.values_list("external_id", "content_hash"))
        id_of = {content_hash: id_ for id_, content_hash in hash_of.items()}
        kept = []
        for entry in entries:
            id_ = entry.line.external_id
            if id_ is None:
                kept.append(entry)
            elif hash_of.setdefault(id_, entry.content_hash) != entry.content_hash:
                self.refuse(BadLine(entry.line.number, f"has the id {id_!r} of another prompt"))
            elif (first := id_of.setdefault(entry.content_hash, id_)) != id_:
                reason = f"has the id {id_!r}, but its prompt has the id {first!r} already"
                self.refuse(BadLine(entry.line.number, reason))
            else:
                kept.append(entry)
        return kept

    def add_prompts(self, entries: list[Entry]) -> None:
        """Find each entry's prompt, or add it; a prompt without an id takes the entry's."""
        hashes = {entry.content_hash for entry in entries}
        prompts = self.prompts_by_hash(hashes)
        new: dict[str, Prompt] = {}
        named: list[Prompt] = []
        states: dict[str, PromptState] = {}
        for entry in entries:
            if entry.line.state is not None:
                states.setdefault(entry.content_hash, entry.line.state)
            prompt = prompts.get(entry.content_hash) or new.get(entry.content_hash)
            if prompt is None:
                entry.added = True
                prompt = Prompt(messages=entry.line.messages, content_hash=entry.content_hash)
                new[entry.content_hash] = prompt
            if prompt.external_id is None and entry.line.external_id is not None:
                prompt.external_id = entry.line.external_id
                named += [prompt] if prompt.pk is not None else []
        self.insert_prompts(new, states)
        Prompt.objects.bulk_update(named, ["external_id"])
        prompts |= self.prompts_by_hash(new.keys())
        self.new_prompts = {prompts[content_hash].pk for content_hash in new}
        self.slots = Counter(
            {prompts[h].pk: state.slots for h, state in states.items() if h in new and state.slots}
        )
        for entry in entries:
            entry.prompt_id = prompts[entry.content_hash].pk
        self.summary.prompts += len(new)

    def prompts_by_hash(self, hashes: Collection[str]) -> dict[str, Prompt]:
        if not hashes:
            return {}
        there = Prompt.objects.filter(project=self.project, content_hash__in=hashes)
        return {prompt.content_hash: prompt for prompt in there.only("content_hash", "external_id")}

    def insert_prompts(self, new: dict[str, Prompt], states: dict[str, PromptState]) -> None:
        """Insert prompts, each in the state that a line gives it."""
        now = timezone.now()
        rows = []
        for content_hash, prompt in new.items():
            state = states.get(content_hash, PromptState())
            wanted = state.wanted or 0
            needed = 0 if state.taken_out else wanted - state.slots
            self.highest_priority = max(self.highest_priority, state.priority)
            self.summary.queued += needed > 0
            rows.append(
                (
                    *(self.project.pk, prompt.messages, content_hash, prompt.external_id),
                    *(state.priority, state.slots if state.taken_out else wanted, needed),
                    *(state.taken_out, state.created_at or now),
                )
            )
        insert_rows(Prompt, PROMPT_COLUMNS, rows)

    def add_responses(self, entries: list[Entry]) -> None:
        """Find each entry's responses, or add them."""
        prompts = {entry.prompt_id for entry in entries}
        known = response_ids(prompts)
        new: dict[tuple[int, str], tuple[str | int, ...]] = {}
        for entry in entries:
            for response in entry.line.responses:
                key = (entry.prompt_id, entry.responses[response.id])
                if key not in known and key not in new:
                    entry.added = True
                    new[key] = (
                        entry.prompt_id,
                        response.text,
                        response.source,
                        response.id,
                        key[1],
                        names_itself(response.text),
                    )
        columns = ("prompt", "text", "source", "external_id", "content_hash", "names_itself")
        insert_rows(Response, columns, new.values())
        self.summary.responses += len(new)
        self.summary.name_themselves += sum(row[-1] is True for row in new.values())
        placed = [entry for entry in entries if self.names_responses(entry.line)]
        if placed and new:
            known = response_ids(prompts)
        for entry in placed:
            entry.response_ids = {
                id_: known[entry.prompt_id, content_hash]
                for id_, content_hash in entry.responses.items()
            }

    def names_responses(self, line: Line) -> bool:
        """Whether rows will point to its responses."""
        return not self.wants_labelling(line) or bool(line.state and line.state.tasks)

    def queue(self, entries: list[Entry]) -> None:
        """Have the entries' prompts wait for labellers, if they do not already or did before."""
        wanted: dict[int, int] = {}
        for entry in entries:
            if self.is_queued(entry.line):
                said = entry.line.state.wanted if entry.line.state is not None else None
                wanted.setdefault(entry.prompt_id, said or self.project.rankings_per_prompt)
        unqueued = Prompt.objects.filter(pk__in=wanted, rankings_wanted=0, taken_out=False)
        queued = set(unqueued.values_list("pk", flat=True))
        for number in {wanted[pk] for pk in queued}:
            Prompt.objects.filter(pk__in=[pk for pk in queued if wanted[pk] == number]).update(
                rankings_wanted=number, rankings_needed=number
            )
        # Labellers may be past those that were there before without being wanted.
        Prompt.objects.filter(pk__in=queued - self.new_prompts).update(came_back=True)
        for entry in entries:
            entry.added |= entry.prompt_id in queued
        self.summary.queued += len(queued)

    def count_others(self) -> None:
        """Count what members who were there before have ranked; apart, as call_back is."""
        with transaction.atomic():
            self.people.count_ranked(new=False)

    def call_back(self) -> None:
        """Let labellers who are past the urgency of new prompts look from the top again.

        In a transaction of its own: a labeller who waits for a prompt that the import has locked
        holds their own row, and the import would wait for that.
        """
        if self.summary.queued:
            past = self.project.members.filter(queue_priority__lt=self.highest_priority)
            look_from_the_top(past)

    def add_rankings(self, entries: list[Entry]) -> None:
        """Add the rankings that are not there; refuse one that contradicts what is there."""
        prompts = {entry.prompt_id for entry in entries} - self.new_prompts
        verdicts = Verdicts(verdicts_of(list(prompts)))
        for entry in entries:
            name = entry.line.labeller or self.labeller
            if reason := verdicts.add(entry, self.people[name], name):
                entry.refused = True
                self.refuse(BadLine(entry.line.number, reason))
        verdicts.write()
        self.summary.rankings += len(verdicts.new)


def response_ids(prompts: set[int]) -> dict[tuple[int, str], int]:
    """The responses of some prompts: (prompt, content hash) -> row."""
    rows = Response.objects.filter(prompt_id__in=prompts)
    return {
        (prompt_id, content_hash): pk
        for prompt_id, content_hash, pk in rows.values_list("prompt_id", "content_hash", "pk")
    }
