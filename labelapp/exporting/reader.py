"""Exporting: a project's prompts with their rankings, read in batches, as a file gives them.

Memory is that of a batch of prompts, however large the project is, and a batch takes a fixed number
of queries. No transaction is held open: on SQLite it would keep labellers from writing. A ranking
that comes meanwhile is in the export whole, or not at all.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import comb
from typing import Any, NamedTuple, TypeVar

from django.db.models import Exists, OuterRef, Q

from labelapp.exporting.archive import read_states
from labelapp.models import (
    Assignment,
    Origin,
    Placement,
    Project,
    Prompt,
    Ranking,
    Rating,
    Response,
    hash_text,
)
from training.formats.archive_keys import PromptState
from training.formats.ranking_file import FileResponse
from training.rankings import (
    Message,
    comparisons,
    has_comparison,
)

BATCH = 200  # prompts read at a time: few queries, little memory
DERIVED_ID = 12  # hexadecimal digits of a text's hash, enough to tell a prompt's responses apart

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class ExportedRanking:
    """One version of a labeller's verdict. Responses go by the ids that they have in the file."""

    ranks: dict[str, int]  # in the order of the ids
    labeller: str
    version: int
    current: bool
    origin: str
    surplus: bool
    all_bad: bool
    note: str
    seconds: float | None
    created_at: datetime
    shown: list[str] | None  # the ids in the order that was shown, where that is known
    ratings: dict[str, dict[str, Any]]  # id -> score (or None) and flags
    gold: bool = False
    control: str = ""  # the task measured its labeller: gold, or repeat

    @property
    def groups(self) -> list[list[str]]:
        """Groups of tied ids, best first."""
        tied: dict[int, list[str]] = defaultdict(list)
        for id_, rank in self.ranks.items():
            tied[rank].append(id_)
        return [tied[rank] for rank in sorted(tied)]

    @property
    def comparisons(self) -> list[tuple[str, str]]:
        """(better, worse) for each pair that is not tied."""
        ids = list(self.ranks)
        pairs = comparisons(list(self.ranks.values()))
        return [(ids[pair.better], ids[pair.worse]) for pair in pairs]

    @property
    def comparison_count(self) -> int:
        """How many pairs are not tied; said without making them."""
        tied = Counter(self.ranks.values()).values()
        return comb(len(self.ranks), 2) - sum(comb(size, 2) for size in tied)

    @property
    def has_comparison(self) -> bool:
        return has_comparison(list(self.ranks.values()))


@dataclass(frozen=True, slots=True)
class ExportedPrompt:
    messages: list[Message]
    content_hash: str
    external_id: str | None
    responses: dict[str, FileResponse]  # by the id in the file, in the order of the ids
    rankings: list[ExportedRanking]
    state: PromptState | None = None  # in an archive
    arrived: tuple[str, ...] = ()  # the ids of the responses in the order in which they came

    @property
    def has_unranked(self) -> bool:
        """Whether a response stands in none of the rankings."""
        return bool(self.responses.keys() - {id_ for r in self.rankings for id_ in r.ranks})


def read(
    project: Project, *, all_versions: bool = False, archive: bool = False
) -> Iterator[ExportedPrompt]:
    """The project's prompts in the order in which they came, each with its current rankings.

    With `all_versions` the earlier versions of a ranking come too, and for an `archive` what there
    is to know of the prompts themselves. A prompt's rankings are in the order of their labellers'
    names, of the responses that they rank, and of their versions.
    """
    prompts = Prompt.objects.filter(project=project).order_by("pk")
    last = 0
    while batch := list(prompts.filter(pk__gt=last)[:BATCH]):
        yield from read_batch(batch, all_versions or archive, archive)
        last = batch[-1].pk


def read_batch(
    prompts: Sequence[Prompt], all_versions: bool, archive: bool = False
) -> Iterator[ExportedPrompt]:
    """Some prompts with all that hangs on them.

    The queries go from what names to what is named, so that nothing that comes meanwhile is named
    before it is read; and by prompt, because a batch may have more rankings than a query may have
    parameters.
    """
    ids = [prompt.pk for prompt in prompts]
    rankings = Ranking.objects.filter(prompt__in=ids).select_related("member")
    if not all_versions:
        rankings = rankings.filter(is_current=True)
    rankings_of = grouped((ranking.prompt_id, ranking) for ranking in rankings)
    named = Named(
        ranks=grouped(
            (ranking, (response, rank))
            for ranking, response, rank in Placement.objects.filter(
                ranking__prompt__in=ids
            ).values_list("ranking_id", "response_id", "rank")
        ),
        ratings=grouped(
            (ranking, (response, {"score": score, "flags": flags}))
            for ranking, response, score, flags in Rating.objects.filter(
                ranking__prompt__in=ids
            ).values_list("ranking_id", "response_id", "score", "flags")
        ),
        tasks={
            (prompt, member, repeat): (order, gold)
            for prompt, member, repeat, order, gold in Assignment.objects.filter(
                prompt__in=ids
            ).values_list("prompt_id", "member_id", "repeat", "order", "gold")
        },
    )
    responses = Response.objects.filter(prompt__in=ids).order_by("pk").values_list(*Row._fields)
    responses_of = grouped((row.prompt_id, row) for row in map(Row._make, responses))
    file_ids_of = {prompt.pk: file_ids(responses_of[prompt.pk]) for prompt in prompts}
    states = {}
    if archive:
        every = [ranking for of_prompt in rankings_of.values() for ranking in of_prompt]
        called = {pk: id_ for ids in file_ids_of.values() for pk, id_ in ids.items()}
        states = read_states(prompts, every, named.ranks, called)
    for prompt in prompts:
        pk = prompt.pk
        yield exported(
            *(prompt, responses_of[pk], file_ids_of[pk], rankings_of[pk], named, states.get(pk))
        )


