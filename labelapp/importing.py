"""Importing: ranking files to rows, all of a file or nothing of it.

A file is read as a stream, line by line, and written in batches inside one transaction. Each bad
line is reported with its number and reason; unless bad lines are to be skipped, one of them takes
the whole import back. What is there already is left as it is, so a second import adds nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from django.db import connection, transaction
from django.db.models import Model, Q

from labelapp.blinding import names_itself
from labelapp.lending import look_from_the_top
from labelapp.models import (
    MIN_RESPONSES,
    Member,
    Origin,
    Placement,
    Project,
    Prompt,
    Ranking,
    Response,
    hash_responses,
    hash_text,
)
from training.pairs import prompt_hash
from training.rankingfile import BadLine, Line

BATCH = 500  # lines written at a time: few statements, little memory
UNKNOWN_LABELLER = "unknown"


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


def import_lines(
    project: Project,
    lines: Iterable[Line | BadLine],
    *,
    report: Callable[[BadLine], None],
    rankings: bool = True,
    labeller: str = UNKNOWN_LABELLER,
    skip_bad_lines: bool = False,
) -> Summary:
    """Import a stream of lines into a project.

    With `rankings`, a line that has a ranking adds it and a line that has none adds a prompt to
    be labelled; without, every line adds a prompt to be labelled and rankings are left alone.
    `labeller` made the rankings whose lines name nobody.
    Calls `report` for each bad line as it comes.
    Raises ImportRefusedError where there are bad lines and `skip_bad_lines` is not set.
    """
    importer = Importer(project, report, rankings, labeller)
    with transaction.atomic():
        # Two imports into one project take turns: each must see what the other has added.
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        stream = iter(lines)
        while batch := list(islice(stream, BATCH)):
            importer.write(batch)
        if importer.summary.bad_lines and not skip_bad_lines:
            raise ImportRefusedError(importer.summary)
    importer.call_back()
    return importer.summary


def import_prompts_to_fill(
    project: Project,
    lines: Iterable[Line | BadLine],
    *,
    report: Callable[[BadLine], None],
    enough: int,
    skip_bad_lines: bool = False,
) -> Summary:
    """Import prompts that lack responses. Those that have `enough` of them are to be labelled.

    Reports, refuses and skips bad lines as import_lines does.
    """
    importer = Importer(project, report, rankings=False, labeller=UNKNOWN_LABELLER)
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        stream = iter(lines)
        while batch := list(islice(stream, BATCH)):
            importer.summary.lines += len(batch)
            entries = importer.without_clashes(list(importer.good(batch, fewest=0)))
            importer.add_prompts(entries)
            importer.add_responses(entries)
            importer.queue([entry for entry in entries if len(entry.responses) >= enough])
            importer.summary.already_there += sum(not entry.added for entry in entries)
        if importer.summary.bad_lines and not skip_bad_lines:
            raise ImportRefusedError(importer.summary)
    importer.call_back()
    return importer.summary


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
        self.members: dict[str, Member] = {}
        self.new_prompts: set[int] = set()  # of the batch

    def write(self, batch: list[Line | BadLine]) -> None:
        """Write a batch. The number of statements does not grow with the lines in it."""
        self.summary.lines += len(batch)
        entries = self.without_clashes(list(self.good(batch)))
        self.add_prompts(entries)
        self.add_responses(entries)
        if self.rankings:
            self.add_rankings([e for e in entries if e.line.ranking is not None])
            self.queue([e for e in entries if e.line.ranking is None])
        else:
            self.summary.rankings_left += sum(e.line.ranking is not None for e in entries)
            self.queue(entries)
        self.summary.already_there += sum(not e.added and not e.refused for e in entries)

    def good(self, batch: list[Line | BadLine], fewest: int = MIN_RESPONSES) -> Iterator[Entry]:
        """The lines that can be imported; the others are reported."""
        for line in batch:
            if isinstance(line, BadLine):
                self.refuse(line)
            elif self.wants_labelling(line) and len(line.responses) < fewest:
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
        there = Prompt.objects.filter(project=self.project, content_hash__in=hashes)
        prompts = {
            prompt.content_hash: prompt for prompt in there.only("content_hash", "external_id")
        }
        new: list[Prompt] = []
        named: list[Prompt] = []
        for entry in entries:
            prompt = prompts.get(entry.content_hash)
            if prompt is None:
                entry.added = True
                prompt = Prompt(
                    project=self.project,
                    messages=entry.line.messages,
                    content_hash=entry.content_hash,
                )
                prompts[entry.content_hash] = prompt
                new.append(prompt)
            if prompt.external_id is None and entry.line.external_id is not None:
                prompt.external_id = entry.line.external_id
                named += [prompt] if prompt.pk is not None else []
        Prompt.objects.bulk_create(new)
        self.new_prompts = {prompt.pk for prompt in new}
        Prompt.objects.bulk_update(named, ["external_id"])
        for entry in entries:
            entry.prompt_id = prompts[entry.content_hash].pk
        self.summary.prompts += len(new)

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
        ranked = [entry for entry in entries if not self.wants_labelling(entry.line)]
        if ranked and new:
            known = response_ids(prompts)
        for entry in ranked:
            entry.response_ids = {
                id_: known[entry.prompt_id, content_hash]
                for id_, content_hash in entry.responses.items()
            }

    def queue(self, entries: list[Entry]) -> None:
        """Have the entries' prompts wait for labellers, if they do not already or did before."""
        wanted = self.project.rankings_per_prompt
        prompts = {entry.prompt_id for entry in entries}
        unqueued = Prompt.objects.filter(pk__in=prompts, rankings_wanted=0, taken_out=False)
        queued = set(unqueued.values_list("pk", flat=True))
        unqueued.update(rankings_wanted=wanted, rankings_needed=wanted)
        # Labellers may be past those that were there before without being wanted.
        Prompt.objects.filter(pk__in=queued - self.new_prompts).update(came_back=True)
        for entry in entries:
            entry.added |= entry.prompt_id in queued
        self.summary.queued += len(queued)

    def call_back(self) -> None:
        """Let labellers who are past the urgency of new prompts look from the top again.

        In a transaction of its own: a labeller who waits for a prompt that the import has locked
        holds their own row, and the import would wait for that.
        """
        if self.summary.queued:
            past = self.project.members.filter(queue_priority__lt=Prompt().priority)
            look_from_the_top(past)

    def add_rankings(self, entries: list[Entry]) -> None:
        """Add the rankings that are not there; refuse one that contradicts what is there."""
        self.add_members({entry.line.labeller or self.labeller for entry in entries})
        known = self.known_rankings(entries)
        new: dict[RankingKey, tuple[Ranking, dict[int, int]]] = {}
        for entry in entries:
            member = self.members[entry.line.labeller or self.labeller]
            key = (entry.prompt_id, member.pk, hash_responses(entry.responses.values()))
            ranks = ranks_by_response(entry)
            there = new[key][1] if key in new else known.get(key)
            if there is None:
                entry.added = True
                new[key] = (self.ranking(key), ranks)
            elif there != ranks:
                entry.refused = True
                self.refuse(
                    BadLine(
                        entry.line.number,
                        f"is a second, different ranking of these responses by {member.name!r}",
                    )
                )
        Ranking.objects.bulk_create(ranking for ranking, _ in new.values())
        insert_rows(
            Placement,
            ("ranking", "response", "rank"),
            [
                (ranking.pk, response_id, rank)
                for ranking, ranks in new.values()
                for response_id, rank in ranks.items()
            ],
        )
        self.summary.rankings += len(new)

    def ranking(self, key: "RankingKey") -> Ranking:
        prompt_id, member_id, responses_hash = key
        return Ranking(
            prompt_id=prompt_id,
            member_id=member_id,
            responses_hash=responses_hash,
            origin=Origin.IMPORTED,
        )

    def add_members(self, names: set[str]) -> None:
        """Find or add the people who made the rankings: members with a name and no login."""
        unseen = names - self.members.keys()
        found = self.project.members.filter(name__in=unseen)
        self.members |= {member.name: member for member in found}
        for name in sorted(unseen - self.members.keys()):
            self.members[name] = Member.objects.create(project=self.project, name=name)

    def known_rankings(self, entries: list[Entry]) -> dict["RankingKey", dict[int, int]]:
        """The current rankings of the entries' prompts: response id -> rank."""
        placements = Placement.objects.filter(
            ranking__prompt_id__in={entry.prompt_id for entry in entries},
            ranking__is_current=True,
        ).values_list(
            "ranking__prompt_id",
            "ranking__member_id",
            "ranking__responses_hash",
            "response_id",
            "rank",
        )
        known: dict[RankingKey, dict[int, int]] = {}
        for prompt_id, member_id, responses_hash, response_id, rank in placements:
            known.setdefault((prompt_id, member_id, responses_hash), {})[response_id] = rank
        return known


