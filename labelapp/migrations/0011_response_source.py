"""Sources of any length."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labelapp", "0010_unranked"),
    ]

    operations = [
        migrations.AlterField(
            model_name="response",
            name="source",
            field=models.TextField(blank=True),
        ),
    ]
