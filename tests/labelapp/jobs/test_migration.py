"""The migration to one form of job: what was stored before it is there afterwards, and back."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from labelapp.models import AgreementMeasurement, Project
from labelapp.quality.measurement import last_measurement

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE, AFTER = ("labelapp", "0005_quality"), ("labelapp", "0006_jobs")
PATHS = ("labelapp.tasks.measure_agreement", "labelapp.quality.tasks.measure_agreement")
NOW = timezone.now()


def migrate(target: tuple[str, str]) -> Any:
    """Migrate the database, and return the models that it has then."""
    executor = MigrationExecutor(connection)
    state = executor.migrate([target])
    return state.apps.get_model


@pytest.fixture
def old() -> Iterator[Any]:
    """Return the models of the version before; the database is of today's again in the end."""
    yield migrate(BEFORE)
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def result(rankings: int) -> dict[str, Any]:
    counts = {"rankings": rankings, "labellers": 2, "prompts": 3, "shared_prompts": 1}
    return counts | {"figures": [], "people": []}


def ago(minutes: int) -> datetime:
    return NOW - timedelta(minutes=minutes)


def add_task(
    old: Any, project: int, minutes: int, status: str, path: str = PATHS[1], **more: Any
) -> Any:
    """Add a row to the queue as measuring did: enqueued so many minutes ago, and done in two."""
    rows = old("django_tasks_database", "DBTaskResult").objects
    begun = {"started_at": ago(minutes - 1)} if status != "READY" else {}
    over = {"finished_at": ago(minutes - 2)} if status in ("SUCCESSFUL", "FAILED") else {}
    task = rows.create(
        task_path=path,
        args_kwargs={"args": [project], "kwargs": {}},
        status=status,
        run_after=ago(minutes),
        backend_name="default",
        **begun | over | more,
    )
    rows.filter(pk=task.pk).update(enqueued_at=ago(minutes))
    return task.pk


def tasks(models: Any) -> dict[Any, list[Any]]:
    """Return the arguments of the tasks in the queue."""
    rows = models("django_tasks_database", "DBTaskResult").objects.order_by("enqueued_at")
    return {row.pk: row.args_kwargs["args"] for row in rows}


def test_measurements_move_out_of_the_queue(old: Any) -> None:
    projects = old("labelapp", "Project").objects
    kitchen, garden = (projects.create(name=n, slug=n).pk for n in ("kitchen", "garden"))
    add_task(old, kitchen, 90, "SUCCESSFUL", PATHS[0], return_value=result(10))
    add_task(old, kitchen, 80, "FAILED", traceback="Traceback:\n  x\na.B: the disk is full\n")
    add_task(old, kitchen, 70, "SUCCESSFUL", return_value=result(20))
    waiting = add_task(old, kitchen, 60, "READY", PATHS[0])
    add_task(old, kitchen, 50, "READY")  # two clicks at once could make two
    add_task(old, kitchen, 40, "SUCCESSFUL", return_value=result(30))  # by the command
    add_task(old, garden, 30, "SUCCESSFUL", return_value=result(40))
    add_task(old, garden, 20, "RUNNING")
    add_task(old, garden + 100, 10, "SUCCESSFUL", return_value=result(50))  # a deleted project
    add_task(old, garden + 100, 9, "SUCCESSFUL", return_value=None)
    train = add_task(old, 1, 5, "SUCCESSFUL", "labelapp.runs.tasks.train", return_value="done")

    new = migrate(AFTER)
    stored = AgreementMeasurement.objects.order_by("pk")
    assert [(m.project_id, m.state, m.result.get("rankings"), m.reason) for m in stored] == [
        (kitchen, "done", 10, ""),
        (kitchen, "failed", None, "the disk is full."),
        (kitchen, "done", 20, ""),
        (kitchen, "queued", None, ""),
        (kitchen, "done", 30, ""),
        (garden, "done", 40, ""),
        (garden, "failed", None, "Podium was upgraded during this measurement."),
    ]
    first = stored[0]
    assert (first.created_at, first.started_at, first.finished_at) == (ago(90), ago(89), ago(88))
    queued = stored.get(state="queued")
    assert tasks(new) == {waiting: [queued.pk], train: [1]}

    back = migrate(BEFORE)
    rows = back("django_tasks_database", "DBTaskResult").objects.order_by("enqueued_at")
    found = [
        (row.args_kwargs["args"], row.status, (row.return_value or {}).get("rankings"))
        for row in rows.filter(task_path__in=PATHS)
    ]
    assert found == [
        ([kitchen], "SUCCESSFUL", 10),
        ([kitchen], "FAILED", None),
        ([kitchen], "SUCCESSFUL", 20),
        ([kitchen], "READY", None),
        ([kitchen], "SUCCESSFUL", 30),
        ([garden], "SUCCESSFUL", 40),
        ([garden], "FAILED", None),
    ]
    assert tasks(back)[train] == [1]
    migrate(AFTER)
    assert AgreementMeasurement.objects.count() == 7
    reasons = {m.reason for m in AgreementMeasurement.objects.filter(state="failed")}
    assert reasons == {"the disk is full.", "Podium was upgraded during this measurement."}
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())
    shown = last_measurement(Project.objects.get(pk=kitchen))
    assert shown.agreement is not None
    assert (shown.agreement.rankings, shown.at) == (30, ago(38))


