"""Write the lines of a file to a staged project, a batch at a time."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from labelapp.db.bulk import insert_rows
from labelapp.importing.assignments import add_assignments, add_comments
from labelapp.importing.entries import Entry, People
from labelapp.importing.labels import add_tags, assign_prompts
from labelapp.importing.prompts import KnownIds, prompts_by_hash, response_ids, set_state
from labelapp.importing.rankings import ImportedRankings, stored_rankings
from labelapp.importing.staging import copy_prompts
from labelapp.importing.summary import Summary
from labelapp.labelling.assignments import look_from_the_top
from labelapp.labelling.blinding import names_itself
from labelapp.models import MIN_RESPONSES, Project, Prompt, Response, Upload, hash_text
from labelapp.rendering.fidelity import without_invisible
from training.formats.archive_keys import PromptState
from training.formats.ranking_file import BadLine, Line
from training.rankings import prompt_hash
from training.sentences import plural_sentence

PROMPT_COLUMNS = (
    "project",
    "messages",
    "content_hash",
    "external_id",
    "priority",
    "rankings_wanted",
    "rankings_needed",
    "taken_out",
    "reserved",
    "metadata",
    "created_at",
)


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


def too_few(responses: int, fewest: int) -> str:
    return plural_sentence(
        "has %(count)s response, and a prompt to be labelled needs at least %(least)s",
        "has %(count)s responses, and a prompt to be labelled needs at least %(least)s",
        responses,
        least=fewest,
    )


@dataclass
class Importer:
    """Writes batches of lines to `staging`, and holds the state that batches share."""

    project: Project
    staging: Project
    report: Callable[[BadLine], None]
    rankings: bool
    labeller: str
    upload: Upload | None = None

    def __post_init__(self) -> None:
        self.summary = Summary()
        self.people = People(self.project, self.staging)
        # Of the batch:
        self.prompts: dict[int, str] = {}  # rows and the content hashes that they have, also staged
        self.new_prompts: set[int] = set()
        self.copies: set[int] = set()  # of prompts that the project has
        self.slots: Counter[int] = Counter()  # taken slots of each new prompt
        self.highest_priority = Prompt().priority

    def write(self, entries: list[Entry]) -> None:
        """Write a batch. The number of statements does not grow with the lines in it."""
        entries = self.add(entries)
        if self.rankings:
            names = {name for entry in entries for name in entry.names(self.labeller)}
            self.people.get_or_create(names)
            self.add_rankings([e for e in entries if e.line.ranking is not None])
            self.queue([e for e in entries if e.line.ranking is None])
            stored = self.not_new()
            add_assignments(entries, self.people, self.slots, stored, self.copies)
            add_comments(entries, self.people, stored)
            assign_prompts(entries, self.people, self.new_prompts)
        else:
            self.summary.rankings_left += sum(e.line.ranking is not None for e in entries)
            self.queue(entries)
        add_tags(entries, self.staging, self.not_new())
        self.summary.already_there += sum(not e.added and not e.refused for e in entries)

    def add(self, entries: list[Entry]) -> list[Entry]:
        """Add the prompts and responses of the entries, and return those without clashes."""
        entries = self.without_clashes(entries)
        self.add_prompts(entries)
        self.add_responses(entries)
        return entries

    def good(self, batch: list[Line | BadLine], fewest: int = MIN_RESPONSES) -> list[Entry]:
        """Return the lines that can be imported, and report the others."""
        self.summary.lines += len(batch)
        entries = []
        for line in batch:
            if isinstance(line, BadLine):
                self.refuse(line)
            elif self.is_queued(line) and len(line.responses) < fewest:
                self.refuse(BadLine(line.number, too_few(len(line.responses), fewest)))
            else:
                self.count_unseen(line)
                hashes = {response.id: hash_text(response.text) for response in line.responses}
                content_hash = prompt_hash(line.messages)
                entries.append(Entry(line, content_hash, hashes, external_id=line.external_id))
        return entries

    def count_unseen(self, line: Line) -> None:
        """Count the responses that show nothing, and those that look the same as another one."""
        shown = [without_invisible(response.text) for response in line.responses]
        self.summary.unseen += sum(not text for text in shown)
        self.summary.alike += len(shown) - len(set(shown))

    def wants_labelling(self, line: Line) -> bool:
        return line.ranking is None or not self.rankings

    def is_queued(self, line: Line) -> bool:
        """Return whether the line's prompt belongs in the queue, now or when it was exported."""
        return self.wants_labelling(line) and (line.state is None or line.state.wanted != 0)

    def refuse(self, bad: BadLine) -> None:
        self.summary.bad_lines += 1
        self.report(bad)

    def without_clashes(self, entries: list[Entry]) -> list[Entry]:
        """Return the entries whose id and prompt do not contradict each other; refuse the rest."""
        known = KnownIds({self.project, self.staging}, entries)
        good = []
        for entry in entries:
            reason = known.contradiction(entry)
            if reason and not entry.line.is_row_id:
                self.refuse(BadLine(entry.line.number, reason))
                continue
            if reason:
                self.summary.ids_left += 1
                entry.external_id = None
            good.append(entry)
        return good

    def add_prompts(self, entries: list[Entry]) -> None:
        """Find or add each entry's prompt; a prompt without an id gets the entry's.

        If prompts are staged, one that the project has gets a copy.
        """
        stored, staged, ids = prompts_by_hash(
            self.project, self.staging, {entry.content_hash for entry in entries}
        )
        copy_prompts([pk for h, pk in stored.items() if h not in staged], self.staging)
        new: dict[str, Prompt] = {}
        named: dict[str, str] = {}
        for entry in entries:
            h = entry.content_hash
            if h not in stored and h not in staged and h not in new:
                entry.added = True
                new[h] = Prompt(messages=entry.line.messages, content_hash=h)
            if entry.external_id is not None and ids.get(h) is None:
                ids[h] = named[h] = entry.external_id
        for h in named.keys() & new.keys():
            new[h].external_id = named.pop(h)
        states = {e.content_hash: e.line.state for e in reversed(entries) if e.line.state}
        states = {h: state for h, state in states.items() if h in new}
        self.insert_prompts(new.values(), states)
        _, staged, _ = prompts_by_hash(
            self.project, self.staging, stored.keys() | staged.keys() | new.keys()
        )
        prompts = (Prompt(pk=staged[h], external_id=id_) for h, id_ in named.items())
        Prompt.objects.bulk_update(prompts, ["external_id"])
        self.new_prompts = {staged[h] for h in new}
        self.slots = Counter({staged[h]: s.slots for h, s in states.items() if s.slots})
        self.prompts = {pk: h for hashes in (stored, staged) for h, pk in hashes.items()}
        self.copies = {staged[h] for h, pk in stored.items() if staged[h] != pk}
        for entry in entries:
            entry.prompt_id = staged[entry.content_hash]
        self.summary.prompts += len(new)

    def not_new(self) -> dict[int, str]:
        """Return the prompts of the batch that may have rankings, with their content hashes."""
        return {pk: h for pk, h in self.prompts.items() if pk not in self.new_prompts}

    def insert_prompts(self, prompts: Iterable[Prompt], states: Mapping[str, PromptState]) -> None:
        """Insert prompts, new ones in the states that their lines give."""
        now = timezone.now()
        rows = []
        for prompt in prompts:
            prompt.created_at = now
            if (state := states.get(prompt.content_hash)) is not None:
                set_state(prompt, state)
                self.highest_priority = max(self.highest_priority, prompt.priority)
                self.summary.queued += prompt.rankings_needed > 0
            values = (getattr(prompt, name) for name in PROMPT_COLUMNS[1:])
            rows.append((self.staging.pk, *values))
        insert_rows(Prompt, PROMPT_COLUMNS, rows)

    def add_responses(self, entries: list[Entry]) -> None:
        """Find or add each entry's responses."""
        known = response_ids(self.prompts)
        new: dict[tuple[str, str], tuple[str | int, ...]] = {}
        for entry in entries:
            for response in entry.line.responses:
                key = (entry.content_hash, entry.responses[response.id])
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
        referring = [entry for entry in entries if self.refers_to_responses(entry.line)]
        if referring and new:
            known = response_ids(self.prompts)
        for entry in referring:
            entry.response_ids = {
                id_: known[entry.content_hash, content_hash]
                for id_, content_hash in entry.responses.items()
            }

    def refers_to_responses(self, line: Line) -> bool:
        """Return whether rows of this line will refer to its responses."""
        return not self.wants_labelling(line) or bool(line.state and line.state.tasks)

    def queue(self, entries: list[Entry]) -> None:
        """Queue the entries' prompts, unless they are or were in the queue."""
        wanted: dict[int, int] = {}
        for entry in entries:
            if self.is_queued(entry.line):
                given = entry.line.state.wanted if entry.line.state is not None else None
                wanted.setdefault(entry.prompt_id, given or self.project.rankings_per_prompt)
        unqueued = Prompt.objects.filter(pk__in=wanted, rankings_wanted=0, taken_out=False)
        queued = set(unqueued.values_list("pk", flat=True))
        for number in {wanted[pk] for pk in queued}:
            Prompt.objects.filter(pk__in=[pk for pk in queued if wanted[pk] == number]).update(
                rankings_wanted=number, rankings_needed=number
            )
        # Prompts that existed without being queued may lie behind the labellers' positions.
        Prompt.objects.filter(pk__in=queued - self.new_prompts).update(came_back=True)
        for entry in entries:
            entry.added |= entry.prompt_id in queued
        self.summary.queued += len(queued)

    def count_others(self) -> None:
        """Update the ranked counts of existing members, in a separate transaction.

        A labeller who waits for a prompt that the import has locked holds the lock on their own
        row, so within the import this would deadlock.
        """
        with transaction.atomic():
            self.people.count_ranked(new=False)

    def reset_labellers(self) -> None:
        """Send labellers past the priority of the new prompts back to the top of the queue.

        Runs in a separate transaction, like count_others.
        """
        if self.summary.queued:
            past = self.project.members.filter(queue_priority__lt=self.highest_priority)
            look_from_the_top(past)

    def add_rankings(self, entries: list[Entry]) -> None:
        """Add the rankings that are new, and refuse those that contradict stored ones."""
        rankings = ImportedRankings(stored_rankings(self.not_new()), self.upload)
        for entry in entries:
            name = entry.line.labeller or self.labeller
            if reason := rankings.add(entry, name, self.people[name]):
                entry.refused = True
                self.refuse(BadLine(entry.line.number, reason))
        rankings.write()
        self.summary.rankings += len(rankings.new)


# A batch ends at the limit reached first, to use few statements and little memory.
BATCH = 500  # lines
BATCH_CHARACTERS = 2**23  # of responses
