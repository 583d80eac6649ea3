"""What a manager took out of the queue, and took back, in columns of their own; an index of skips."""

from django.db import migrations, models
from django.db.models import F


def mark(apps, schema_editor):
    """A lease that was taken back was kept as one that never lasted."""
    Assignment = apps.get_model("labelapp", "Assignment")
    taken = Assignment.objects.filter(slot=None, expires_at=F("created_at"))
    taken.update(taken_back=True)


class Migration(migrations.Migration):
    dependencies = [("labelapp", "0003_count_ranked")]

    operations = [
        migrations.AddField(
            model_name="prompt",
            name="taken_out",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="assignment",
            name="taken_back",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddIndex(
            model_name="assignment",
            index=models.Index(
                condition=models.Q(("skipped_at__isnull", False)),
                fields=["member", "-skipped_at"],
                name="assignment_skips_of_member",
            ),
        ),
        migrations.RunPython(mark, migrations.RunPython.noop),
    ]
