"""Indexes by which the lists of prompts and of a review are read and sorted."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("labelapp", "0029_ranking_upload")]

    operations = [
        migrations.AddIndex(
            model_name="prompt",
            index=models.Index(
                fields=["project", "id", "priority", "rankings_wanted"], name="prompt_list"
            ),
        ),
        migrations.AddIndex(
            model_name="prompt",
            index=models.Index(
                fields=["project", "id"],
                name="prompt_metadata",
                condition=models.Q(("metadata__isnull", False)),
            ),
        ),
        migrations.AddIndex(
            model_name="ranking",
            index=models.Index(
                fields=["prompt", "is_current", "origin"], name="ranking_of_prompt"
            ),
        ),
        migrations.RemoveIndex(model_name="promptagreement", name="agreement_widest_margin"),
        migrations.AddIndex(
            model_name="promptagreement",
            index=models.Index(
                fields=["run", "-margin", "-disagreement", "prompt"],
                name="agreement_widest_margin",
            ),
        ),
    ]