class Row(NamedTuple):
    """A response as it lies in the database. Model instances took a third of an export's time."""

    pk: int
    prompt_id: int
    text: str
    source: str
    external_id: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class Named:
    """What a batch's rankings say of responses, by the rows' keys."""

    ranks: dict[int, list[tuple[int, int]]]  # ranking -> response and rank
    ratings: dict[int, list[tuple[int, dict[str, Any]]]]  # ranking -> response and rating
    # Prompt, member, and whether it was for the second time -> responses as shown; gold
    tasks: dict[tuple[int, int, bool], tuple[list[int], bool]]


def grouped(pairs: Iterable[tuple[Key, Value]]) -> defaultdict[Key, list[Value]]:
    found: defaultdict[Key, list[Value]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return found


def exported(
    prompt: Prompt,
    responses: list[Row],
    ids: dict[int, str],
    rankings: list[Ranking],
    named: Named,
    state: PromptState | None,
) -> ExportedPrompt:
    arrived = tuple(ids[response.pk] for response in responses)
    responses.sort(key=lambda response: ids[response.pk])
    rankings.sort(key=lambda r: (r.member.name, r.responses_hash, r.version))
    return ExportedPrompt(
        messages=[{"role": m["role"], "content": m["content"]} for m in prompt.messages],
        content_hash=prompt.content_hash,
        external_id=prompt.external_id,
        responses={
            ids[response.pk]: FileResponse(ids[response.pk], response.text, response.source)
            for response in responses
        },
        rankings=[exported_ranking(ranking, ids, named) for ranking in rankings],
        state=state,
        arrived=arrived,
    )


def exported_ranking(ranking: Ranking, ids: dict[int, str], named: Named) -> ExportedRanking:
    ranks = {ids[response]: rank for response, rank in named.ranks[ranking.pk]}
    ratings = {ids[response]: rating for response, rating in named.ratings[ranking.pk]}
    repeated = ranking.origin == Origin.REPEATED
    key = (ranking.prompt_id, ranking.member_id, repeated)
    order, gold = named.tasks.get(key, ([], False))
    shown = [ids[response] for response in order if response in ids]
    # One member's ranking made elsewhere may be of other responses than those they were shown.
    known = ranking.origin in (Origin.HERE, Origin.REPEATED) and sorted(shown) == sorted(ranks)
    return ExportedRanking(
        ranks=dict(sorted(ranks.items())),
        labeller=ranking.member.name,
        version=ranking.version,
        current=ranking.is_current,
        origin=ranking.origin,
        surplus=ranking.surplus,
        all_bad=ranking.all_bad,
        note=ranking.note,
        seconds=ranking.seconds,
        created_at=ranking.created_at,
        shown=shown if known else None,
        ratings=dict(sorted(ratings.items())),
        gold=ranking.is_gold,
        control="repeat" if repeated else "gold" if known and gold else "",
    )


def file_ids(responses: Iterable[Row]) -> dict[int, str]:
    """What a prompt's responses are called in a file: row -> id.

    The id that a response came with, where no other response to the prompt came with the same;
    else the beginning of its text's hash. A file that is imported and exported again keeps them.
    """
    came_with = Counter(response.external_id for response in responses)
    ids: dict[int, str] = {}
    taken = set(came_with)
    for response in sorted(responses, key=lambda response: response.content_hash):
        id_ = response.external_id
        if not id_ or came_with[id_] > 1:
            id_ = response.content_hash[:DERIVED_ID]
            while id_ in taken:
                id_ = hash_text(id_)
            taken.add(id_)
        ids[response.pk] = id_
    return ids


def has_conversations(project: Project) -> bool:
    """Whether a ranked prompt is anything but one message of a user."""
    ranked = Exists(Ranking.objects.filter(prompt=OuterRef("pk")))
    more = Q(messages__1__isnull=False) | ~Q(messages__0__role="user")
    return project.prompts.filter(ranked).filter(more).exists()
