
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('labelapp', '0012_run_names'),
    ]

    operations = [
        migrations.CreateModel(
            name='ReviewMeasurement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('draft', 'Draft'), ('queued', 'Queued'), ('running', 'Running'), ('refused', 'Refused'), ('done', 'Done'), ('failed', 'Failed'), ('stopped', 'Stopped')], default='queued', max_length=7)),
                ('reason', models.TextField(blank=True)),
                ('done', models.BigIntegerField(default=0)),
                ('total', models.BigIntegerField(default=0)),
                ('stop_requested', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('heartbeat_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('result', models.JSONField(blank=True, default=dict)),
            ],
            options={
                'ordering': ['-pk'],
                'abstract': False,
            },
        ),
        migrations.AddField(
            model_name='promptagreement',
            name='margin',
            field=models.FloatField(db_default=0, default=0),
        ),
        migrations.AddIndex(
            model_name='promptagreement',
            index=models.Index(fields=['run', '-margin'], name='agreement_widest_margin'),
        ),
        migrations.AddField(
            model_name='reviewmeasurement',
            name='created_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='reviewmeasurement',
            name='project',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='review_measurements', to='labelapp.project'),
        ),
        migrations.AddField(
            model_name='reviewmeasurement',
            name='run',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='review_measurements', to='labelapp.trainingrun'),
        ),
        migrations.AddConstraint(
            model_name='reviewmeasurement',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['draft', 'queued', 'running', 'refused', 'done', 'failed', 'stopped'])), name='reviewmeasurement_state_known'),
        ),
        migrations.AddConstraint(
            model_name='reviewmeasurement',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'failed'), _negated=True), models.Q(('reason', ''), _negated=True), _connector='OR'), name='reviewmeasurement_failure_has_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='reviewmeasurement',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('finished_at', None), ('state__in', ('draft', 'queued', 'running'))), models.Q(models.Q(('state__in', ('draft', 'queued', 'running')), _negated=True), ('finished_at__isnull', False)), _connector='OR'), name='reviewmeasurement_finished_when_over'),
        ),
        migrations.AddConstraint(
            model_name='reviewmeasurement',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ('queued', 'running'))), fields=('run',), name='reviewmeasurement_one_active'),
        ),
    ]
