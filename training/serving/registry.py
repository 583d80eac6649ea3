"""Read a registry from the web application's database: aliases, versions and tokens of projects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import BigInteger, Column, DateTime, Integer, String, Table, and_, func, select

from training.data.database import metadata, project
from training.data.engine import open_engine, reading
from training.serving.address import ALIASES, CHAMPION, run_folder

training_run = Table(
    "labelapp_trainingrun",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("folder", String(200)),
)
model_version = Table(
    "labelapp_modelversion",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("project_id", BigInteger),
    Column("number", Integer),
    Column("run_id", BigInteger),
    Column("withdrawn_at", DateTime(timezone=True)),
)
alias_move = Table(
    "labelapp_aliasmove",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("project_id", BigInteger),
    Column("alias", String(10)),
    Column("version_id", BigInteger),
)
service_token = Table(
    "labelapp_servicetoken",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("project_id", BigInteger),
    Column("sha256", String(64)),
    Column("revoked_at", DateTime(timezone=True)),
)


NUMBER = re.compile(r"[1-9][0-9]{0,8}")
"""The number of a version, in its one form."""


class NotFoundError(Exception):
    """Raised where there is no such model; the message says what to do."""


class Wanted(NamedTuple):
    """The model that a request asks for."""

    project: str
    which: str = CHAMPION
    """An alias, or the number of a version."""


class Version(NamedTuple):
    """A registered model, and the folder of its run."""

    project: str
    number: int
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.project}/v{self.number}"


@dataclass(frozen=True, slots=True)
class Contents:
    """Hold what the registry said when it was read."""

    projects: frozenset[str] = frozenset()
    versions: Mapping[tuple[str, int], Version] = field(default_factory=dict)
    aliases: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Numbers of versions, by project and alias."""
    tokens: Mapping[str, frozenset[bytes]] = field(default_factory=dict)
    """SHA-256 of the tokens that work, by project; empty where all have been revoked."""

    def find(self, wanted: Wanted) -> Version:
        """Return the version that a request asks for. Raises NotFoundError."""
        slug, which = wanted
        if slug not in self.projects:
            raise NotFoundError(f"there is no project {slug}")
        if which in ALIASES:
            number = self.aliases.get((slug, which))
            if number is None:
                raise NotFoundError(
                    f"project {slug} has no {which} yet: make a version its {which} on the page"
                    " Models of the project"
                )
        else:
            number = int(which) if NUMBER.fullmatch(which) else 0
        found = self.versions.get((slug, number))
        if found is None:
            raise NotFoundError(f"project {slug} has no version {which}")
        return found


class Registry:
    """Read the registry of all projects, or of one."""

    def __init__(self, database_url: str, data_dir: Path, slug: str | None = None) -> None:
        """Open the database. Raises UserError for a bad URL or a missing database."""
        self.engine = open_engine(database_url)
        self.data_dir = data_dir
        self.slug = slug

    def read(self) -> Contents:
        """Return what the registry says now. Raises UserError if the database cannot be read."""
        kept = project.c.deleted_at.is_(None)
        mine = kept if self.slug is None else and_(kept, project.c.slug == self.slug)
        last = select(func.max(alias_move.c.id)).group_by(
            alias_move.c.project_id, alias_move.c.alias
        )
        versions = (
            select(project.c.slug, model_version.c.number, training_run.c.folder)
            .join(project, project.c.id == model_version.c.project_id)
            .join(training_run, training_run.c.id == model_version.c.run_id)
            .where(mine, model_version.c.withdrawn_at.is_(None))
        )
        aliases = (
            select(project.c.slug, alias_move.c.alias, model_version.c.number)
            .join(project, project.c.id == alias_move.c.project_id)
            .join(model_version, model_version.c.id == alias_move.c.version_id)
            .where(mine, alias_move.c.id.in_(last))
        )
        tokens = (
            select(project.c.slug, service_token.c.sha256, service_token.c.revoked_at.is_(None))
            .join(project, project.c.id == service_token.c.project_id)
            .where(mine)
        )
        with reading(self.engine) as connection:
            slugs = frozenset(connection.scalars(select(project.c.slug).where(mine)))
            hashes: dict[str, set[bytes]] = {}
            for slug, sha256, works in connection.execute(tokens):
                of_project = hashes.setdefault(slug, set())
                if works:
                    of_project.add(bytes.fromhex(sha256))
            return Contents(
                projects=slugs,
                versions={
                    (slug, number): Version(slug, number, run_folder(self.data_dir, folder))
                    for slug, number, folder in connection.execute(versions)
                },
                aliases={
                    (slug, alias): number for slug, alias, number in connection.execute(aliases)
                },
                tokens={slug: frozenset(found) for slug, found in hashes.items()},
            )
