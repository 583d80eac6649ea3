"""One form for every background job, and agreement's measurements in a table of their own.

Until now the results of measurements lay in the table of the task queue, from which its own
clean-up (`manage.py prune_db_task_results`) deletes them.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q
from django.db.models.functions import Coalesce

STATES = ["draft", "queued", "running", "refused", "done", "failed", "stopped"]
ACTIVE = ("queued", "running")
UNFINISHED = ("draft", *ACTIVE)
STOPPED = "Stopped on request."
UPGRADED = "Podium was upgraded during this measurement."

TASK = "labelapp.quality.tasks.measure_agreement"
TASKS = (TASK, "labelapp.tasks.measure_agreement")


def repair_jobs(apps, schema_editor):
    """Let the rows of every kind of job keep the constraints that are added afterwards."""
    for name in ("TrainingRun", "Upload", "Export"):
        rows = apps.get_model("labelapp", name)._default_manager
        # An upload that was refused and then read anew.
        rows.filter(state__in=UNFINISHED, finished_at__isnull=False).update(finished_at=None)
        over = rows.exclude(state__in=UNFINISHED)
        over.filter(finished_at=None).update(finished_at=Coalesce("heartbeat_at", "created_at"))
        rows.filter(state="stopped", reason="").update(reason=STOPPED)


def models_of(apps):
    measurements = apps.get_model("labelapp", "AgreementMeasurement")._default_manager
    tasks = apps.get_model("django_tasks_database", "DBTaskResult")._default_manager
    return measurements, tasks


def bring_measurements(apps, schema_editor):
    """Move measurements from the queue's table; a task that waits names its measurement."""
    measurements, tasks = models_of(apps)
    projects = apps.get_model("labelapp", "Project")._default_manager
    known = set(projects.values_list("pk", flat=True))
    queued = set()  # projects
    moved = []
    rows = tasks.filter(task_path__in=TASKS).order_by("enqueued_at")
    for task in rows.iterator(chunk_size=100):
        project = task.args_kwargs["args"][0]
        fields = None if task.status == "READY" and project in queued else fields_of(task)
        if project in known and fields is not None:
            made = measurements.create(project_id=project, started_at=task.started_at, **fields)
            measurements.filter(pk=made.pk).update(created_at=task.enqueued_at)
            if made.state == "queued":
                queued.add(project)
                args = task.args_kwargs | {"args": [made.pk]}
                tasks.filter(pk=task.pk).update(args_kwargs=args)
                continue
        moved.append(task.pk)
    for pk in moved:
        tasks.filter(pk=pk).delete()


def fields_of(task):
    """Return the fields of a task's measurement; None where nothing came of it."""
    over = {"finished_at": task.finished_at or task.started_at or task.enqueued_at}
    if task.status == "READY":
        return {"state": "queued"}
    if task.status == "SUCCESSFUL":
        return {"state": "done", "result": task.return_value, **over} if task.return_value else None
    if task.status == "RUNNING":
        return {"state": "failed", "reason": UPGRADED, **over}
    lines = task.traceback.strip().splitlines()
    reason = lines[-1].partition(": ")[2] if lines else ""
    return {"state": "failed", "reason": f"{reason or 'No reason was given'}.", **over}


def take_measurements_back(apps, schema_editor):
    """Store finished measurements as the queue's results; a task that waits names its project."""
    measurements, tasks = models_of(apps)
    rows = tasks.filter(task_path__in=TASKS)
    rows.filter(status__in=("SUCCESSFUL", "FAILED")).delete()
    for task in rows:
        measurement = measurements.filter(pk=task.args_kwargs["args"][0]).first()
        if measurement is not None:
            args = task.args_kwargs | {"args": [measurement.project_id]}
            tasks.filter(pk=task.pk).update(args_kwargs=args)
    for measurement in measurements.exclude(state__in=ACTIVE).order_by("pk").iterator():
        is_done = measurement.state == "done"
        task = tasks.create(
            task_path=TASK,
            args_kwargs={"args": [measurement.project_id], "kwargs": {}},
            backend_name="default",
            status="SUCCESSFUL" if is_done else "FAILED",
            return_value=measurement.result if is_done else None,
            traceback="" if is_done else f"Error: {measurement.reason.rstrip('.')}",
            run_after=measurement.created_at,
            started_at=measurement.started_at,
            finished_at=measurement.finished_at,
        )
        tasks.filter(pk=task.pk).update(enqueued_at=measurement.created_at)


