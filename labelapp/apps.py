"""Name Podium in the admin site, and prepare the database: connections and the search index."""

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate

from labelapp.db import compilation, text_index


class PodiumConfig(AppConfig):
    name = "labelapp"
    verbose_name = "Podium"

    def ready(self) -> None:
        connection_created.connect(compilation.turn_off)
        post_migrate.connect(text_index.ensure, sender=self)
        register(text_index.check_index, Tags.database)
