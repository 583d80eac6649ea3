"""The hash of the responses that an assignment shows, and a member's rankings of a day."""

import hashlib

from django.db import migrations, models

CHUNK = 500


def fill(apps, schema_editor):
    """Open assignments are about to be ranked; of others the hash is computed when needed."""
    Assignment = apps.get_model("labelapp", "Assignment")
    Response = apps.get_model("labelapp", "Response")
    shown = Assignment.objects.filter(submitted_at=None, skipped_at=None).only("order")
    last = 0
    while found := list(shown.filter(pk__gt=last).order_by("pk")[:CHUNK]):
        last = found[-1].pk
        hashes = {}
        for assignment in found:
            if missing := set(assignment.order) - hashes.keys():
                rows = Response.objects.filter(pk__in=missing)
                hashes.update(rows.values_list("pk", "content_hash"))
            lines = "\n".join(sorted(hashes[pk] for pk in assignment.order))
            assignment.responses_hash = hashlib.sha256(lines.encode()).hexdigest()
        Assignment.objects.bulk_update(found, ["responses_hash"])


class Migration(migrations.Migration):
    dependencies = [("labelapp", "0006_jobs")]

    operations = [
        migrations.AddField(
            model_name="assignment",
            name="responses_hash",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="member",
            name="ranked_on",
            field=models.DateField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="member",
            name="ranked_that_day",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
