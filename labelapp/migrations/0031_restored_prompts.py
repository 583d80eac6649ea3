from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('labelapp', '0030_list_indexes'),
    ]

    operations = [
        migrations.AddField(
            model_name='promptdeletion',
            name='restored_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
