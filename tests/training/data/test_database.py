"""The database, as the pages write it and as training reads it."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy
from django.apps import apps
from django.db import connection, models

from labelapp.jobs.environment import database_url
from labelapp.models import Member, Project, Prompt, Response, Upload
from labelapp.models import Ranking as StoredRanking
from training.aggregation import RankingFilter
from training.config import TrainConfig
from training.data import database
from training.data.database import DatabaseSource
from training.data.engine import open_engine, postgresql_url
from training.errors import UserError
from training.rankings import UNRANKED, Ranking, prompt_hash

TYPES = {
    models.BigAutoField: sqlalchemy.BigInteger,
    models.BooleanField: sqlalchemy.Boolean,
    models.CharField: sqlalchemy.String,
    models.DateTimeField: sqlalchemy.DateTime,
    models.SlugField: sqlalchemy.String,
    models.TextField: sqlalchemy.Text,
    models.JSONField: sqlalchemy.JSON,
    models.PositiveSmallIntegerField: sqlalchemy.Integer,
    models.PositiveIntegerField: sqlalchemy.Integer,
}


def differences(table):
    """Return how a table of training's differs from the model of the pages."""
    found = [model for model in apps.get_models() if model._meta.db_table == table.name]
    if not found:
        return [f"no model has the table {table.name}"]
    fields = {field.column: field for field in found[0]._meta.concrete_fields}
    wrong = []
    for column in table.columns:
        field = fields.get(column.name)
        while isinstance(field, models.ForeignKey):
            field = field.target_field
        if field is None:
            wrong.append(f"{table.name} has no column {column.name}")
        elif type(column.type) is not TYPES[type(field)]:
            wrong.append(f"{table.name}.{column.name} is a {type(field).__name__}")
        elif getattr(column.type, "length", None) not in (None, getattr(field, "max_length", None)):
            wrong.append(f"{table.name}.{column.name} has another length")
    return wrong


@pytest.mark.parametrize("table", database.metadata.sorted_tables, ids=lambda table: table.name)
def test_every_column_that_training_reads_is_there_with_its_type(table):
    assert differences(table) == []


def test_a_column_that_is_not_there_or_is_another_is_found():
    column, metadata = sqlalchemy.Column, sqlalchemy.MetaData()
    assert differences(sqlalchemy.Table("labelapp_nothing", metadata)) == [
        "no model has the table labelapp_nothing"
    ]
    table = sqlalchemy.Table(
        "labelapp_prompt",
        metadata,
        column("id", sqlalchemy.Text),
        column("mood", sqlalchemy.Text),
        column("content_hash", sqlalchemy.String(32)),
    )
    assert differences(table) == [
        "labelapp_prompt.id is a BigAutoField",
        "labelapp_prompt has no column mood",
        "labelapp_prompt.content_hash has another length",
    ]


@pytest.fixture
def url(transactional_db):
    return database_url(connection.settings_dict)


@pytest.fixture
def two_prompts(url, add_prompt, add_ranking, labeller, manager):
    """A prompt that two people ranked, and one that nobody did."""
    first, second = add_prompt("Why is the sky blue?"), add_prompt("And the sea?")
    add_ranking(first, labeller, [1, 2, 2, 3])
    add_ranking(first, manager, [4, 3, 2, 1])
    return first, second


def test_prompts_come_with_responses_and_rankings(url, two_prompts):
    first, second = DatabaseSource(url, "kitchen").prompts()
    assert (first.id, second.id) == (two_prompts[0].pk, two_prompts[1].pk)
    assert first.messages == [{"role": "user", "content": "Why is the sky blue?"}]
    assert first.content_hash == prompt_hash(first.messages)
    ids = tuple(response.id for response in first.responses)
    assert [(r.id, r.text) for r in first.responses] == list(
        Response.objects.filter(prompt_id=first.id).order_by("pk").values_list("pk", "text")
    )
    assert first.rankings == (
        Ranking(ids, (1, 2, 2, 3), "labeller"),
        Ranking(ids, (4, 3, 2, 1), "manager"),
    )
    assert len(second.responses) == 4
    assert second.rankings == ()


def test_a_ranking_that_was_replaced_is_left_out(url, two_prompts, add_ranking, labeller):
    two_prompts[0].rankings.filter(member=labeller).update(is_current=False)
    ranks = (UNRANKED, UNRANKED, 1, 1)
    add_ranking(two_prompts[0], labeller, ranks, version=2)
    first, _ = DatabaseSource(url, "kitchen").prompts()
    assert [ranking.ranks for ranking in first.rankings] == [(4, 3, 2, 1), ranks]


