"""Names, notes, tags and pins of training runs; several active ones in a project."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('labelapp', '0011_response_source'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='trainingrun',
            name='run_one_active_per_project',
        ),
        migrations.AddField(
            model_name='trainingrun',
            name='form_key',
            field=models.UUIDField(editable=False, null=True, unique=True),
        ),
        migrations.AddField(
            model_name='trainingrun',
            name='is_pinned',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='trainingrun',
            name='name',
            field=models.CharField(blank=True, max_length=100),
        ),
        migrations.AddField(
            model_name='trainingrun',
            name='note',
            field=models.CharField(blank=True, max_length=1000),
        ),
        migrations.AddField(
            model_name='trainingrun',
            name='tags',
            field=models.CharField(blank=True, max_length=200),
        ),
    ]
