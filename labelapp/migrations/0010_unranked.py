"""Unranked responses, and scores of responses that are equal after the cut."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labelapp", "0009_project_deleted_at"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="placement",
            name="placement_rank_from_1",
        ),
        migrations.AddField(
            model_name="score",
            name="same_as",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddConstraint(
            model_name="placement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("rank__gte", 1), ("rank__lte", 9)), ("rank", 100), _connector="OR"
                ),
                name="placement_rank_from_1",
            ),
        ),
    ]
