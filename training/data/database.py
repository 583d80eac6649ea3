"""Read rankings from the web application's database, as a stream.

The tables below have the columns that are read; nothing is written. A test compares them with the
web application's models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Integer,
    MetaData,
    Row,
    Select,
    String,
    Table,
    Text,
    and_,
    func,
    or_,
    select,
)

from training.aggregation import EVERY_RANKING, RankingFilter
from training.data.engine import open_engine, reading
from training.data.source import Prompt, Response, Tick, ignore
from training.errors import UserError
from training.rankings import BY_COMMAND, RANKED_HERE, Ranking
from training.sentences import Sentence, sentence

ROWS_AT_A_TIME = 200

metadata = MetaData()

project = Table(
    "labelapp_project",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("slug", String),
    Column("deleted_at", DateTime(timezone=True)),
)
member = Table(
    "labelapp_member",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("name", String),
    Column("excluded_from", DateTime(timezone=True)),
)
prompt = Table(
    "labelapp_prompt",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("project_id", BigInteger),
    Column("messages", JSON),
    Column("content_hash", String(64)),
)
response = Table(
    "labelapp_response",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("prompt_id", BigInteger),
    Column("text", Text),
    Column("source", Text),
)
ranking = Table(
    "labelapp_ranking",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("prompt_id", BigInteger),
    Column("member_id", BigInteger),
    Column("version", Integer),
    Column("is_current", Boolean),
    Column("origin", String),
    Column("upload_id", BigInteger),
    Column("created_at", DateTime(timezone=True)),
)
placement = Table(
    "labelapp_placement",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("ranking_id", BigInteger),
    Column("response_id", BigInteger),
    Column("rank", Integer),
)


class DatabaseSource:
    """Read a project's prompts, each with all its responses and the rankings that count."""

    def __init__(
        self, database_url: str, slug: str, rankings: RankingFilter = EVERY_RANKING
    ) -> None:
        """Open the database. Raises UserError for a bad URL, a missing database or project."""
        self.name = slug
        self.rankings = rankings
        self._ranking_versions: list[dict[str, Any]] = []
        self.engine = open_engine(database_url)
        with reading(self.engine) as connection:
            self.project_id = connection.scalar(select(project.c.id).where(project.c.slug == slug))
            if self.project_id is None:
                slugs = connection.scalars(select(project.c.slug).order_by(project.c.slug).limit(9))
                raise UserError(_no_such_project(slug, list(slugs)))

    def identity(self) -> str:
        """Return the project's name, because its rankings grow while people label."""
        return f"project {self.name}"

    def size(self) -> int:
        """Return the number of prompts in the project."""
        return self._count(self._prompts())

    def prompts(self, tick: Tick = ignore) -> Iterator[Prompt]:
        """Yield the prompts in order of id, from one snapshot of the database.

        `tick` is called after each with the number of prompts read.
        """
        with reading(self.engine) as connection:
            rows = connection.execute(self._versions())
            self._ranking_versions = [_described(row) for row in rows]
            responses = _by_prompt(self._rows(connection, self._responses()))
            placements = _by_prompt(self._rows(connection, self._placements()))
            for number, row in enumerate(self._rows(connection, self._prompts()), 1):
                yield Prompt(
                    id=row.id,
                    content_hash=row.content_hash,
                    messages=row.messages,
                    responses=tuple(Response(r.id, r.text) for r in responses(row.id)),
                    rankings=tuple(_rankings(placements(row.id))),
                )
                tick(number)

    def ranking_versions(self) -> list[dict[str, Any]]:
        """Return the numbers of the rankings read by their version, with the times of both ends."""
        return self._ranking_versions

    def count_responses(self) -> int:
        """Return the number of responses in the project."""
        return self._count(self._responses())

    def _count(self, query: Select[Any]) -> int:
        """Return the number of rows that a query gives."""
        with reading(self.engine) as connection:
            counted = query.with_only_columns(func.count()).order_by(None)
            return connection.scalar(counted) or 0

    def _prompts(self) -> Select[Any]:
        return (
            select(prompt.c.id, prompt.c.content_hash, prompt.c.messages)
            .where(prompt.c.project_id == self.project_id)
            .order_by(prompt.c.id)
        )

    def _responses(self) -> Select[Any]:
        return (
            select(response.c.prompt_id, response.c.id, response.c.text)
            .join(prompt, prompt.c.id == response.c.prompt_id)
            .where(prompt.c.project_id == self.project_id)
            .order_by(response.c.prompt_id, response.c.id)
        )

    def _placements(self) -> Select[Any]:
        query = select(
            ranking.c.prompt_id,
            placement.c.ranking_id,
            placement.c.response_id,
            placement.c.rank,
            member.c.name.label("labeller"),
            (ranking.c.origin == "adjudicated").label("adjudicated"),
        ).join(ranking, ranking.c.id == placement.c.ranking_id)
        if self.rankings.sources:
            query = query.join(response, response.c.id == placement.c.response_id)
            query = query.where(response.c.source.in_(self.rankings.sources))
        return self._counted(query).order_by(
            ranking.c.prompt_id, placement.c.ranking_id, placement.c.response_id
        )

    def _versions(self) -> Select[Any]:
        query = select(
            ranking.c.version,
            func.count().label("rankings"),
            func.min(ranking.c.created_at).label("first"),
            func.max(ranking.c.created_at).label("last"),
        ).select_from(ranking)
        return self._counted(query).group_by(ranking.c.version).order_by(ranking.c.version)

    def _counted(self, query: Select[Any]) -> Select[Any]:
        """Return a query of rankings, narrowed to those of the project that are read."""
        return (
            query.join(member, member.c.id == ranking.c.member_id)
            .join(prompt, prompt.c.id == ranking.c.prompt_id)
            .where(prompt.c.project_id == self.project_id, counting())
            .where(*conditions(self.rankings), *self._comparing_sources())
        )

    def _comparing_sources(self) -> Iterator[ColumnElement[bool]]:
        """Yield the condition that a ranking has two responses of the sources asked for, if any."""
        if self.rankings.sources:
            ranked = (
                select(placement.c.ranking_id)
                .join(response, response.c.id == placement.c.response_id)
                .join(prompt, prompt.c.id == response.c.prompt_id)
                .where(prompt.c.project_id == self.project_id)
                .where(response.c.source.in_(self.rankings.sources))
                .group_by(placement.c.ranking_id)
                .having(func.count() >= 2)
            )
            yield ranking.c.id.in_(ranked.correlate(None))

    def _rows(self, connection: Connection, query: Select[Any]) -> Iterator[Row[Any]]:
        """Yield rows as they are read; on PostgreSQL through a server-side cursor."""
        return iter(connection.execution_options(yield_per=ROWS_AT_A_TIME).execute(query))