def state():
    choices = [(state, state.capitalize()) for state in STATES]
    return models.CharField(choices=choices, default="queued", max_length=7)


def user():
    return models.ForeignKey(
        blank=True,
        null=True,
        on_delete=django.db.models.deletion.SET_NULL,
        related_name="+",
        to=settings.AUTH_USER_MODEL,
    )


def state_known(kind):
    return models.CheckConstraint(condition=Q(state__in=STATES), name=f"{kind}_state_known")


def failure_has_a_reason(kind):
    return models.CheckConstraint(
        condition=~Q(state="failed") | ~Q(reason=""), name=f"{kind}_failure_has_a_reason"
    )


def finished_when_over(kind):
    return models.CheckConstraint(
        condition=Q(state__in=UNFINISHED, finished_at=None)
        | (~Q(state__in=UNFINISHED) & Q(finished_at__isnull=False)),
        name=f"{kind}_finished_when_over",
    )


class Migration(migrations.Migration):
    dependencies = [
        ("labelapp", "0005_quality"),
        ("django_tasks_database", "0018_rename_succeeded_status"),
    ]

    operations = [
        migrations.RunPython(repair_jobs, migrations.RunPython.noop),
        *(
            migrations.RemoveConstraint("trainingrun", name)
            for name in ("run_state_known", "run_finished_when_over", "run_failure_has_a_reason")
        ),
        migrations.RenameField("trainingrun", "started_by", "created_by"),
        migrations.RenameField("trainingrun", "step", "done"),
        migrations.RenameField("trainingrun", "steps", "total"),
        migrations.AlterField("trainingrun", "done", models.BigIntegerField(default=0)),
        migrations.AlterField("trainingrun", "total", models.BigIntegerField(default=0)),
        migrations.AlterField("trainingrun", "state", state()),
        migrations.AddConstraint("trainingrun", state_known("trainingrun")),
        migrations.AddConstraint("trainingrun", failure_has_a_reason("trainingrun")),
        migrations.AddConstraint("trainingrun", finished_when_over("trainingrun")),
        *(
            operation
            for kind in ("upload", "export")
            for operation in (
                migrations.AddField(
                    kind, "started_at", models.DateTimeField(blank=True, null=True)
                ),
                migrations.AddField(kind, "stop_requested", models.BooleanField(default=False)),
                migrations.AlterField(kind, "state", state()),
                migrations.AddConstraint(kind, finished_when_over(kind)),
            )
        ),
        migrations.CreateModel(
            name="AgreementMeasurement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("state", state()),
                ("reason", models.TextField(blank=True)),
                ("done", models.BigIntegerField(default=0)),
                ("total", models.BigIntegerField(default=0)),
                ("stop_requested", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("heartbeat_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("result", models.JSONField(blank=True, default=dict)),
                ("created_by", user()),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="measurements",
                        to="labelapp.project",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "abstract": False,
                "constraints": [
                    state_known("agreementmeasurement"),
                    failure_has_a_reason("agreementmeasurement"),
                    finished_when_over("agreementmeasurement"),
                    models.UniqueConstraint(
                        condition=Q(state__in=ACTIVE),
                        fields=("project",),
                        name="agreementmeasurement_one_active",
                    ),
                ],
            },
        ),
        migrations.RunPython(bring_measurements, take_measurements_back),
    ]