RankingKey = tuple[int, int, str]  # prompt, member, hash of the set of responses


def response_ids(prompts: set[int]) -> dict[tuple[int, str], int]:
    """The responses of some prompts: (prompt, content hash) -> row."""
    rows = Response.objects.filter(prompt_id__in=prompts)
    return {
        (prompt_id, content_hash): pk
        for prompt_id, content_hash, pk in rows.values_list("prompt_id", "content_hash", "pk")
    }


def insert_rows(
    model: type[Model], fields: Sequence[str], rows: Iterable[Sequence[str | int]]
) -> None:
    """Insert rows of plain values that need no key back.

    bulk_create would spend half of an import on building model instances and their SQL.
    """
    quote = connection.ops.quote_name
    table = model._meta.db_table
    columns = [str(model._meta.get_field(name).get_attname_column()[1]) for name in fields]  # type: ignore[union-attr]
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {quote(table)} ({', '.join(map(quote, columns))}) "  # noqa: S608
            f"VALUES ({', '.join(['%s'] * len(columns))})",
            list(rows),
        )


def ranks_by_response(entry: Entry) -> dict[int, int]:
    """Response row -> rank, 1 = best."""
    return {
        entry.response_ids[id_]: rank
        for rank, group in enumerate(entry.line.ranking or [], start=1)
        for id_ in group
    }