def counting() -> ColumnElement[bool]:
    """Return the condition that a ranking counts: it is current, and not left out.

    labelapp/models/people.py has the same condition for the pages. Both times are columns that
    Django wrote, so SQLite compares them correctly as texts.
    """
    excluded_from = member.c.excluded_from
    kept = or_(excluded_from.is_(None), excluded_from > ranking.c.created_at)
    return and_(ranking.c.is_current, kept)


def conditions(rankings: RankingFilter) -> Iterator[ColumnElement[bool]]:
    """Yield what the filter asks of a ranking.

    SQLite compares times as texts, and one on a full second has no fraction there: so the first
    moment is asked for as later than the microsecond before.
    """
    if rankings.labellers:
        yield member.c.name.in_(rankings.labellers)
    if rankings.first:
        yield ranking.c.created_at > rankings.first - timedelta(microseconds=1)
    if rankings.last:
        yield ranking.c.created_at <= rankings.last
    if rankings.ranked_in == "here":
        yield ranking.c.origin != "imported"
    elif rankings.ranked_in == "imported":
        yield ranking.c.origin == "imported"
    if rankings.uploads:
        of_no_upload = ranking.c.upload_id.is_(None)
        asked: list[ColumnElement[bool]] = [ranking.c.upload_id.in_(rankings.upload_numbers)]
        if RANKED_HERE in rankings.uploads:
            asked.append(and_(of_no_upload, ranking.c.origin != "imported"))
        if BY_COMMAND in rankings.uploads:
            asked.append(and_(of_no_upload, ranking.c.origin == "imported"))
        yield or_(*asked)


def _by_prompt(rows: Iterator[Row[Any]]) -> Callable[[int], list[Row[Any]]]:
    """Return a function from a prompt's id to its rows, to be called in the order of the rows."""
    groups = groupby(rows, key=lambda row: row.prompt_id)
    waiting = next(groups, None)

    def rows_of(prompt_id: int) -> list[Row[Any]]:
        nonlocal waiting
        if waiting is None or waiting[0] != prompt_id:
            return []
        found = list(waiting[1])
        waiting = next(groups, None)
        return found

    return rows_of


def _described(row: Row[Any]) -> dict[str, Any]:
    """Return a row of the versions as JSON has it. SQLite's times have no zone: they are in UTC."""
    first, last = (
        moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in (row.first, row.last)
    )
    return {
        "version": row.version,
        "rankings": row.rankings,
        "first": first.astimezone(UTC).isoformat(),
        "last": last.astimezone(UTC).isoformat(),
    }


def _rankings(placements: list[Row[Any]]) -> Iterator[Ranking]:
    """Yield a prompt's rankings, given their placements."""
    for _, group in groupby(placements, key=lambda row: row.ranking_id):
        rows = list(group)
        yield Ranking(
            responses=tuple(row.response_id for row in rows),
            ranks=tuple(row.rank for row in rows),
            labeller=rows[0].labeller,
            kind="adjudicated" if rows[0].adjudicated else "own",
        )


def _no_such_project(slug: str, slugs: list[str]) -> Sentence:
    """Return the error for an unknown project, with the names of some others."""
    if not slugs:
        return sentence("no such project: %(slug)s; the database has no project yet", slug=slug)
    return sentence(
        "no such project: %(slug)s; there are: %(others)s", slug=slug, others=", ".join(slugs)
    )
