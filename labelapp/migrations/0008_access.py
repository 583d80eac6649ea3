"""When a member was removed, and failed attempts to sign in.

Links whose maker can no longer invite people are revoked.
"""

from django.db import migrations, models
from django.db.models import Exists, OuterRef
from django.utils import timezone


def fill(apps, schema_editor):
    """Have no older link bring back those who were removed, or work for somebody who left."""
    Member = apps.get_model("labelapp", "Member")
    Member.objects.filter(is_active=False, removed_at=None).update(removed_at=timezone.now())
    managers = Member.objects.filter(
        project=OuterRef("project"), user=OuterRef("created_by"), role="manager", is_active=True
    )
    superusers = apps.get_model("labelapp", "User").objects.filter(
        pk=OuterRef("created_by"), is_superuser=True
    )
    links = apps.get_model("labelapp", "Invitation").objects.filter(revoked_at=None)
    links.filter(~Exists(managers), ~Exists(superusers)).update(revoked_at=timezone.now())


class Migration(migrations.Migration):
    dependencies = [("labelapp", "0007_counts_and_hashes")]

    operations = [
        migrations.AddField(
            model_name="member",
            name="removed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.CreateModel(
            name="SignInFailures",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("count", models.PositiveIntegerField(default=0)),
                ("last_at", models.DateTimeField(db_index=True)),
            ],
            options={"verbose_name_plural": "sign-in failures"},
        ),
        migrations.AddIndex(
            model_name="assignment",
            index=models.Index(
                condition=models.Q(("gold", True), ("repeat", True), _connector="OR"),
                fields=["member", "created_at"],
                name="assignment_controls_of_member",
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
