"""Gold, repeated and adjudicated rankings, comments, disagreement, and files in the background."""

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labelapp", "0004_taken_out"),
    ]

    operations = [
        migrations.CreateModel(
            name="Comment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("text", models.TextField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "ordering": ["created_at", "pk"],
            },
        ),
        migrations.CreateModel(
            name="Disagreement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("labellers", models.PositiveIntegerField()),
                ("comparisons", models.PositiveIntegerField()),
                ("against", models.PositiveIntegerField()),
                ("share", models.FloatField()),
            ],
        ),
        migrations.CreateModel(
            name="Export",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("refused", "Refused"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("stopped", "Stopped"),
                        ],
                        db_default="queued",
                        default="queued",
                        max_length=7,
                    ),
                ),
                ("name", models.CharField(max_length=255)),
                ("folder", models.CharField(blank=True, max_length=200)),
                ("format", models.CharField(max_length=20)),
                ("options", models.JSONField(blank=True, default=dict)),
                ("outcome", models.JSONField(blank=True, default=dict)),
                ("done", models.BigIntegerField(default=0)),
                ("total", models.BigIntegerField(default=0)),
                ("reason", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("heartbeat_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-pk"],
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Upload",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("refused", "Refused"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("stopped", "Stopped"),
                        ],
                        db_default="queued",
                        default="queued",
                        max_length=7,
                    ),
                ),
                ("name", models.CharField(max_length=255)),
                ("folder", models.CharField(blank=True, max_length=200)),
                ("format", models.CharField(max_length=20)),
                ("options", models.JSONField(blank=True, default=dict)),
                ("outcome", models.JSONField(blank=True, default=dict)),
                ("done", models.BigIntegerField(default=0)),
                ("total", models.BigIntegerField(default=0)),
                ("reason", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("heartbeat_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("size", models.BigIntegerField(default=0)),
            ],
            options={
                "ordering": ["-pk"],
                "abstract": False,
            },
        ),
        migrations.RemoveConstraint(
            model_name="assignment",
            name="assignment_once_per_member",
        ),
        migrations.RemoveConstraint(
            model_name="ranking",
            name="ranking_one_current",
        ),
        migrations.RemoveConstraint(
            model_name="ranking",
            name="ranking_origin_known",
        ),
        migrations.AddField(
            model_name="assignment",
            name="gold",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="assignment",
            name="repeat",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name="project",
            name="lease_minutes",
            # PostgreSQL's small integers end below 30 days.
            field=models.PositiveIntegerField(
                default=60,
                help_text="How long a labeller keeps a prompt before another may get it.",
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(43200),
                ],
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="gold_share",
            field=models.PositiveSmallIntegerField(
                db_default=0,
                default=0,
                help_text="Of a labeller's tasks, this many in a hundred are prompts with a gold ranking.",
                validators=[django.core.validators.MaxValueValidator(50)],
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="repeat_after_days",
            field=models.PositiveSmallIntegerField(
                db_default=7,
                default=7,
                help_text="How long after it was ranked a prompt may come to its labeller again.",
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(365),
                ],
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="repeat_share",
            field=models.PositiveSmallIntegerField(
                db_default=0,
                default=0,
                help_text="Of a labeller's tasks, this many in a hundred are prompts they ranked before.",
                validators=[django.core.validators.MaxValueValidator(50)],
            ),
        ),
        migrations.AddField(
            model_name="ranking",
            name="is_gold",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name="ranking",
            name="origin",
            field=models.CharField(
                choices=[
                    ("here", "ranked here"),
                    ("imported", "Imported"),
                    ("adjudicated", "adjudicated"),
                    ("repeated", "ranked again"),
                ],
                default="here",
                max_length=11,
            ),
        ),
        migrations.AddConstraint(
            model_name="assignment",
            constraint=models.UniqueConstraint(
                fields=("prompt", "member", "repeat"), name="assignment_once_per_member"
            ),
        ),
        migrations.AddConstraint(
            model_name="assignment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("gold", False), ("repeat", False)), ("slot", None), _connector="OR"
                ),
                name="assignment_control_holds_no_slot",
            ),
        ),
        migrations.AddConstraint(
            model_name="assignment",
            constraint=models.CheckConstraint(
                condition=models.Q(("gold", False), ("repeat", False), _connector="OR"),
                name="assignment_gold_or_repeat",
            ),
        ),
        migrations.AddConstraint(
            model_name="project",
            constraint=models.CheckConstraint(
                condition=models.Q(("gold_share__lte", 50), ("repeat_share__lte", 50)),
                name="project_shares_in_percent",
            ),
        ),
        migrations.AddConstraint(
            model_name="project",
            constraint=models.CheckConstraint(
                condition=models.Q(("repeat_after_days__range", (1, 365))),
                name="project_repeats_after_days",
            ),
        ),
        migrations.AddConstraint(
            model_name="ranking",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("is_current", True), models.Q(("origin", "adjudicated"), _negated=True)
                ),
                fields=("prompt", "member", "responses_hash"),
                name="ranking_one_current",
            ),
        ),
        migrations.AddConstraint(
            model_name="ranking",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_current", True), ("origin", "adjudicated")),
                fields=("prompt", "responses_hash"),
                name="ranking_one_adjudicated",
            ),
        ),
        migrations.AddConstraint(
            model_name="ranking",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_gold", True)), fields=("prompt",), name="ranking_one_gold"
            ),
        ),
        migrations.AddConstraint(
            model_name="ranking",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("is_current", False),
                    models.Q(("origin", "repeated"), _negated=True),
                    _connector="OR",
                ),
                name="ranking_repeated_never_current",
            ),
        ),
        migrations.AddConstraint(
            model_name="ranking",
            constraint=models.CheckConstraint(
                condition=models.Q(("origin__in", ["here", "imported", "adjudicated", "repeated"])),
                name="ranking_origin_known",
            ),
        ),
        migrations.AddField(
            model_name="comment",
            name="member",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="comments",
                to="labelapp.member",
            ),
        ),
        migrations.AddField(
            model_name="comment",
            name="prompt",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="comments",
                to="labelapp.prompt",
            ),
        ),
        migrations.AddField(
            model_name="disagreement",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="disagreements",
                to="labelapp.project",
            ),
        ),
        migrations.AddField(
            model_name="disagreement",
            name="prompt",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="disagreement",
                to="labelapp.prompt",
            ),
        ),
        migrations.AddField(
            model_name="export",
            name="created_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="export",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="%(class)ss",
                to="labelapp.project",
            ),
        ),
        migrations.AddField(
            model_name="upload",
            name="created_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="upload",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="%(class)ss",
                to="labelapp.project",
            ),
        ),
        migrations.AddConstraint(
            model_name="comment",
            constraint=models.CheckConstraint(
                condition=models.Q(("text", ""), _negated=True), name="comment_says_something"
            ),
        ),
        migrations.AddIndex(
            model_name="disagreement",
            index=models.Index(
                fields=["project", "-share", "-against", "prompt"], name="disagreement_worst_first"
            ),
        ),
        migrations.AddConstraint(
            model_name="disagreement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("against__lte", models.F("comparisons")), ("comparisons__gte", 1)
                ),
                name="disagreement_against_some",
            ),
        ),
        migrations.AddConstraint(
            model_name="export",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        ["draft", "queued", "running", "refused", "done", "failed", "stopped"],
                    )
                ),
                name="export_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="export",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "failed"), _negated=True),
                    models.Q(("reason", ""), _negated=True),
                    _connector="OR",
                ),
                name="export_failure_has_a_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="upload",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        ["draft", "queued", "running", "refused", "done", "failed", "stopped"],
                    )
                ),
                name="upload_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="upload",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "failed"), _negated=True),
                    models.Q(("reason", ""), _negated=True),
                    _connector="OR",
                ),
                name="upload_failure_has_a_reason",
            ),
        ),
    ]
