from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('labelapp', '0028_prompt_deletion'),
    ]

    operations = [
        migrations.AddField(
            model_name='promptdeletion',
            name='restored_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
