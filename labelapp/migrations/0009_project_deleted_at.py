"""When the deletion of a project began."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("labelapp", "0008_access")]

    operations = [
        migrations.AddField(
            model_name="project",
            name="deleted_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
