"""Read a project's prompts with their rankings for an export.

Prompts are read in batches: memory does not grow with the project, and a batch takes a fixed number
of queries. No transaction is held open, because on SQLite it would keep labellers from writing. A
ranking submitted during the export is exported completely or not at all.
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
    not_excluded,
)
from training.formats.archive_keys import PromptState
from training.formats.ranking_file import FileResponse
from training.rankings import UNRANKED, Message, comparisons, has_comparison

BATCH = 200  # prompts
DERIVED_ID = 12  # hexadecimal digits of a text's hash, enough to tell a prompt's responses apart

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class ExportedRanking:
    """One version of a labeller's ranking, with the response ids that the file uses."""

    ranks: dict[str, int]  # in the order of the ids; UNRANKED for those without one
    labeller: str
    version: int
    current: bool
    origin: str
    surplus: bool
    all_bad: bool
    note: str
    seconds: float | None
    created_at: datetime
    shown: list[str] | None  # the ids in the order shown; None if unknown
    ratings: dict[str, dict[str, Any]]  # id -> score (or None) and flags
    gold: bool = False
    control: str = ""  # "gold" or "repeat" if the task was a quality control

    @property
    def groups(self) -> list[list[str]]:
        """The groups of tied ids, best first."""
        tied: dict[int, list[str]] = defaultdict(list)
        for id_, rank in self.ranks.items():
            if rank != UNRANKED:
                tied[rank].append(id_)
        return [tied[rank] for rank in sorted(tied)]

    @property
    def unranked(self) -> list[str]:
        """The ids below the groups, in no known order."""
        return [id_ for id_, rank in self.ranks.items() if rank == UNRANKED]

    @property
    def comparisons(self) -> list[tuple[str, str]]:
        """The pairs (better, worse) with different ranks."""
        ids = list(self.ranks)
        pairs = comparisons(list(self.ranks.values()))
        return [(ids[pair.better], ids[pair.worse]) for pair in pairs]

    @property
    def comparison_count(self) -> int:
        """The number of pairs with different ranks, computed without listing them."""
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
    arrived: tuple[str, ...] = ()  # the ids of the responses in the order in which they were added

    @property
    def has_unranked(self) -> bool:
        """True if one of the responses is in none of the rankings."""
        return bool(self.responses.keys() - {id_ for r in self.rankings for id_ in r.ranks})


def read(
    project: Project,
    *,
    all_versions: bool = False,
    archive: bool = False,
    include_left_out: bool = False,
) -> Iterator[ExportedPrompt]:
    """Yield the project's prompts in the order in which they were added, with their rankings.

    These are the current ones that are not left out with their labeller. `all_versions` adds the
    earlier versions of each ranking, `archive` the state of each prompt, and `include_left_out` the
    rankings that are left out. A prompt's rankings are ordered by labeller name, set of responses
    and version.
    """
    versions = Q() if all_versions or archive else Q(is_current=True)
    which = versions if include_left_out else versions & not_excluded()
    prompts = Prompt.objects.filter(project=project).order_by("pk")
    last = 0
    while batch := list(prompts.filter(pk__gt=last)[:BATCH]):
        yield from read_batch(batch, which, archive)
        last = batch[-1].pk


def read_batch(
    prompts: Sequence[Prompt], which: Q, archive: bool = False
) -> Iterator[ExportedPrompt]:
    """Yield some prompts with their rankings that fulfil a condition, and their responses.

    The queries read referring rows before the rows that they refer to, so that rows added meanwhile
    leave no reference unresolved. They select by prompt, because a batch may have more rankings
    than a query may have parameters.
    """
    ids = [prompt.pk for prompt in prompts]
    rankings = Ranking.objects.filter(which, prompt__in=ids).select_related("member")
    rankings_of = grouped((ranking.prompt_id, ranking) for ranking in rankings)
    details = RankingRows(
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
    responses = Response.objects.filter(prompt__in=ids).order_by("pk")
    response_rows = responses.values_list(*ResponseRow._fields)
    responses_of = grouped((row.prompt_id, row) for row in map(ResponseRow._make, response_rows))
    file_ids_of = {prompt.pk: file_ids(responses_of[prompt.pk]) for prompt in prompts}
    states = {}
    if archive:
        every = [ranking for of_prompt in rankings_of.values() for ranking in of_prompt]
        all_ids = {pk: id_ for ids in file_ids_of.values() for pk, id_ in ids.items()}
        states = read_states(prompts, every, details.ranks, all_ids)
    for prompt in prompts:
        pk = prompt.pk
        yield exported_prompt(
            prompt, responses_of[pk], file_ids_of[pk], rankings_of[pk], details, states.get(pk)
        )


class ResponseRow(NamedTuple):
    """The columns of a response. Model instances would take a third of an export's time."""

    pk: int
    prompt_id: int
    text: str
    source: str
    external_id: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class RankingRows:
    """The rows that refer to responses in a batch of rankings, by primary keys."""

    ranks: dict[int, list[tuple[int, int]]]  # ranking -> response and rank
    ratings: dict[int, list[tuple[int, dict[str, Any]]]]  # ranking -> response and rating
    # (prompt, member, is a repetition) -> (responses in the order shown, is gold)
    tasks: dict[tuple[int, int, bool], tuple[list[int], bool]]


def grouped(pairs: Iterable[tuple[Key, Value]]) -> defaultdict[Key, list[Value]]:
    groups: defaultdict[Key, list[Value]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups


def exported_prompt(
    prompt: Prompt,
    responses: list[ResponseRow],
    ids: dict[int, str],
    rankings: list[Ranking],
    details: RankingRows,
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
        rankings=[exported_ranking(ranking, ids, details) for ranking in rankings],
        state=state,
        arrived=arrived,
    )


def exported_ranking(
    ranking: Ranking, ids: dict[int, str], details: RankingRows
) -> ExportedRanking:
    ranks = {ids[response]: rank for response, rank in details.ranks[ranking.pk]}
    ratings = {ids[response]: rating for response, rating in details.ratings[ranking.pk]}
    repeated = ranking.origin == Origin.REPEATED
    key = (ranking.prompt_id, ranking.member_id, repeated)
    order, gold = details.tasks.get(key, ([], False))
    shown = [ids[response] for response in order if response in ids]
    # A member's imported ranking may be of other responses than those they were shown here.
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


def file_ids(responses: Iterable[ResponseRow]) -> dict[int, str]:
    """Return the ids by which a file names the responses of a prompt, by primary key.

    A response keeps its imported id if no other response of the prompt has it; otherwise it gets
    the beginning of its text's hash. Importing a file and exporting it again preserves the ids.
    """
    imported = Counter(response.external_id for response in responses)
    ids: dict[int, str] = {}
    taken = set(imported)
    for response in sorted(responses, key=lambda response: response.content_hash):
        id_ = response.external_id
        if not id_ or imported[id_] > 1:
            id_ = response.content_hash[:DERIVED_ID]
            while id_ in taken:
                id_ = hash_text(id_)
            taken.add(id_)
        ids[response.pk] = id_
    return ids


def has_conversations(project: Project) -> bool:
    """Return whether a ranked prompt is more than one user message."""
    is_ranked = Exists(Ranking.objects.filter(prompt=OuterRef("pk")))
    is_conversation = Q(messages__1__isnull=False) | ~Q(messages__0__role="user")
    return project.prompts.filter(is_ranked).filter(is_conversation).exists()