def test_the_versions_of_the_rankings_are_told(url, two_prompts, add_ranking, labeller, manager):
    first, second = two_prompts
    first.rankings.filter(member=labeller).update(is_current=False)
    times = [datetime(2026, 3, day, 12, tzinfo=UTC) for day in (1, 2, 3)]
    first.rankings.filter(member=manager).update(created_at=times[1])
    add_ranking(first, labeller, [1, 2, 3, 4], version=2, created_at=times[2])
    add_ranking(second, labeller, [1, 2, 3, 4], created_at=times[0])
    source = DatabaseSource(url, "kitchen")
    assert source.ranking_versions() == []  # nothing has been read yet
    list(source.prompts())
    day = "2026-03-0{}T12:00:00+00:00"
    assert source.ranking_versions() == [
        {"version": 1, "rankings": 2, "first": day.format(1), "last": day.format(2)},
        {"version": 2, "rankings": 1, "first": day.format(3), "last": day.format(3)},
    ]
    of_manager = DatabaseSource(url, "kitchen", RankingFilter(labellers=("manager",)))
    list(of_manager.prompts())
    [only] = of_manager.ranking_versions()
    assert (only["version"], only["rankings"]) == (1, 1)


def test_an_adjudicated_ranking_comes_as_one(url, two_prompts, add_ranking, manager):
    add_ranking(two_prompts[0], manager, [1, 2, 3, 4], version=2, origin="adjudicated")
    first, _ = DatabaseSource(url, "kitchen").prompts()
    found = [(ranking.labeller, ranking.kind) for ranking in first.rankings]
    assert found == [("labeller", "own"), ("manager", "own"), ("manager", "adjudicated")]


def test_another_projects_prompts_are_left_out(url, two_prompts):
    other = Project.objects.create(name="Garden", slug="garden")
    two_prompts[0].rankings.all().delete()
    type(two_prompts[0]).objects.filter(pk=two_prompts[0].pk).update(project=other)
    assert [prompt.id for prompt in DatabaseSource(url, "kitchen").prompts()] == [two_prompts[1].pk]
    assert DatabaseSource(url, "kitchen").count_responses() == 4


def test_many_rows_come_in_pieces(url, add_prompt, add_ranking, labeller, monkeypatch):
    monkeypatch.setattr(database, "ROWS_AT_A_TIME", 3)
    for number in range(7):
        add_ranking(add_prompt(f"Question {number}?"), labeller, [1, 2, 3, 4])
    found = list(DatabaseSource(url, "kitchen").prompts())
    assert [len(prompt.responses) for prompt in found] == [4] * 7
    assert [prompt.rankings[0].ranks for prompt in found] == [(1, 2, 3, 4)] * 7


def test_a_database_that_goes_away_in_the_middle_is_named_in_one_line(
    url, add_prompt, add_ranking, labeller, monkeypatch, on_postgresql
):
    if not on_postgresql:
        pytest.skip("a SQLite file has no server that could go away")
    monkeypatch.setattr(database, "ROWS_AT_A_TIME", 3)
    for number in range(20):
        add_ranking(add_prompt(f"Question {number}?"), labeller, [1, 2, 3, 4])
    reading = DatabaseSource(url, "kitchen").prompts()
    assert len(next(reading).rankings) == 1
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with pytest.raises(UserError, match="the database cannot be read: ") as caught:
        list(reading)
    assert "\n" not in str(caught.value)


def test_the_database_can_be_read_again_and_again(url, two_prompts):
    source = DatabaseSource(url, "kitchen")
    assert list(source.prompts()) == list(source.prompts())


def test_training_cannot_write(url, two_prompts):
    with open_engine(url).connect() as read_only:
        if read_only.dialect.name == "sqlite":
            with pytest.raises(sqlalchemy.exc.OperationalError, match="readonly"):
                read_only.execute(sqlalchemy.delete(database.placement))
        else:
            assert read_only.get_isolation_level() == "REPEATABLE READ"


def test_an_unknown_project_is_named_with_those_there_are(url, project):
    with pytest.raises(UserError, match="no such project: cellar; there are: kitchen"):
        DatabaseSource(url, "cellar")


def test_an_empty_database_says_so(url):
    with pytest.raises(UserError, match="no such project: x; the database has no project yet"):
        DatabaseSource(url, "x")


@pytest.mark.parametrize(
    ("bad_url", "words"),
    [
        ("sqlite:////no/such/file.sqlite3", "database file /no/such/file.sqlite3 does not exist"),
        ("mysql://localhost/x", "must begin with sqlite://, postgres:// or postgresql://"),
        ("nonsense", "must begin with sqlite://"),
        ("postgresql://localhost:port/x", "database URL cannot be read"),
        ("postgresql://nobody@127.0.0.1:9/x?connect_timeout=2", "the database cannot be read"),
    ],
)
def test_a_bad_database_is_named_in_one_line(bad_url, words):
    with pytest.raises(UserError, match=words) as caught:
        DatabaseSource(bad_url, "kitchen")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "notes.sqlite3"
    path.write_text("nothing here " * 100)
    with pytest.raises(UserError, match="the database cannot be read: file is not a database"):
        DatabaseSource(f"sqlite:///{path}", "kitchen")


