"""Counts and times of what was labelled before they were kept."""

from django.db import migrations
from django.db.models import Count, F, Q


def count(apps, schema_editor):
    Member = apps.get_model("labelapp", "Member")
    Assignment = apps.get_model("labelapp", "Assignment")
    ranked = Count("assignments", filter=Q(assignments__submitted_at__isnull=False))
    for member in Member.objects.annotate(done=ranked).filter(done__gt=0):
        Member.objects.filter(pk=member.pk).update(ranked=member.done)
    Assignment.objects.filter(submitted_at=None).update(shown_at=F("created_at"))


class Migration(migrations.Migration):
    dependencies = [("labelapp", "0002_labelling")]

    operations = [migrations.RunPython(count, migrations.RunPython.noop)]
