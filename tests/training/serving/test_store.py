"""The models of a registry: loaded when asked for, replaced when an alias moves."""

from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import Connection, create_engine, delete, insert, update

from training.data.database import metadata, project
from training.errors import UserError
from training.serving import store
from training.serving.batcher import Batcher
from training.serving.registry import (
    NotFoundError,
    Registry,
    Version,
    Wanted,
    alias_move,
    model_version,
    service_token,
    training_run,
)
from training.serving.store import RegistryModels, Served

NOW = datetime.now(UTC)
KEYS = count(1)


@pytest.fixture
def database(tmp_path: Path):
    """A connection to a database with a project of three versions, the first its champion."""
    engine = create_engine(f"sqlite:///{tmp_path / 'podium.sqlite3'}", isolation_level="AUTOCOMMIT")
    metadata.create_all(engine)
    with engine.connect() as connection:
        connection.execute(insert(project), [{"id": 1, "slug": "demo"}])
        for number in (1, 2, 3):
            run = {"id": number, "folder": f"runs/{number}"}
            connection.execute(insert(training_run), [run])
            version = {"id": number, "project_id": 1, "number": number, "run_id": number}
            connection.execute(insert(model_version), [version])
        move(connection, 1)
        yield connection
    engine.dispose()


def move(connection: Connection, number: int | None, alias: str = "champion") -> None:
    row = {"id": next(KEYS), "project_id": 1, "alias": alias, "version_id": number}
    connection.execute(insert(alias_move), [row])


@pytest.fixture
def registry(tmp_path: Path, database: Connection) -> Registry:
    return Registry(f"sqlite:///{tmp_path / 'podium.sqlite3'}", tmp_path)


class Loader:
    """Loads models that compute nothing, and remembers which; fails where it is told to."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.failing: dict[str, Exception] = {}

    def __call__(self, version: Version) -> Served:
        self.loaded.append(version.name)
        if version.name in self.failing:
            raise self.failing[version.name]
        batcher = Batcher(lambda encoded: [], most_tokens=1, most_waiting=1)
        batcher.start()
        return Served(SimpleNamespace(name=version.name), batcher)


@pytest.fixture
def loader() -> Loader:
    return Loader()


def name(served: Served | None) -> str | None:
    return served and served.model.name


CHAMPION = Wanted("demo")


def test_an_alias_that_moves_takes_the_requests_along(registry, database, loader):
    models = RegistryModels(registry, loader)
    assert models.loaded(CHAMPION) is None
    first = models.load(CHAMPION)
    assert name(first) == "demo/v1"
    assert models.load(Wanted("demo", "1")) is first  # the same under another name
    move(database, 2)
    assert name(models.loaded(CHAMPION)) == "demo/v1"
    models.refresh()
    assert name(models.loaded(CHAMPION)) == "demo/v2"
    assert first.batcher.is_running  # version 1 is still asked for by its number
    assert loader.loaded == ["demo/v1", "demo/v2"]
    move(database, None)
    models.refresh()
    with pytest.raises(NotFoundError, match="no champion yet"):
        models.loaded(CHAMPION)


def test_models_that_nobody_uses_are_ended(registry, database, loader):
    models = RegistryModels(registry, loader, most=2)
    served = [models.load(Wanted("demo", str(number))) for number in (1, 2, 3)]
    models.refresh()
    assert [one.batcher.is_running for one in served] == [False, True, True]
    assert models.loaded(Wanted("demo", "1")) is None


@pytest.mark.parametrize("error", [UserError("no memory"), OSError("gone"), RuntimeError("odd")])
def test_a_model_that_could_not_be_loaded_is_tried_again(
    registry, database, loader, capsys, monkeypatch, error
):
    models = RegistryModels(registry, loader)
    models.load(CHAMPION)
    loader.failing["demo/v2"] = error
    move(database, 2)
    for _ in range(3):
        models.refresh()
    assert name(models.loaded(CHAMPION)) == "demo/v1"
    assert loader.loaded.count("demo/v2") == 1
    assert capsys.readouterr().err == f"demo/v2 cannot be loaded: {error}\n"
    loader.failing.clear()
    monkeypatch.setattr(store, "RETRY_SECONDS", 0)
    models.refresh()
    assert name(models.loaded(CHAMPION)) == "demo/v2"


def test_a_request_for_it_does_not_load_it_each_time(registry, database, loader):
    models = RegistryModels(registry, loader)
    loader.failing["demo/v1"] = UserError("no memory")
    for _ in range(3):
        with pytest.raises(UserError, match="no memory"):
            models.load(CHAMPION)
    assert loader.loaded == ["demo/v1"]


def test_the_models_go_on_while_the_registry_cannot_be_read(
    registry, database, loader, capsys, tmp_path
):
    models = RegistryModels(registry, loader)
    models.load(CHAMPION)
    database.exec_driver_sql("ALTER TABLE labelapp_aliasmove RENAME TO other")
    for _ in range(2):
        models.refresh()
    assert capsys.readouterr().err.count("the database cannot be read") == 1
    assert name(models.loaded(CHAMPION)) == "demo/v1"
    database.exec_driver_sql("ALTER TABLE other RENAME TO labelapp_aliasmove")
    move(database, 2)
    models.refresh()
    assert name(models.loaded(CHAMPION)) == "demo/v2"


def test_the_model_of_the_service_is_loaded_as_soon_as_there_is_one(registry, database, loader):
    database.execute(delete(alias_move))
    models = RegistryModels(registry, loader, default=CHAMPION)
    models.refresh()
    with pytest.raises(NotFoundError):
        models.loaded(None)
    move(database, 3)
    models.refresh()
    assert name(models.loaded(None)) == "demo/v3"


def test_a_project_whose_tokens_are_revoked_is_not_open_again(registry, database, loader):
    models = RegistryModels(registry, loader)
    assert (models.tokens("demo"), models.had_tokens("demo")) == (frozenset(), False)
    database.execute(insert(service_token), [{"id": 1, "project_id": 1, "sha256": "ab" * 32}])
    models.refresh()
    assert models.tokens("demo") == {bytes.fromhex("ab" * 32)}
    database.execute(update(service_token).values(revoked_at=NOW))
    models.refresh()
    assert (models.tokens("demo"), models.had_tokens("demo")) == (frozenset(), True)


def test_what_is_not_there_is_not_found(registry, database, loader):
    database.execute(update(model_version).where(model_version.c.id == 3).values(withdrawn_at=NOW))
    models = RegistryModels(registry, loader)
    for which in ("0", "01", "3", "4", "9" * 5000, "x", "challenger"):
        with pytest.raises(NotFoundError):
            models.loaded(Wanted("demo", which))
    with pytest.raises(NotFoundError, match="no project other"):
        models.loaded(Wanted("other"))
    with pytest.raises(NotFoundError, match="say which project"):
        models.loaded(None)
    database.execute(update(project).values(deleted_at=NOW))
    models.refresh()
    with pytest.raises(NotFoundError):
        models.loaded(CHAMPION)