def test_what_a_later_version_left_in_the_queue_is_no_measurement_to_an_earlier_one(
    old: Any,
) -> None:
    kitchen = old("labelapp", "Project").objects.create(name="kitchen", slug="kitchen").pk
    new = migrate(AFTER)
    add_task(new, kitchen, 10, "SUCCESSFUL", return_value="done")
    assert tasks(migrate(BEFORE)) == {}


def test_jobs_that_would_break_the_constraints_are_repaired(old: Any) -> None:
    project = old("labelapp", "Project").objects.create(name="kitchen", slug="kitchen")
    user = old("labelapp", "User").objects.create(username="ann")
    of = {"project": project, "created_by": user, "name": "f", "format": "jsonl"}
    uploads, exports = old("labelapp", "Upload").objects, old("labelapp", "Export").objects
    read_anew = uploads.create(**of, state="draft", finished_at=ago(9))
    silent = uploads.create(**of, state="failed", reason="Gone.", heartbeat_at=ago(5))
    stopped = exports.create(**of, state="stopped", finished_at=ago(4))
    lost = exports.create(**of, state="done")
    run = old("labelapp", "TrainingRun").objects.create(
        project=project, started_by=user, state="running", step=3, steps=12, heartbeat_at=ago(1)
    )
    prompt = old("labelapp", "Prompt").objects.create(
        project=project, messages=[], rankings_wanted=1, rankings_needed=1
    )
    old("labelapp", "PromptAgreement").objects.create(
        run=run, prompt=prompt, comparisons=2, against=1, disagreement=0.5, held_out=True
    )

    new = migrate(AFTER)
    uploads, exports = new("labelapp", "Upload").objects, new("labelapp", "Export").objects
    assert uploads.get(pk=read_anew.pk).finished_at is None
    assert uploads.get(pk=silent.pk).finished_at == ago(5)
    assert exports.get(pk=stopped.pk).reason == "Stopped on request."
    assert exports.get(pk=lost.pk).finished_at == exports.get(pk=lost.pk).created_at
    found = new("labelapp", "TrainingRun").objects.get(pk=run.pk)
    assert (found.created_by_id, found.done, found.total) == (user.pk, 3, 12)
    assert found.agreements.count() == 1

    found = migrate(BEFORE)("labelapp", "TrainingRun").objects.get(pk=run.pk)
    assert (found.started_by_id, found.step, found.steps) == (user.pk, 3, 12)