@pytest.mark.parametrize(
    ("django", "expected"),
    [
        ("postgres://u:p%40@h:5432/db", "postgresql+psycopg://u:p%40@h:5432/db"),
        ("postgresql://u@/db?host=/run/pg", "postgresql+psycopg://u@/db?host=/run/pg"),
        ("postgresql://u:p@%2Frun%2Fpg/db", "postgresql+psycopg://u:p@/db?host=/run/pg"),
        ("postgresql:///db", "postgresql+psycopg:///db"),
        ("postgresql:///db?host=/run/pg", "postgresql+psycopg:///db?host=/run/pg"),
    ],
)
def test_a_url_of_djangos_becomes_one_of_sqlalchemys(django, expected):
    assert postgresql_url(django) == expected


def test_rankings_that_come_while_a_run_reads_are_not_seen(
    url, two_prompts, add_ranking, labeller, project
):
    source = DatabaseSource(url, project.slug)
    before = sum(len(prompt.rankings) for prompt in source.prompts())
    reading = source.prompts()
    seen = len(next(reading).rankings)
    late = Member.objects.create(project=project, name="late")
    add_ranking(Prompt.objects.latest("pk"), late, [1, 2, 3, 4])
    assert seen + sum(len(prompt.rankings) for prompt in reading) == before
    assert sum(len(prompt.rankings) for prompt in source.prompts()) == before + 1


def test_a_path_with_odd_signs_is_opened(tmp_path):
    path = tmp_path / "a b?c#d.sqlite3"
    path.touch()
    with open_engine(
        f"sqlite:///{path.as_posix().replace('?', '%3F').replace('#', '%23')}"
    ).connect():
        assert path.stat().st_size == 0


def test_rankings_are_read_by_labeller_day_and_origin(url, two_prompts, labeller):
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    of_labeller = StoredRanking.objects.filter(member=labeller)
    of_labeller.update(created_at=midnight, origin="imported")

    def read(**settings):
        rankings = RankingFilter.of(TrainConfig(**settings).to_json())
        first, _ = DatabaseSource(url, "kitchen", rankings).prompts()
        return [ranking.labeller for ranking in first.rankings]

    assert read() == ["labeller", "manager"]
    assert read(labellers="manager,nobody") == ["manager"]
    assert read(ranked_in="imported") == ["labeller"]
    assert read(ranked_in="here") == ["manager"]
    assert read(ranked_from="2026-03-02") == ["labeller", "manager"]
    assert read(ranked_from="2026-03-03") == ["manager"]
    assert read(ranked_from="2026-03-02", ranked_until="2026-03-02") == ["labeller"]
    assert read(ranked_until="2026-03-01") == []
    of_labeller.update(created_at=midnight - timedelta(microseconds=1))
    assert read(ranked_until="2026-03-01") == ["labeller"]
    assert read(ranked_from="2026-03-02") == ["manager"]


def test_rankings_are_read_by_upload(url, two_prompts, add_ranking, labeller, manager):
    first, second = two_prompts
    upload = Upload.objects.create(project=first.project, name="a.jsonl", format="jsonl")
    StoredRanking.objects.filter(member=labeller).update(upload=upload, origin="imported")
    add_ranking(second, labeller, [1, 2, 3, 4], origin="imported")

    def read(uploads):
        rankings = RankingFilter.of(TrainConfig(uploads=uploads).to_json())
        found = DatabaseSource(url, "kitchen", rankings).prompts()
        return [[ranking.labeller for ranking in prompt.rankings] for prompt in found]

    assert read("") == [["labeller", "manager"], ["labeller"]]
    assert read(str(upload.pk)) == [["labeller"], []]
    assert read("here") == [["manager"], []]
    assert read("command") == [[], ["labeller"]]
    assert read(f"here, {upload.pk}") == [["labeller", "manager"], []]
    assert read(str(upload.pk + 1)) == [[], []]


def test_rankings_are_narrowed_to_the_responses_of_the_sources(url, two_prompts):
    def read(sources):
        rankings = RankingFilter.of(TrainConfig(sources=sources).to_json())
        source = DatabaseSource(url, "kitchen", rankings)
        first, second = source.prompts()
        assert len(first.responses) == len(second.responses) == 4
        told = [version["rankings"] for version in source.ranking_versions()]
        ids = [response.id for response in first.responses]
        found = [(list(map(ids.index, one.responses)), one.ranks) for one in first.rankings]
        return found, told

    assert read("model-0,model-3") == ([([0, 3], (1, 3)), ([0, 3], (4, 1))], [2])
    assert read("model-1,model-2,nobody") == ([([1, 2], (2, 2)), ([1, 2], (3, 2))], [2])
    assert read("model-0") == ([], [])
